"""Exports a model to a SavedModel, laid out as TensorFlow Serving reads it.

    <to>/<name>/<version>/saved_model.pb, variables/, and the manifest, card and tokenizer

Its signatures:

    serving_default   strings in and strings out, as the module of the model's modality says:
                      `serve_text` for one
    generate          of a model from text to text: the same on token ids, with core operators only;
                      every hypothesis
    predict           of other models: the same on arrays
    start, step       for callers with a loop of their own; `position` is a scalar, so that REST
                      takes it in the column format alone
"""

from pathlib import Path

from zoo import layout, models, paths
from zoo.errors import ZooError
from zoo.export import serve_sequence, serve_story, serve_text
from zoo.export.artefact import carried_facts, write_manifest
from zoo.export.card import write_card
from zoo.export.golden import golden_inputs, golden_outputs, replay
from zoo.export.graph import Graph, add_signatures, tensor_specs
from zoo.models.restore import restore_task
from zoo.registry import Artefact
from zoo.runtime.saved_model_engine import SavedModelEngine
from zoo.text.in_graph import GraphTokenizer

# What a server sees of a model, by the kind of its inputs.
_SERVE = {"text": serve_text, "story": serve_story, "sequence": serve_sequence}

XLA_FLAG = "--xla_cpu_compilation_enabled"  # TensorFlow Serving compiles on a CPU only with it


def export_saved_model(
    source: Artefact,
    target: Path,
    *,
    beam_size: int = 1,
    ids_only: bool = False,
    xla: bool = False,
) -> Artefact:
    """Writes a SavedModel of a trained model into a new folder.

    Args:
        source: A published model or a finished training.
        target: A new folder; for TensorFlow Serving its name is the version.
        beam_size: Of the search; 1 is greedy.
        ids_only: Leave the tokenizer out, so that every loader has the operators it needs;
            `serving_default` is then `generate`.
        xla: Compile the loop. Batches and lengths are padded to a few sizes.

    Returns:
        The folder as an artefact.

    Raises:
        ZooError: If an argument is wrong, the target is not new, or the SavedModel does not answer
            as Keras does.
    """
    preset = models.trained_preset(source.manifest)
    preset.require_beam_size(beam_size)
    if xla and preset.modality != "text":
        raise ZooError(f"Only models from text to text are compiled. {source.name} is none.")
    with paths.new_folder(target) as folder:
        task = restore_task(source)
        serve = _SERVE[preset.modality]
        graph = Graph(task.model, () if preset.modality == "sequence" else task.keep_kernels())
        open_sizes = dict.fromkeys(task.static_sizes)
        main, *others = task.signatures(**({"beam_size": beam_size} if beam_size > 1 else {}))
        function = serve.guarded(main.function, task.model.config, **({"xla": xla} if xla else {}))
        graph.add(main.name, function, tensor_specs(main, open_sizes))
        add_signatures(graph, others, open_sizes)
        if ids_only or preset.modality == "sequence":
            on_default = function, tensor_specs(main, open_sizes)
        else:
            graph.root.tokenizer = GraphTokenizer(source.read(layout.TOKENIZER))  # saved with it
            on_default = serve.on_strings(function, graph.root.tokenizer, task.model.config)
        graph.add("serving_default", *on_default)
        graph.save(folder)
        inputs = golden_inputs(preset, source)
        golden = golden_outputs(task.model, main, inputs)
        replay(golden, SavedModelEngine(folder), signature=main.name, inputs=inputs, exact=True)

        manifest = carried_facts(source.manifest, runtime="saved_model")
        manifest["saved_model"] = {
            "beam_size": beam_size,
            "ids_only": ids_only,
            "xla": xla,
            "serving_flags": [XLA_FLAG] if xla else [],
        }
        if source.holds(layout.TOKENIZER):
            (folder / layout.TOKENIZER).write_bytes(source.read(layout.TOKENIZER))
        write_card(manifest, folder / layout.CARD)
        written = (path for path in folder.rglob("*") if path.is_file())
        write_manifest(folder, manifest, [path.relative_to(folder).as_posix() for path in written])
    return Artefact.open(target)
