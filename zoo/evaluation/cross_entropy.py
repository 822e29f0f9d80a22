"""What a model's tokens cost, however it was trained."""

import keras
import numpy as np


def cross_entropy(
    model: keras.Model,
    inputs: dict[str, np.ndarray],
    targets: np.ndarray,
    *,
    pad_id: int,
    batch_size: int = 64,
) -> float:
    """Returns the nats that a token of `targets` costs, on average over all of them.

    Unlike the loss of a training it knows no label smoothing, no dropout and no batches, so that
    trainings can be compared by it.

    Args:
        model: Compiled; returns the logits `(B, T, V)` of teacher forcing.
        inputs: What it is called with, by name: token ids `(N, length)`.
        targets: `(N, T)`, padded at the end.
        pad_id: Of padding, which does not count.
        batch_size: Rows at a time.
    """
    total = 0.0
    for start in range(0, len(targets), batch_size):
        rows = slice(start, start + batch_size)
        # Filled up with rows of padding: a compiler that compiles every shape meets one.
        filling = ((0, batch_size - len(targets[rows])), (0, 0))
        batch = {
            name: np.pad(array[rows], filling, constant_values=pad_id)
            for name, array in inputs.items()
        }
        logits = np.asarray(model.predict_on_batch(batch)[: len(targets[rows])], "float32")
        top = logits.max(axis=-1)
        log_sums = top + np.log(np.exp(logits - top[..., None]).sum(axis=-1))
        chosen = np.take_along_axis(logits, targets[rows][..., None], axis=-1)[..., 0]
        total += (log_sums - chosen)[targets[rows] != pad_id].sum(dtype="float64")
    return total / int((targets != pad_id).sum())
