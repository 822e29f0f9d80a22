"""No logits depend on a later target token."""

import numpy as np
import pytest
from cases import TINY, batch, task


@pytest.mark.parametrize("name", TINY)
def test_a_later_token_changes_no_earlier_logits(name):
    arrays = batch(name)
    inputs = {key: arrays[key] for key in ("source", "target_inputs")}
    before = np.asarray(task(name).model(inputs))
    for position in range(1, inputs["target_inputs"].shape[1]):
        changed = inputs["target_inputs"].copy()
        changed[:, position] = 4 + (changed[:, position] + 3) % 20
        after = np.asarray(task(name).model({**inputs, "target_inputs": changed}))
        np.testing.assert_array_equal(after[:, :position], before[:, :position])
        assert not np.allclose(after[:, position], before[:, position])
