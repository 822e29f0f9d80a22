"""What is promised of every model that reads and writes sequences of vectors."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    COSTLY_SEQUENCES_TINY,
    PUBLISHED_SEQUENCES,
    ROOT,
    SEQUENCES_TINY,
    costly,
    operator_names,
    run_python,
)

import zoo
from zoo import models
from zoo.data import algorithmic
from zoo.data.algorithmic import Sequences
from zoo.models.restore import restore_task
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.load import sample_inputs
from zoo.runtime.saved_model_engine import SavedModelEngine

FRESH_PROCESS = """
import json, sys
import zoo
from zoo import models, registry
from zoo.runtime.load import sample_inputs
artefact = registry.resolve(sys.argv[1])
model = zoo.load(artefact, runtime=sys.argv[2])
samples = sample_inputs(models.trained_preset(artefact.manifest))
print(json.dumps([result.as_dict() for result in model(samples)]))
"""


def _in_fresh_process(artefact, runtime):
    return json.loads(run_python(FRESH_PROCESS, artefact.folder, runtime))


def _assert_same(actual, artefact):
    samples = sample_inputs(models.trained_preset(artefact.manifest))
    expected = zoo.load(artefact.folder, runtime="keras")(samples)
    for mine, theirs in zip(actual, expected, strict=True):
        theirs = theirs.as_dict()
        assert mine["text"] == theirs["text"]
        for name in ("outputs", "write_weights", "read_weights"):
            assert (mine[name] is None) == (theirs[name] is None)
            if mine[name] is not None:
                np.testing.assert_allclose(mine[name], theirs[name], rtol=0, atol=1e-3)


@pytest.mark.parametrize("name", COSTLY_SEQUENCES_TINY)
def test_litert_is_keras(source_of, exported, name):
    export = exported(name, "litert", quantize="none")
    _assert_same(_in_fresh_process(export, "litert"), source_of(name))


@pytest.mark.parametrize("name", COSTLY_SEQUENCES_TINY)
def test_saved_model_is_keras(source_of, exported, name):
    export = exported(name, "saved_model")
    _assert_same(_in_fresh_process(export, "saved_model"), source_of(name))


@pytest.mark.parametrize("name", COSTLY_SEQUENCES_TINY)
def test_a_saved_model_takes_sequences_of_any_length(source_of, exported, name):
    engine = SavedModelEngine(exported(name, "saved_model").folder)
    task = restore_task(source_of(name))
    config = task.model.config
    inputs = np.random.default_rng(0).random((3, config.max_length + 5, config.input_width))
    asked = {"inputs": inputs.astype("float32"), "length": np.array([18, 1, 7], "int32")}
    expected = task.predict(**asked)
    for output, value in engine.run("predict", **asked).items():
        np.testing.assert_allclose(value, expected[output], rtol=0, atol=1e-4, err_msg=output)


@pytest.mark.parametrize("length", [-1, 5])
@pytest.mark.parametrize("name", SEQUENCES_TINY[:1])
def test_a_length_that_cannot_be_is_refused(exported, name, length):
    engine = SavedModelEngine(exported(name, "saved_model").folder)
    with pytest.raises(tf.errors.InvalidArgumentError, match="length"):
        engine.run(
            "predict", inputs=np.zeros((1, 4, 9), "float32"), length=np.array([length], "int32")
        )


@pytest.mark.parametrize("runtime", ["litert", "saved_model"])
@pytest.mark.parametrize("name", COSTLY_SEQUENCES_TINY)
def test_a_stream_step_by_step_is_the_whole_sequence(exported, name, runtime):
    options = {"quantize": "none"} if runtime == "litert" else {}
    artefact = exported(name, runtime, **options)
    engine = (
        LiteRTEngine(artefact.read("model.tflite"))
        if runtime == "litert"
        else SavedModelEngine(artefact.folder)
    )
    config = models.preset(name).model
    inputs = np.random.default_rng(1).random((1, config.max_length, config.input_width))
    inputs = inputs.astype("float32")
    whole = engine.run("predict", inputs=inputs, length=np.array([config.max_length], "int32"))
    state = engine.run("start", streams=np.zeros(1, "int32"))
    for step in range(config.max_length):
        outputs = engine.run("step", inputs=inputs[:, step], **state)
        np.testing.assert_allclose(outputs["outputs"], whole["outputs"][:, step], atol=1e-5)
        state = {entry: outputs[entry] for entry in state}
    if config.memory:
        np.testing.assert_allclose(state["memory"], whole["memory"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", COSTLY_SEQUENCES_TINY)
def test_tflite_holds_built_in_operators_only(exported, name):
    content = exported(name, "litert", quantize="none").read("model.tflite")
    assert not {x for x in operator_names(content) if x.startswith(("CUSTOM", "Flex"))}


def _zoo(*arguments):
    command = [sys.executable, "-m", "zoo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("name", SEQUENCES_TINY[:1])
def test_a_sequence_is_typed_and_read_on_the_command_line(exported, name, tmp_path):
    folder = exported(name, "litert", quantize="none").folder
    done = _zoo("run", folder, "10110010 01101001", "00000000")
    first, second = done.stdout.splitlines()
    assert [len(word) for word in first.split()] == [8, 8] and len(second) == 8
    picture = tmp_path / "memory.png"
    done = _zoo("attend", folder, "10110010 01101001", "--output", picture)
    assert done.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG")
    wrong = _zoo("run", folder, "1011")
    assert wrong.returncode == 1 and "Expected vectors of 8 bits" in wrong.stderr
    long = _zoo("run", folder, " ".join(["10110010"] * 20))
    assert long.returncode == 1 and "41 steps" in long.stderr


@pytest.mark.parametrize("name", costly(PUBLISHED_SEQUENCES))
def test_a_published_model_is_the_same_on_every_runtime(source_of, exported, name):
    for runtime in ("litert", "saved_model"):
        export = source_of(name) if runtime == "litert" else exported(name, "saved_model")
        _assert_same(_in_fresh_process(export, runtime), source_of(name))


# Errors a sequence at the sizes trained on, and at larger ones.
SOLVED = {
    "neural_turing_machine_copy": {"20": 0.1, "40": 1.0},
    "neural_turing_machine_associative_recall": {"6": 0.1, "12": 1.0},
}


@pytest.mark.parametrize("name", PUBLISHED_SEQUENCES)
def test_a_published_model_solves_its_task(source_of, name):
    artefact = source_of(name)
    tests = algorithmic.TestSequences(models.trained_preset(artefact.manifest).data, rows=16)
    stated = artefact.manifest["metrics"]["runtimes"]["litert"][f"{tests.metric}_by_size"]
    for size, allowed in SOLVED.get(name, {}).items():
        assert stated[size] < allowed
    by_size = {" x ".join(map(str, x.values())): x for x in algorithmic.tested_sizes(tests.data)}
    for size in SOLVED.get(name, list(by_size)[:1]):
        batch = tests.draw(by_size[size])
        rows = [Sequences(*(x[row : row + 1] for x in batch)) for row in range(tests.rows)]
        outputs = np.stack([written.outputs for written in zoo.load(artefact)(rows)])
        assert tests.error(outputs, batch) <= 2 * stated[size] + 0.1
