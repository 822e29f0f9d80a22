"""Warm-up requests: what TensorFlow Serving runs through a SavedModel before it answers with it.

The first call of a signature is slow: TensorFlow plans the graph, and XLA compiles it for every
shape, seconds each. TensorFlow Serving takes the calls in `assets.extra/tf_serving_warmup_requests`
first, one after the other, and offers the version when the last one is done; a call that fails
keeps the version away.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from zoo import layout, models
from zoo.data.batches import pad
from zoo.errors import ZooError
from zoo.export.serve_text import XLA_BATCH_SIZES, XLA_LENGTH_STEP
from zoo.registry import Artefact
from zoo.runtime.engine import Engine
from zoo.runtime.load import sample_inputs
from zoo.runtime.sequence_model import encode_sequences
from zoo.runtime.story_model import encode_stories
from zoo.text.tokenizer import START_ID, Tokenizer

WARM_UP = "assets.extra/tf_serving_warmup_requests"
# Of the requests, and of the batches that the server forms: those that an XLA export compiles for.
BATCH_SIZES = XLA_BATCH_SIZES
# Of `start` and `step`, whose state can take megabytes a row.
_STEP_BATCH_SIZES = (1, 4)

Request = tuple[str, dict[str, np.ndarray]]  # a signature and its inputs


def write_warm_up(exported: Artefact, engine: Engine) -> None:
    """Writes the warm-up requests of a SavedModel into its folder, after running each.

    Args:
        exported: The SavedModel.
        engine: What runs it.

    Raises:
        ZooError: If an answer is not finite.
    """
    path = exported.folder / WARM_UP
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in _requests(exported, engine):
            outputs = engine.run(signature, **inputs)
            for name, array in outputs.items():
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    raise ZooError(f"The SavedModel's {name} of {signature} is not finite.")
            log = _log(exported.name, signature, inputs, outputs)
            writer.write(log.SerializeToString(deterministic=True))


def read_warm_up(folder: Path) -> Iterator[Request]:
    """Yields the requests that were written for the SavedModel in `folder`."""
    for record in tf.data.TFRecordDataset(str(folder / WARM_UP)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        yield request.model_spec.signature_name, inputs


def _log(
    model: str, signature: str, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    if any(array.ndim == 0 for array in inputs.values()):
        # A server with --enable_batching refuses scalars, such as the position of `step`, and then
        # the version with them. A request for some of the outputs passes its batcher by.
        request.output_filter.append(min(outputs))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return log


def _requests(exported: Artefact, engine: Engine) -> Iterator[Request]:
    """Yields requests for every signature, of a few batch sizes, of the data set's sample."""
    preset = models.trained_preset(exported.manifest)
    strings = preset.modality != "sequence" and not exported.manifest["saved_model"]["ids_only"]
    signatures = exported.manifest["signatures"]
    tokenizer = None
    if exported.holds(layout.TOKENIZER):
        tokenizer = Tokenizer(exported.read(layout.TOKENIZER))
    for size, batch in _batches(preset, tokenizer):
        arrays = _arrays(preset, tokenizer, batch)
        yield "serving_default", _strings(preset, batch) if strings else arrays
        for main in signatures.keys() & {"generate", "predict"}:
            yield main, arrays
        if size in _STEP_BATCH_SIZES and "start" in signatures:
            begin = {"streams": np.zeros(size, np.int32), **arrays}
            begin = {name: begin[name] for name in signatures["start"]["inputs"]}
            yield "start", begin
            step = {
                "tokens": np.full(size, START_ID, np.int32),
                "position": np.int32(0),
                **engine.run("start", **begin),
            }
            if "inputs" in arrays:
                step["inputs"] = arrays["inputs"][:, 0]
            yield "step", {name: np.asarray(step[name]) for name in signatures["step"]["inputs"]}


def _batches(preset, tokenizer: Tokenizer | None) -> Iterator[tuple[int, list]]:
    """Yields sizes and batches: of texts, one for each length that XLA would compile for."""
    samples = sample_inputs(preset)
    groups = [samples]
    if preset.modality == "text":
        lengths = map(len, tokenizer.encode(samples))
        by_length = sorted(zip(lengths, samples, strict=True), reverse=True)
        groups = [
            [text for _, text in by_length[start:]]
            for start in _first_of_each_step([length for length, _ in by_length])
        ]
    for size, group in itertools.product(BATCH_SIZES, groups):
        yield size, list(itertools.islice(itertools.cycle(group), size))


def _first_of_each_step(lengths: Sequence[int]) -> list[int]:
    """Returns where, of falling lengths, the first one is that takes a step less."""
    steps = [-(-length // XLA_LENGTH_STEP) for length in lengths]
    return [at for at, step in enumerate(steps) if at == 0 or step != steps[at - 1]]


def _arrays(preset, tokenizer: Tokenizer | None, batch: list) -> dict[str, np.ndarray]:
    """Returns a batch as the signature on arrays takes it."""
    if preset.modality == "sequence":
        return encode_sequences(batch, max(x.inputs.shape[1] for x in batch))
    if preset.modality == "story":
        return encode_stories(batch, tokenizer, preset.model)
    ids = [row[: preset.model.max_source_length] for row in tokenizer.encode(batch)]
    return {"source": pad(ids, max(map(len, ids)), pad_id=tokenizer.pad_id)}


def _strings(preset, batch: list) -> dict[str, np.ndarray]:
    """Returns a batch as the signature on strings takes it."""
    if preset.modality == "text":
        return {"text": np.array(batch, object)}
    longest = max(len(story.sentences) for story in batch)
    told = [[*story.sentences, *[""] * (longest - len(story.sentences))] for story in batch]
    return {
        "story": np.array(told, object).reshape(len(batch), longest),
        "question": np.array([story.question for story in batch], object),
    }
