"""Exports a model to one `.tflite` file of LiteRT's built-in operators.

The file's signatures:

    generate        of a model that writes text: greedy decoding, the whole loop in one call
    generate_beam   beam search of one size, the whole loop in one call
    predict         of any other model: its answer
    start, step     for callers with a loop of their own

A beam inside the graph, and not a loop over `step` in Python: on the date model (int8, two CPU
cores, ai-edge-litert 2.3) greedy decoding took 0.52 ms, a beam of 4 in the graph 0.79 ms, and the
loop in Python 0.64 ms for a single hypothesis already, so about four times that for a beam. The
size is fixed at export because shapes that vary inside a loop keep XNNPACK away. Signatures share
the weights.
"""

import dataclasses
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal, get_args

from zoo import layout, models, paths
from zoo.config import require_choice
from zoo.errors import ZooError
from zoo.export.artefact import carried_facts, write_manifest
from zoo.export.card import write_card
from zoo.export.golden import golden_inputs, golden_outputs, replay, save_golden
from zoo.models.restore import restore_task
from zoo.models.story_task import StoryTask
from zoo.registry import Artefact
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.signature import Signature

Quantization = Literal["none", "float16", "int8"]


def export_litert(
    source: Artefact,
    target: Path,
    *,
    quantize: Quantization = "int8",
    beam_size: int | None = None,
    batch_size: int = 1,
) -> Artefact:
    """Writes a folder with `model.tflite` and everything it takes to use it.

    Args:
        source: A published model or a finished training.
        target: A new folder.
        quantize: Weights as 8-bit integers (activations stay float), as float16, or as they are.
        beam_size: Of `generate_beam`; None takes the preset's.
        batch_size: Rows of a call. One answers soonest; a few get more done, for a file of many
            inputs.

    Returns:
        The folder as an artefact.

    Raises:
        ZooError: If an argument is wrong, the target is not new, or the file, its weights as they
            are, does not answer as Keras does. How often a quantized one does is in its manifest.
    """
    require_choice("quantization", quantize, get_args(Quantization))
    preset = models.trained_preset(source.manifest)
    beam_size = preset.decode.beam_size if beam_size is None else beam_size
    preset.require_beam_size(beam_size)
    if batch_size < 1:
        raise ZooError(f"batch_size must be at least 1. Received: {batch_size}.")
    with paths.new_folder(target) as folder:
        task = restore_task(source)
        copied = [file for file in (layout.TOKENIZER, layout.WEIGHTS) if source.holds(file)]
        for file in copied:
            (folder / file).write_bytes(source.read(file))
        signatures = convert(
            task,
            folder / layout.TFLITE,
            quantize=quantize,
            beam_size=beam_size,
            batch_size=batch_size,
        )

        engine = LiteRTEngine((folder / layout.TFLITE).read_bytes())
        inputs = golden_inputs(preset, source)
        agreement = {}
        for signature in signatures:
            if signature.name not in ("generate", "generate_beam", "predict"):
                continue
            golden = golden_outputs(task.model, signature, inputs)
            agreement[signature.name] = replay(
                golden, engine, signature=signature.name, inputs=inputs, exact=quantize == "none"
            )
            if signature is signatures[0]:
                save_golden(golden, folder / layout.GOLDEN)
        manifest = carried_facts(source.manifest, runtime="litert")
        manifest["litert"] = {
            "quantize": quantize,
            "beam_size": beam_size,
            "golden_agreement": agreement,
            "signatures": engine.signatures(),
        }
        write_card(manifest, folder / layout.CARD)
        write_manifest(
            folder,
            manifest,
            (layout.TFLITE, layout.GOLDEN, layout.CARD, *copied),
        )
    return Artefact.open(target)


def _signatures(task, beam_size: int) -> tuple[Signature, ...]:
    """Returns the signatures of a file; with those that generate, the one that searches."""
    signatures = task.signatures()
    if signatures[0].name != "generate":
        return signatures
    beam = task.signatures(beam_size=beam_size)[0]
    return (*signatures, dataclasses.replace(beam, name="generate_beam"))


def convert(
    task, target: Path, *, quantize: Quantization, beam_size: int, batch_size: int = 1
) -> tuple[Signature, ...]:
    """Writes the `.tflite` of `task` to `target` and returns its signatures.

    They are traced here and converted in a process of its own.

    The converter never gives its memory back, so a process that exports many models would grow.
    """
    from zoo.export.graph import Graph, add_signatures

    signatures = _signatures(task, beam_size)
    # Kernels of text models would lie in the file beside the tables that they are made of.
    graph = Graph(task.model, task.keep_kernels() if isinstance(task, StoryTask) else ())
    sizes = {**task.static_sizes, "B": batch_size}
    add_signatures(graph, [_with_outputs_apart(x) for x in signatures], sizes)
    with tempfile.TemporaryDirectory() as folder:
        graph.save(Path(folder))
        names = [signature.name for signature in signatures]
        command = [sys.executable, "-m", __name__, folder, str(target), quantize, *names]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ZooError(f"The LiteRT converter failed: {reason[0]}")
    return signatures


def _with_outputs_apart(signature: Signature) -> Signature:
    """Returns `signature` with outputs that LiteRT's CompiledModel can place one by one.

    It cannot place what a WHILE writes where the caller wants it: the first call leaves the
    caller's buffer as it was, and the next one fails. And it finds no output that shares its tensor
    with another, as empty states do (ai-edge-litert 2.3). So such outputs get an operator more,
    which changes no number; the converter cannot know that.
    """
    import tensorflow as tf

    def leaves_loop(tensor) -> bool:
        operator = tensor.op
        while operator.type == "Identity":
            operator = operator.inputs[0].op
        return operator.type in ("While", "StatelessWhile")

    def function(**inputs) -> dict:
        outputs = signature.function(**inputs)
        for index, (name, output) in enumerate(outputs.items(), start=1):
            if output.dtype.is_floating and (signature.name == "start" or leaves_loop(output)):
                integer = next(x for x in inputs.values() if x.dtype == tf.int32)
                some = tf.cast(tf.reshape(integer, [-1])[0], "float32")
                # True of every integer; another number for each output, for equals are merged.
                outputs[name] = tf.where(some > -1e30 * index, output, 1.0)
        return outputs

    return dataclasses.replace(signature, function=function)


def _converter_main(saved_model: str, target: str, quantize: str, *signatures: str) -> None:
    """Converts a SavedModel's signatures; runs in a process of its own."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved_model, signature_keys=list(signatures)
    )
    # Built-in operators alone: neither phones nor the pip package have the Flex delegate.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    Path(target).write_bytes(converter.convert())


if __name__ == "__main__":
    _converter_main(*sys.argv[1:])
