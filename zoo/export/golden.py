"""Golden outputs: what Keras answers to the data set's sample, and whether an export agrees."""

import io
from collections.abc import Collection
from pathlib import Path

import keras
import numpy as np

from zoo import layout
from zoo.config import Preset
from zoo.data.batches import pad
from zoo.data.stories import Story
from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.runtime.engine import Engine
from zoo.runtime.keras_engine import KerasEngine
from zoo.runtime.load import sample_inputs
from zoo.runtime.sequence_model import encode_sequences
from zoo.runtime.story_model import encode_stories
from zoo.signature import Signature
from zoo.text.tokenizer import Tokenizer

# Float arithmetic in another order: measured up to 3e-5 for scores of about -50.
_TOLERANCE = 1e-3


def golden_inputs(preset: Preset, artefact: Artefact) -> dict[str, np.ndarray]:
    """Returns the inputs of the data set's sample and an empty one, by name, padded in full.

    Of sequences it is every other one of the sample.
    """
    samples = sample_inputs(preset)
    if preset.modality == "sequence":
        # Half of them, the longest among them: their weights over time take a megabyte.
        return encode_sequences(samples[1::2], preset.model.max_length)
    tokenizer = Tokenizer(artefact.read(layout.TOKENIZER))
    if preset.modality == "story":
        return encode_stories([*samples, Story((), "")], tokenizer, preset.model)
    source = tokenizer.encode([*samples, ""])
    return {"source": pad(source, preset.model.max_source_length, pad_id=tokenizer.pad_id)}


def golden_outputs(
    model: keras.Model, signature: Signature, inputs: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns `inputs` and what Keras's `signature` of `model` answers to them, by name."""
    return {**inputs, **KerasEngine(model, [signature]).run(signature.name, **inputs)}


def save_golden(outputs: dict[str, np.ndarray], path: Path) -> None:
    """Writes `outputs` as `.npz`, the same bytes for the same arrays."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **outputs)
    path.write_bytes(buffer.getvalue())


def load_golden(content: bytes) -> dict[str, np.ndarray]:
    """Returns what `save_golden` wrote."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return dict(archive)


def replay(
    golden: dict[str, np.ndarray],
    engine: Engine,
    *,
    signature: str = "generate",
    inputs: Collection[str] = ("source",),
    exact: bool,
) -> float:
    """Returns the fraction of golden rows that `engine` answers alike.

    An answer is alike if its whole numbers, tokens for example, are the same; where it has none, if
    its other numbers are close.

    Args:
        golden: As `golden_outputs` returned it.
        engine: What to compare with it.
        signature: The signature that gave `golden`, or one that does the same.
        inputs: The names of its inputs.
        exact: Require every whole number to be the same, and every other one to be close, but
            where answers tie: of two that are equally good but for arithmetic in another order,
            each runtime may take either.

    Raises:
        ZooError: If the shapes differ, an output is not finite, or `exact` does not hold. Nor does
            it where most rows tie: that is no coincidence.
    """
    rows = len(golden[next(iter(inputs))])
    whole = [
        name
        for name, array in golden.items()
        if name not in inputs and np.issubdtype(array.dtype, np.integer)
    ]
    agreeing = ties = 0
    for row in range(rows):
        expected = {name: array[row : row + 1] for name, array in golden.items()}
        actual = engine.run(signature, **{name: expected.pop(name) for name in inputs})
        close = {}
        for name, array in expected.items():
            if actual[name].shape != array.shape or not np.isfinite(actual[name]).all():
                raise ZooError(f"The export's {name} of golden row {row} is not {array.shape}.")
            close[name] = np.allclose(actual[name], array, rtol=0, atol=_TOLERANCE)
        alike = all(close[name] for name in whole or close)
        wrong = [name for name in close if not close[name]]
        if exact and wrong:
            ties += 1
            if alike or not _tied(expected, actual, close) or ties > rows / 2:
                raise ZooError(f"The export's {wrong[0]} of golden row {row} is not that of Keras.")
        agreeing += alike
    return agreeing / rows


def _tied(
    expected: dict[str, np.ndarray], actual: dict[str, np.ndarray], close: dict[str, bool]
) -> bool:
    """Returns whether the other answer of one row may be as good as the expected one."""
    if "probabilities" in expected:  # all but the answer is to be the same
        [probabilities], [answer] = expected["probabilities"], actual["answer"]
        as_probable = probabilities[answer] >= probabilities.max() - _TOLERANCE
        return as_probable and all(close[name] for name in close if name != "answer")
    return close.get("scores", False)
