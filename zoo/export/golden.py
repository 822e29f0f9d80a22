"""Golden outputs: what Keras answers to the data set's sample, and whether an export agrees."""

import io
from pathlib import Path

import numpy as np

from zoo.config import DataConfig
from zoo.data.batches import pad
from zoo.data.dataset import sample_pairs
from zoo.errors import ZooError
from zoo.runtime.keras_engine import KerasEngine
from zoo.runtime.text_model import Engine
from zoo.text.tokenizer import Tokenizer

# Float arithmetic in another order: measured up to 3e-5 for scores of about -50.
_TOLERANCE = 1e-3


def golden_outputs(
    task, tokenizer: Tokenizer, data: DataConfig, *, beam_size: int
) -> dict[str, np.ndarray]:
    """Returns `source` `(N, S)` and what Keras's `generate` answers to it, by name.

    The sources are those of the data set's sample, and an empty one.
    """
    sources = tokenizer.encode([source for source, _ in sample_pairs(data)] + [""])
    source = pad(sources, task.max_source_length, pad_id=tokenizer.pad_id)
    engine = KerasEngine(
        task.model,
        task.signatures(beam_size=beam_size),
        max_source_length=task.max_source_length,
    )
    return {"source": source, **engine.run("generate", source=source)}


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
    golden: dict[str, np.ndarray], engine: Engine, *, signature: str = "generate", exact: bool
) -> float:
    """Returns the fraction of golden rows whose tokens `engine` gives too.

    Args:
        golden: As `golden_outputs` returned it.
        engine: What to compare with it.
        signature: The signature that generates with the beam size of `golden`.
        exact: Require every token to be the same, and the other outputs to be close.

    Raises:
        ZooError: If the shapes differ, an output is not finite, or `exact` does not hold.
    """
    rows = len(golden["source"])
    agreeing = 0
    for row in range(rows):
        expected = {name: array[row : row + 1] for name, array in golden.items()}
        actual = engine.run(signature, source=expected.pop("source"))
        same_tokens = np.array_equal(actual["tokens"], expected["tokens"])
        agreeing += same_tokens
        for name, array in expected.items():
            if actual[name].shape != array.shape or not np.isfinite(actual[name]).all():
                raise ZooError(f"The export's {name} of golden row {row} is not {array.shape}.")
            if exact and not np.allclose(actual[name], array, rtol=0, atol=_TOLERANCE):
                raise ZooError(f"The export's {name} of golden row {row} is not that of Keras.")
    return agreeing / rows
