"""What a SavedModel answers in C++, where TensorFlow Serving loads it, is what Python answers."""

import functools
import shutil
from pathlib import Path

import cases
import cpp_loader
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import zoo
from zoo import layout, models
from zoo.data.batches import pad
from zoo.data.dataset import sample_pairs
from zoo.registry import Artefact
from zoo.serving.warm_up import read_warm_up, write_warm_up
from zoo.text.tokenizer import Tokenizer

# Published models have the code of the tiny ones; tests/conformance loads them in Python.
MODELS = [
    *(pytest.param(name, marks=pytest.mark.slow) for name in cases.PUBLISHED_TEXT),
    *cases.COSTLY_TINY,
]
# The options of an export change nothing in a family's code: one model a family shows them.
FIRST_TINY = cases.FIRST_TINY
# Other tests compare the SavedModel in Python with Keras; here is the comparison with both.
RUNTIMES = ["saved_model", pytest.param("keras", marks=pytest.mark.slow)]

# XLA and the rest of TensorFlow add up floats in another order; measured up to 3e-6. A beam that is
# not in use scores -1e9, where the next float is 64 away.
TOLERANCE = {"rtol": 1e-6, "atol": 1e-4}


@pytest.fixture(scope="session")
def program(pytestconfig) -> Path:
    return cpp_loader.compile_loader(pytestconfig.cache.mkdir("cpp_loader"))


@pytest.fixture(scope="session")
def served(exported):
    """Returns the folder of a model's SavedModel, by name and the options of the export."""
    return lambda name, **options: exported(name, "saved_model", **options).folder


@pytest.fixture(scope="session")
def in_python(source_of, served):
    """Returns a model on a runtime that runs in Python."""

    @functools.cache
    def loaded(name: str, runtime: str, beam_size: int = 1):
        origin = served(name) if runtime == "saved_model" else source_of(name)
        return zoo.load(origin, runtime=runtime, beam_size=beam_size)

    return loaded


@pytest.fixture(scope="session")
def in_cpp(program, source_of, served):
    """Returns what a model answers in C++ to `texts_of` it or `sources_of` it."""

    @functools.cache
    def outputs(name: str, signature: str, rows: int) -> dict[str, np.ndarray]:
        inputs = (
            {"text": np.array(texts_of(source_of(name), rows))}
            if signature == "serving_default"
            else {"source": sources_of(source_of(name), rows)}
        )
        libraries = cpp_loader.tensorflow_text_libraries()
        return cpp_loader.run(program, served(name), signature, inputs, libraries=libraries)

    return outputs


def texts_of(artefact: Artefact, rows: int) -> list[str]:
    """Returns a batch of 1, with what is no ASCII, or of 3, with an empty and a too long text."""
    text = sample_pairs(models.trained_preset(artefact.manifest).data)[0][0]
    too_long = text * artefact.manifest["configuration"]["model"]["max_source_length"]
    return {1: [f"{text} Ünï 九月 🎉"], 3: [text, "", too_long]}[rows]


def sources_of(artefact: Artefact, rows: int) -> np.ndarray:
    """Returns the ids of the same texts, the too long one cut, padded where there is room."""
    ids = Tokenizer(artefact.read(layout.TOKENIZER)).encode(texts_of(artefact, rows))
    limit = artefact.manifest["configuration"]["model"]["max_source_length"]
    cut = [row[:limit] for row in ids]
    return pad(cut, min(max(map(len, cut)) + 2, limit), pad_id=Tokenizer.pad_id)


def operators(folder: Path) -> set[str]:
    """Returns every operator of a SavedModel, those inside its functions included."""
    saved = saved_model_pb2.SavedModel.FromString((folder / layout.SAVED_MODEL).read_bytes())
    [meta_graph] = saved.meta_graphs
    functions = meta_graph.graph_def.library.function
    nodes = [meta_graph.graph_def.node, *(function.node_def for function in functions)]
    return {node.op for group in nodes for node in group}


def core_operators() -> set[str]:
    """Returns the operators of TensorFlow itself, without XLA's, which not every loader has."""
    return {name for name in dir(tf.raw_ops) if not name.startswith("Xla")}


