"""No logits depend on a later target token."""

import numpy as np
import pytest
from cases import TINY, batch, task


@pytest.mark.parametrize("name", TINY)
def test_a_later_token_changes_no_earlier_logits(name):
    arrays = {key: array[:2] for key, array in batch(name).items()}
    length = arrays["target_inputs"].shape[1]
    source = np.tile(arrays["source"], (length, 1))
    targets = np.tile(arrays["target_inputs"], (length, 1, 1))
    changed = targets.copy()
    for position in range(1, length):  # one in each copy of the batch
        changed[position, :, position] = 4 + (changed[position, :, position] + 3) % 20

    def logits(targets):
        inputs = {"source": source, "target_inputs": targets.reshape(-1, length)}
        return np.reshape(task(name).model(inputs), (*targets.shape, -1))

    for position, (before, after) in enumerate(zip(logits(targets), logits(changed), strict=True)):
        np.testing.assert_array_equal(after[:, :position], before[:, :position])
        if position:
            assert not np.allclose(after[:, position], before[:, position])
