import keras
import numpy as np
import pytest

from zoo.evaluation.cross_entropy import cross_entropy

LOGITS = np.random.default_rng(0).normal(size=(7, 5, 11)).astype("float32")
TARGETS = np.random.default_rng(1).integers(1, 11, size=(7, 5))
TARGETS[2, 3:] = TARGETS[4, 1:] = 0  # padding


class Known(keras.Model):
    """Says what is known of a row, by its number from 1; row 0 is padding."""

    def call(self, inputs):
        known = np.concatenate([np.full((1, 5, 11), np.nan, "float32"), LOGITS])
        return keras.ops.take(known, inputs["row"][:, 0], axis=0)


@pytest.mark.parametrize("batch_size", [3, 7, 64])
def test_it_is_the_slow_sum_over_tokens(batch_size):
    model = Known()
    model.compile()
    costs = []
    for row, step in np.argwhere(TARGETS != 0):
        logits = LOGITS[row, step].astype("float64")
        costs.append(-np.log(np.exp(logits)[TARGETS[row, step]] / np.exp(logits).sum()))
    inputs = {"row": np.arange(1, 8)[:, None]}
    actual = cross_entropy(model, inputs, TARGETS, pad_id=0, batch_size=batch_size)
    assert actual == pytest.approx(np.mean(costs), rel=1e-6)
