"""Every signature of a `.tflite` answers on LiteRT's CompiledModel as on its Interpreter.

Apps are written against CompiledModel, the newer of the two, which has the caller place every
output; `zoo/export/litert.py` says what it cannot place by itself.
"""

import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.interpreter import Interpreter
from cases import (
    COSTLY_SEQUENCES_TINY,
    COSTLY_STORIES_TINY,
    COSTLY_TINY,
    PUBLISHED,
    published,
)


def _inputs(details: dict, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Returns arrays that any signature takes: low ids, masks that are on, small numbers."""
    made = {}
    for name, facts in details.items():
        shape, dtype = facts["shape"], np.dtype(facts["dtype"])
        if dtype.kind == "b":
            made[name] = np.ones(shape, dtype)
        elif dtype.kind == "i":
            made[name] = generator.integers(1, 6, shape).astype(dtype)
        else:
            made[name] = generator.uniform(-0.5, 0.5, shape).astype(dtype)
    return made


def _assert_answers_as_the_interpreter(content: bytes) -> None:
    interpreter = Interpreter(model_content=content, num_threads=1)
    compiled = CompiledModel.from_buffer(content)
    generator = np.random.default_rng(0)
    for signature in interpreter.get_signature_list():
        runner = interpreter.get_signature_runner(signature)
        for _ in range(2):  # the second call shows what the first has left
            inputs = _inputs(runner.get_input_details(), generator)
            expected = runner(**inputs)
            given = {x: compiled.create_input_buffer_by_name(signature, x) for x in inputs}
            for name, buffer in given.items():
                buffer.write(np.ascontiguousarray(inputs[name]))
            placed = {x: compiled.create_output_buffer_by_name(signature, x) for x in expected}
            compiled.run_by_name(signature, given, placed)
            for name, array in expected.items():
                actual = placed[name].read(array.size, array.dtype.type).reshape(array.shape)
                np.testing.assert_allclose(
                    actual, array, atol=1e-3, err_msg=f"{name} of {signature}"
                )


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_a_model_that_writes_text(exported, name):
    export = exported(name, "litert", quantize="none", beam_size=3)
    _assert_answers_as_the_interpreter(export.read("model.tflite"))


@pytest.mark.parametrize("name", COSTLY_STORIES_TINY + COSTLY_SEQUENCES_TINY)
def test_another_model(exported, name):
    _assert_answers_as_the_interpreter(
        exported(name, "litert", quantize="none").read("model.tflite")
    )


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_model(name):
    _assert_answers_as_the_interpreter(published(name).read("model.tflite"))
