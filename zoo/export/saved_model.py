"""Exports a model to a SavedModel, laid out as TensorFlow Serving reads it.

    <to>/<name>/<version>/saved_model.pb, variables/, and the manifest, card and tokenizer

Its signatures:

    serving_default   `text` `(B,)`, strings, to the best hypothesis of each row: `text`, `score`,
                      `tokens`, `source_tokens`, `alignment`
    generate          the same on token ids, with core operators only; every hypothesis
    start, step       for callers with a loop of their own; `position` is a scalar, so that REST
                      takes it in the column format alone
"""

from pathlib import Path

import tensorflow as tf

from zoo import layout, models, paths
from zoo.errors import ZooError
from zoo.export.artefact import carried_facts, write_manifest
from zoo.export.card import write_card
from zoo.export.golden import golden_outputs, replay
from zoo.export.graph import Graph, add_signatures, tensor_specs
from zoo.models.restore import restore_task
from zoo.registry import Artefact
from zoo.runtime.saved_model_engine import SavedModelEngine
from zoo.text.in_graph import GraphTokenizer
from zoo.text.tokenizer import PAD_ID, Tokenizer

# XLA compiles a program a shape, a second or more each; padded to these, few shapes are left.
_XLA_BATCH_SIZES = (1, 4, 16, 64)
_XLA_LENGTH_STEP = 16

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
    if beam_size < 1:
        raise ZooError(f"beam_size must be at least 1. Received: {beam_size}.")
    preset = models.trained_preset(source.manifest)
    with paths.new_folder(target) as folder:
        task = restore_task(source)
        tokenizer = Tokenizer(source.read(layout.TOKENIZER))
        graph = Graph(task.model)
        signatures = task.signatures(beam_size=beam_size)
        open_sizes = dict.fromkeys(task.static_sizes)
        generate, *others = signatures
        function = _guarded(
            _compiled(generate.function, task.max_source_length) if xla else generate.function,
            vocab_size=tokenizer.vocab_size,
            max_source_length=task.max_source_length,
        )
        graph.add("generate", function, tensor_specs(generate, open_sizes))
        add_signatures(graph, others, open_sizes)
        if ids_only:
            graph.add("serving_default", function, tensor_specs(generate, open_sizes))
        else:
            graph.root.tokenizer = GraphTokenizer(tokenizer.model)  # so that it is saved
            graph.add(
                "serving_default",
                _on_text(function, graph.root.tokenizer, task.max_source_length),
                {"text": tf.TensorSpec((None,), tf.string)},
            )
        graph.save(folder)
        golden = golden_outputs(task, tokenizer, preset.data, beam_size=beam_size)
        replay(golden, SavedModelEngine(folder), exact=True)

        manifest = carried_facts(source.manifest, runtime="saved_model")
        manifest["saved_model"] = {
            "beam_size": beam_size,
            "ids_only": ids_only,
            "xla": xla,
            "serving_flags": [XLA_FLAG] if xla else [],
        }
        (folder / layout.TOKENIZER).write_bytes(tokenizer.model)
        write_card(manifest, folder / layout.CARD)
        written = (path for path in folder.rglob("*") if path.is_file())
        write_manifest(folder, manifest, [path.relative_to(folder).as_posix() for path in written])
    return Artefact.open(target)


def _on_text(generate, tokenizer: GraphTokenizer, max_source_length: int):
    """Returns `generate` with strings in and out; the best hypothesis of each row."""

    def on_text(text):
        source = tokenizer.encode(text, max_length=max_source_length)  # (B, S)
        outputs = generate(source=source)
        ids, lengths = outputs["tokens"][:, 0], outputs["lengths"][:, 0]
        named = {
            "text": tokenizer.decode(ids, lengths),
            "score": outputs["scores"][:, 0],
            "tokens": tokenizer.pieces(ids, lengths),  # (B, T), "" where there is none
            "source_tokens": tokenizer.pieces(
                source, tf.fill(tf.shape(lengths), tf.shape(source)[1])
            ),
        }
        if "alignment" in outputs:
            named["alignment"] = outputs["alignment"][:, 0]  # (B, T, S)
        return named

    return on_text


def _guarded(generate, *, vocab_size: int, max_source_length: int):
    """Returns `generate` for sources of any client: those it cannot read are refused.

    A source without a single column, as `[[]]` comes by REST, is an empty source.
    """

    def guarded(source):
        length = tf.shape(source)[1]
        tf.debugging.assert_less_equal(
            length, max_source_length, f"A source has at most {max_source_length} tokens."
        )
        tf.debugging.assert_non_negative(source, "A token id is at least 0.")
        tf.debugging.assert_less(source, vocab_size, f"A token id is below {vocab_size}.")
        return _padded(generate, source, more_rows=0, more_length=tf.maximum(1 - length, 0))

    return guarded


def _compiled(generate, max_source_length: int):
    """Returns `generate` compiled by XLA, at the next larger of a few shapes."""
    compiled = tf.function(lambda source: generate(source=source), jit_compile=True)

    def at_few_shapes(source):
        rows, length = tf.shape(source)[0], tf.shape(source)[1]
        multiple = -(-length // _XLA_LENGTH_STEP) * _XLA_LENGTH_STEP
        return _padded(
            compiled,
            source,
            more_rows=_batch_size(rows) - rows,
            more_length=tf.minimum(multiple, max_source_length) - length,
        )

    return at_few_shapes


def _padded(generate, source, *, more_rows, more_length):
    """Returns what `generate` answers to `source`, computed with more rows and columns of padding.

    Rows of padding are empty sources; what they and the columns give is cut off again.
    """
    rows, length = tf.shape(source)[0], tf.shape(source)[1]
    padding = [[0, more_rows], [0, more_length]]
    outputs = generate(source=tf.pad(source, padding, constant_values=PAD_ID))
    cut = {name: value[:rows] for name, value in outputs.items()}
    if "alignment" in cut:
        cut["alignment"] = cut["alignment"][..., :length]
    return cut


def _batch_size(rows):
    """Returns the smallest of the sizes that holds `rows`, or the next multiple of the largest."""
    largest = _XLA_BATCH_SIZES[-1]
    size = -(-rows // largest) * largest
    for candidate in reversed(_XLA_BATCH_SIZES):
        size = tf.where(rows <= candidate, candidate, size)
    return size
