"""TensorFlow and JAX give the same numbers from the same weights."""

import numpy as np
import pytest
from cases import COSTLIEST_TINY, batch, run_python

from zoo.models.restore import restore_task

OTHER_BACKEND = """
import sys
import jax, keras, numpy as np
from pathlib import Path
from zoo.models.restore import restore_task
from zoo.registry import Artefact
assert keras.backend.backend() == "jax"
folder, inputs, outputs = sys.argv[1:]
task = restore_task(Artefact.open(Path(folder)))
arrays = dict(np.load(inputs))
# Compiled whole, which takes less time than each operator by itself.
found = {"logits": jax.jit(task.model)(arrays)}
found |= jax.jit(lambda source: task.generate(source, beam_size=3))(arrays["source"])
np.savez(outputs, **{name: np.asarray(array) for name, array in found.items()})
"""


@pytest.mark.parametrize("name", COSTLIEST_TINY)
def test_jax_gives_the_numbers_of_tensorflow(trained, tmp_path, name):
    arrays = batch(name)
    del arrays["target_outputs"]
    np.savez(tmp_path / "inputs.npz", **arrays)
    arguments = (trained(name).folder, tmp_path / "inputs.npz", tmp_path / "outputs.npz")
    run_python(OTHER_BACKEND, *arguments, KERAS_BACKEND="jax")
    there = dict(np.load(tmp_path / "outputs.npz"))

    task = restore_task(trained(name))
    here = {"logits": task.model(arrays)}
    here |= task.generate(arrays["source"], beam_size=3)
    assert here.keys() == there.keys()
    for output, array in here.items():
        np.testing.assert_allclose(there[output], array, rtol=0, atol=1e-4, err_msg=output)
