"""Keras, a SavedModel in a fresh process, and LiteRT give the same tokens and the same text."""

import json

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    COMPILED,
    COSTLIEST_PUBLISHED_TEXT,
    COSTLIEST_QUANTIZATIONS,
    COSTLY_TINY,
    PUBLISHED,
    costliest,
    operator_names,
    run_python,
)

import zoo
from zoo import models
from zoo.data.dataset import sample_pairs
from zoo.models.restore import restore_task
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.saved_model_engine import SavedModelEngine


def texts_for(artefact):
    """Of the data set's sample, then a blank line, unknown characters and a text that is cut."""
    sample = sample_pairs(models.trained_preset(artefact.manifest).data)
    long = "Wednesday, " * 5 if artefact.manifest["dataset"] == "dates" else "A man " * 70
    return [source for source, _ in sample[:10]] + ["", "  ", "9月27日", long, "1"]


FRESH_PROCESS = """
import json, sys
import zoo
model = zoo.load(sys.argv[1], runtime=sys.argv[2], beam_size=int(sys.argv[3]))
print(json.dumps([result.as_dict() for result in model(json.loads(sys.argv[4]))]))
"""


def _in_fresh_process(artefact, runtime, beam_size):
    texts = json.dumps(texts_for(artefact))
    return json.loads(run_python(FRESH_PROCESS, artefact.folder, runtime, beam_size, texts))


def _expected(artefact, beam_size):
    model = zoo.load(artefact.folder, runtime="keras", beam_size=beam_size)
    return [result.as_dict() for result in model(texts_for(artefact))]


def _assert_same(actual, expected):
    for mine, theirs in zip(actual, expected, strict=True):
        text = theirs["text"]
        for key in ("text", "tokens", "source_tokens"):
            assert mine[key] == theirs[key], text
        np.testing.assert_allclose(mine["score"], theirs["score"], atol=1e-3)
        assert (mine["alignment"] is None) == (theirs["alignment"] is None)
        if theirs["alignment"] is not None:
            assert np.shape(mine["alignment"]) == np.shape(theirs["alignment"])
            np.testing.assert_allclose(mine["alignment"], theirs["alignment"], atol=1e-3)


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_litert_is_keras(source_of, exported, name, beam_size):
    export = exported(name, "litert", quantize="none", beam_size=3)
    actual = _in_fresh_process(export, "litert", beam_size)
    _assert_same(actual, _expected(source_of(name), beam_size))


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(COMPILED, marks=pytest.mark.slow),  # tests/test_cpp_loader.py runs it too
        pytest.param({"beam_size": 3}, marks=pytest.mark.slow),
        pytest.param({"xla": True}, marks=pytest.mark.slow),
        pytest.param({"ids_only": True}, marks=pytest.mark.slow),
    ],
    ids=lambda options: "-".join(options) or "plain",
)
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_saved_model_is_keras(source_of, exported, name, options):
    export = exported(name, "saved_model", **options)
    beam_size = options.get("beam_size", 1)
    actual = _in_fresh_process(export, "saved_model", beam_size)
    _assert_same(actual, _expected(source_of(name), beam_size))


@pytest.mark.parametrize("sizes", [pytest.param((2, 3), marks=pytest.mark.slow), (5, 17)], ids=str)
@pytest.mark.parametrize("options", costliest([{}, COMPILED]), ids=["plain", "xla"])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_signatures_of_a_saved_model_are_those_of_keras(source_of, exported, name, options, sizes):
    engine = SavedModelEngine(exported(name, "saved_model", **options).folder)
    task = restore_task(source_of(name))
    source = np.random.default_rng(0).integers(4, 60, sizes).astype("int32")
    state = {name: np.asarray(value) for name, value in task.start(source).items()}
    inputs = {
        "generate": {"source": source},
        "start": {"source": source},
        "step": {"tokens": source[:, 0], "position": np.array(0, "int32"), **state},
    }
    for signature in task.signatures(beam_size=options.get("beam_size", 1)):
        expected = signature.function(**inputs[signature.name])
        actual = engine.run(signature.name, **inputs[signature.name])
        assert actual.keys() == expected.keys()
        for output, array in expected.items():
            np.testing.assert_allclose(actual[output], array, rtol=0, atol=1e-4, err_msg=output)


@pytest.mark.parametrize("options", [{}, COMPILED], ids=["plain", "xla"])
def test_a_source_without_tokens_has_an_empty_output(exported, options):
    engine = SavedModelEngine(exported("seq2seq_test", "saved_model", **options).folder)
    outputs = engine.run("generate", source=np.zeros((2, 0), "int32"))
    assert not outputs["lengths"].any()
    assert outputs["alignment"].shape[-1] == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full((1, 33), 5), "at most 32 tokens"),
        (np.array([[5, 62]]), "62"),  # the embedding may be the first to refuse it
        (np.array([[5, -1]]), "at least 0"),
    ],
)
@pytest.mark.parametrize("options", [{}, COMPILED], ids=["plain", "xla"])
def test_a_source_that_cannot_be_read_is_refused(exported, options, source, message):
    engine = SavedModelEngine(exported("seq2seq_test", "saved_model", **options).folder)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        engine.run("generate", source=source.astype("int32"))


@pytest.mark.parametrize("name", COSTLIEST_PUBLISHED_TEXT)
def test_published_saved_model_is_keras(source_of, exported, name):
    export = exported(name, "saved_model")
    _assert_same(_in_fresh_process(export, "saved_model", 1), _expected(source_of(name), 1))


@pytest.mark.parametrize("quantize", COSTLIEST_QUANTIZATIONS)
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_tflite_holds_built_in_operators_only(exported, name, quantize):
    content = exported(name, "litert", quantize=quantize, beam_size=3).read("model.tflite")
    operators = operator_names(content)
    assert "WHILE" in operators
    assert not {operator for operator in operators if operator.startswith(("CUSTOM", "Flex"))}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_tflite_is_small_and_built_in(source_of, name):
    content = source_of(name).read("model.tflite")
    assert len(content) < 8_000_000
    assert not {x for x in operator_names(content) if x.startswith(("CUSTOM", "Flex"))}


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_steps_in_litert_are_its_whole_loop(exported, name):
    artefact = exported(name, "litert", quantize="none", beam_size=3)
    engine = LiteRTEngine(artefact.read("model.tflite"))
    source = dict(np.load(artefact.path("golden.npz")))["source"][:1]
    expected = engine.run("generate", source=source)
    state = engine.run("start", source=source)
    tokens = np.array([2], np.int32)  # the start token
    for position in range(int(expected["lengths"][0, 0])):
        outputs = engine.run("step", tokens=tokens, position=np.array(position, "int32"), **state)
        tokens = outputs["logits"].argmax(axis=-1).astype("int32")
        assert tokens[0] == expected["tokens"][0, 0, position]
        state = {key: outputs.get(key, value) for key, value in state.items()}
