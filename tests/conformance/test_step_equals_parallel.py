"""Decoding step by step gives the logits of the forward pass: there is one model, run two ways."""

import numpy as np
import pytest
from cases import TINY, batch, task


@pytest.mark.parametrize("name", TINY)
def test_steps_equal_the_forward_pass(name):
    arrays = batch(name)
    targets = arrays["target_inputs"]
    parallel = np.asarray(task(name).model({"source": arrays["source"], "target_inputs": targets}))
    state = task(name).start(arrays["source"])
    for position in range(targets.shape[1]):
        logits, changed, _ = task(name).step(
            targets[:, position], np.array(position, "int32"), state
        )
        np.testing.assert_allclose(logits, parallel[:, position], rtol=0, atol=1e-5)
        assert not changed.keys() & set(task(name).constants)
        state = {**state, **changed}
