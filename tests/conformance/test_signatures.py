"""What a signature declares is what it does, at more than one size."""

import numpy as np
import pytest
from cases import TINY, task
from keras import ops

SIZES = ({"B": 2, "S": 3}, {"B": 5, "S": 7})


def _example(spec, sizes, generator):
    shape = spec.at(sizes)
    if spec.dtype == "int32":
        return generator.integers(4, 20, shape).astype("int32")
    if spec.dtype == "bool":
        return np.ones(shape, bool)
    return generator.normal(size=shape).astype(spec.dtype)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("signature", ["generate", "start", "step"])
@pytest.mark.parametrize("name", TINY)
def test_outputs_are_as_declared(name, signature, sizes):
    [declared] = [x for x in task(name).signatures(beam_size=3) if x.name == signature]
    generator = np.random.default_rng(0)
    inputs = {name: _example(spec, sizes, generator) for name, spec in declared.inputs.items()}
    outputs = declared.function(**inputs)
    assert outputs.keys() == declared.outputs.keys()
    for output, spec in declared.outputs.items():
        assert tuple(outputs[output].shape) == spec.at(sizes), output
        assert ops.dtype(outputs[output]) == spec.dtype, output


@pytest.mark.parametrize("name", TINY)
def test_step_takes_what_start_and_step_give(name):
    declared = {signature.name: signature for signature in task(name).signatures()}
    state = declared["start"].outputs
    taken = {k: v for k, v in declared["step"].inputs.items() if k not in ("tokens", "position")}
    given = {k: v for k, v in declared["step"].outputs.items() if k not in ("logits", "alignment")}
    assert taken == state
    assert given == {k: v for k, v in state.items() if k not in task(name).constants}