def assert_same(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype, name
        if array.dtype.kind == "f":
            np.testing.assert_allclose(actual[name], array, err_msg=name, **TOLERANCE)
        else:
            np.testing.assert_array_equal(actual[name], array, err_msg=name)


def strings(pieces: np.ndarray) -> tuple[str, ...]:
    return tuple(piece.decode() for piece in pieces if piece)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", MODELS)
def test_texts_are_answered_as_in_python(name, runtime, rows, source_of, in_python, in_cpp):
    texts = texts_of(source_of(name), rows)
    actual = in_cpp(name, "serving_default", rows)

    for row, expected in enumerate(in_python(name, runtime)(texts)):
        assert actual["text"][row].decode() == expected.text
        assert strings(actual["tokens"][row]) == expected.tokens
        assert strings(actual["source_tokens"][row]) == expected.source_tokens
        np.testing.assert_allclose(actual["score"][row], expected.score, **TOLERANCE)
        assert ("alignment" in actual) == (expected.alignment is not None)
        if expected.alignment is not None:
            read, written = len(expected.source_tokens), len(expected.tokens)
            alignment = actual["alignment"][row, :written, ..., :read]
            np.testing.assert_allclose(alignment, expected.alignment, **TOLERANCE)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", MODELS)
def test_ids_are_answered_as_in_python(name, runtime, rows, source_of, in_python, in_cpp):
    source = sources_of(source_of(name), rows)
    actual = in_cpp(name, "generate", rows)

    assert_same(actual, in_python(name, runtime).engine.run("generate", source=source))


@pytest.mark.parametrize("name", FIRST_TINY)
def test_a_step_is_taken_as_in_python(name, program, source_of, served, in_python):
    engine = in_python(name, "saved_model").engine
    source = sources_of(source_of(name), 3)
    run = functools.partial(
        cpp_loader.run,
        program,
        served(name),
        libraries=cpp_loader.tensorflow_text_libraries(),
    )
    state = run("start", {"source": source})
    inputs = {"tokens": source[:, 0], "position": np.int32(0), **state}

    assert_same(state, engine.run("start", source=source))
    assert_same(run("step", inputs), engine.run("step", **inputs))


@pytest.mark.slow
@pytest.mark.parametrize("name", FIRST_TINY)
def test_warm_up_is_answered_as_in_python(name, program, served, in_python, tmp_path):
    """Of one row; those of more rows differ in their number alone."""
    engine = in_python(name, "saved_model").engine
    folder = shutil.copytree(served(name), tmp_path / name)  # others read the export as it is
    write_warm_up(Artefact.open(folder), engine)
    libraries = cpp_loader.tensorflow_text_libraries()
    asked = set()
    for signature, inputs in read_warm_up(folder):
        if max(len(array) for array in inputs.values() if array.ndim) > 1 or signature in asked:
            continue
        asked.add(signature)
        actual = cpp_loader.run(program, folder, signature, inputs, libraries=libraries)
        assert_same(actual, engine.run(signature, **inputs))
    assert asked == {"serving_default", "generate", "start", "step"}


@pytest.mark.parametrize("name", FIRST_TINY)
def test_text_export_needs_the_operators_of_the_tokenizer_alone(name, served):
    assert operators(served(name)) - core_operators() == {
        "SentencepieceOp",
        "SentencepieceTokenizeOp",
        "SentencepieceDetokenizeOp",
        "SentencepieceIdToStringOp",
    }


@pytest.mark.parametrize("name", FIRST_TINY)
def test_text_export_is_refused_without_the_operators_of_the_tokenizer(name, program, served):
    with pytest.raises(cpp_loader.LoaderError, match="Op type not registered 'SentencepieceOp'"):
        cpp_loader.run(program, served(name), "serving_default", {"text": np.array(["9"])})


@pytest.mark.parametrize("name", FIRST_TINY)
def test_ids_only_export_holds_core_operators_alone(name, served):
    assert operators(served(name, ids_only=True)) - core_operators() == set()


@pytest.mark.parametrize("signature", ["generate", "serving_default"])
@pytest.mark.parametrize("name", FIRST_TINY)
def test_ids_only_export_needs_no_library(name, signature, program, source_of, served, in_python):
    source = sources_of(source_of(name), 3)
    folder = served(name, ids_only=True)
    actual = cpp_loader.run(program, folder, signature, {"source": source})

    assert_same(actual, in_python(name, "keras").engine.run("generate", source=source))


@pytest.mark.parametrize("rows", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FIRST_TINY)
def test_compiled_export_answers_as_the_plain_one(
    name, rows, program, source_of, served, in_python
):
    source = sources_of(source_of(name), rows)
    folder = served(name, **cases.COMPILED)
    actual = cpp_loader.run(program, folder, "generate", {"source": source}, xla=True)

    keras = in_python(name, "keras", cases.COMPILED["beam_size"])
    assert_same(actual, keras.engine.run("generate", source=source))


@pytest.mark.parametrize("name", FIRST_TINY)
def test_compiled_export_is_refused_where_xla_is_off(name, program, source_of, served):
    source = sources_of(source_of(name), 1)
    folder = served(name, **cases.COMPILED)

    with pytest.raises(cpp_loader.LoaderError, match="XLA compilation disabled"):
        cpp_loader.run(program, folder, "generate", {"source": source}, xla=False)


@pytest.mark.parametrize("name", FIRST_TINY)
def test_unknown_signature_is_an_error(name, program, served):
    folder = served(name, ids_only=True)

    with pytest.raises(cpp_loader.LoaderError, match="no signature translate"):
        cpp_loader.run(program, folder, "translate", {"source": np.ones((1, 1), np.int32)})


def test_missing_compiler_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(cpp_loader.LoaderError, match=r"There is no g\+\+"):
        cpp_loader.compile_loader(tmp_path)
