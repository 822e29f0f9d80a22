"""What is promised of every model that answers questions about stories."""

import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from cases import (
    COSTLIEST_QUANTIZATIONS,
    COSTLY_STORIES_TINY,
    PUBLISHED_STORIES,
    ROOT,
    STORIES_TINY,
    costliest,
    operator_names,
    published,
    run_python,
    task,
    two_steps,
)
from keras import ops

import zoo
from zoo import models, weights
from zoo.data.stories import Story
from zoo.registry import Artefact
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.load import sample_inputs
from zoo.runtime.saved_model_engine import SavedModelEngine

TOLERANCE = 1e-5  # other shapes are summed in another order


def _stories(artefact):
    """Of the data set's sample; then unknown words, no story, and one that is too long."""
    samples = sample_inputs(models.trained_preset(artefact.manifest))
    long = tuple(f"Mary went to the {place}." for place in ("kitchen", "garden") * 40)
    return [
        *samples,
        Story(("Zaphod went to the kitchen.", "Zaphod 走了。"), "Where is Zaphod?"),
        Story((), "Where is Mary?"),
        Story(long, "Where is Mary?"),
        Story(samples[0].sentences, ""),
    ]


def _arrays(name, rows=5, seed=0, sentences=4, words=5, asked=3):
    generator = np.random.default_rng(seed)
    vocab_size = task(name).model.config.vocab_size
    story = generator.integers(4, vocab_size, (rows, sentences, words)).astype("int32")
    story[1, 2:] = 0
    story[2, :, 3:] = 0
    story[3] = 0  # an empty story
    question = generator.integers(4, vocab_size, (rows, asked)).astype("int32")
    return {"story": story, "question": question}


def _predict(name, arrays):
    [signature] = [x for x in task(name).signatures() if x.name == "predict"]
    return {key: np.asarray(x) for key, x in signature.function(**arrays).items()}


@pytest.mark.parametrize(
    "sizes", [{"B": 2, "M": 3, "L": 4, "Q": 2}, {"B": 5, "M": 6, "L": 5, "Q": 3}]
)
@pytest.mark.parametrize("name", STORIES_TINY)
def test_outputs_are_as_declared(name, sizes):
    generator = np.random.default_rng(0)
    for declared in task(name).signatures():
        inputs = {
            key: generator.integers(4, 12, spec.at(sizes)).astype(spec.dtype)
            for key, spec in declared.inputs.items()
        }
        outputs = declared.function(**inputs)
        assert outputs.keys() == declared.outputs.keys()
        for output, spec in declared.outputs.items():
            assert tuple(outputs[output].shape) == spec.at(sizes), output
            assert ops.dtype(outputs[output]) == spec.dtype, output


@pytest.mark.parametrize("name", STORIES_TINY)
def test_padding_changes_no_answer(name):
    arrays = _arrays(name)
    expected = _predict(name, arrays)
    padding = {"story": [(0, 0), (0, 2), (0, 1)], "question": [(0, 0), (0, 1)]}
    actual = _predict(name, {key: np.pad(x, padding[key]) for key, x in arrays.items()})
    np.testing.assert_array_equal(actual["answer"], expected["answer"])
    np.testing.assert_allclose(
        actual["probabilities"], expected["probabilities"], rtol=0, atol=TOLERANCE
    )
    np.testing.assert_allclose(
        actual["alignment"][..., :4], expected["alignment"], rtol=0, atol=TOLERANCE
    )
    assert not actual["alignment"][..., 4:].any()


@pytest.mark.parametrize("name", STORIES_TINY)
def test_batch_mates_change_no_answer(name):
    arrays = _arrays(name)
    together = _predict(name, arrays)
    for row in range(5):
        alone = _predict(name, {key: x[row : row + 1] for key, x in arrays.items()})
        for output, value in alone.items():
            np.testing.assert_allclose(together[output][row], value[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", STORIES_TINY)
def test_an_answer_is_a_word_and_the_most_probable(name):
    outputs = _predict(name, _arrays(name, rows=5))
    assert (outputs["answer"] >= 4).all()
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    words = outputs["probabilities"][:, 4:]
    np.testing.assert_array_equal(words.argmax(axis=1) + 4, outputs["answer"])


@pytest.mark.parametrize("name", STORIES_TINY)
def test_loaded_weights_give_the_same_bits(name, tmp_path):
    path = tmp_path / "model.weights.h5"
    weights.save(task(name).model, path)
    other = zoo.build(name, seed=1)
    weights.load(other.model, path)
    arrays = _arrays(name)
    for key, value in other.signatures()[0].function(**arrays).items():
        np.testing.assert_array_equal(np.asarray(value), _predict(name, arrays)[key])


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COSTLY_STORIES_TINY)
def test_two_steps_write_a_report_and_a_model(tmp_path, name, backend):
    two_steps(name, tmp_path / "run", backend=backend)
    assert zoo.load(Artefact.open(tmp_path / "run"), runtime="keras")([Story((), "")])


FRESH_PROCESS = """
import json, sys
import zoo
from zoo.data.stories import Story
model = zoo.load(sys.argv[1], runtime=sys.argv[2])
stories = [Story(tuple(told), asked) for told, asked in json.loads(sys.argv[3])]
print(json.dumps([answer.as_dict() for answer in model(stories)]))
"""


def _in_fresh_process(artefact, runtime):
    stories = [[story.sentences, story.question] for story in _stories(artefact)]
    return json.loads(run_python(FRESH_PROCESS, artefact.folder, runtime, json.dumps(stories)))


def _assert_same(actual, artefact):
    expected = zoo.load(artefact.folder, runtime="keras")(_stories(artefact))
    for mine, theirs in zip(actual, expected, strict=True):
        theirs = theirs.as_dict()
        for key in ("text", "sentences", "question"):
            assert mine[key] == theirs[key]
        np.testing.assert_allclose(mine["probability"], theirs["probability"], atol=1e-4)
        assert np.shape(mine["alignment"]) == np.shape(theirs["alignment"])
        np.testing.assert_allclose(mine["alignment"], theirs["alignment"], atol=1e-4)
        assert (mine["reads"] is None) == (theirs["reads"] is None)
        if theirs["reads"] is not None:
            np.testing.assert_allclose(mine["reads"], theirs["reads"], atol=1e-4)


@pytest.mark.parametrize("name", COSTLY_STORIES_TINY)
def test_litert_is_keras(source_of, exported, name):
    export = exported(name, "litert", quantize="none")
    _assert_same(_in_fresh_process(export, "litert"), source_of(name))


@pytest.mark.parametrize(
    "options", costliest([{}, {"ids_only": True}]), ids=["strings", "ids_only"]
)
@pytest.mark.parametrize("name", COSTLY_STORIES_TINY)
def test_saved_model_is_keras(source_of, exported, name, options):
    export = exported(name, "saved_model", **options)
    _assert_same(_in_fresh_process(export, "saved_model"), source_of(name))


@pytest.mark.parametrize("name", STORIES_TINY[:1])
def test_a_story_that_cannot_be_read_is_refused(exported, name):
    engine = SavedModelEngine(exported(name, "saved_model").folder)
    config = task(name).model.config
    arrays = _arrays(name, rows=4)
    many = np.full((4, config.max_sentences + 1, 2), 5, "int32")
    with pytest.raises(tf.errors.InvalidArgumentError, match="sentences"):
        engine.run("predict", story=many, question=arrays["question"])
    for id_ in (-1, config.vocab_size):
        with pytest.raises(tf.errors.InvalidArgumentError):
            engine.run("predict", story=np.full((4, 2, 2), id_), question=arrays["question"])
    outputs = engine.run(
        "predict", story=np.zeros((4, 0, 0), "int32"), **{"question": arrays["question"]}
    )
    assert outputs["alignment"].shape[0] == 4


@pytest.mark.parametrize("quantize", COSTLIEST_QUANTIZATIONS)
@pytest.mark.parametrize("name", COSTLY_STORIES_TINY)
def test_tflite_holds_built_in_operators_only(exported, name, quantize):
    content = exported(name, "litert", quantize=quantize).read("model.tflite")
    assert not [x for x in operator_names(content) if x.startswith(("CUSTOM", "Flex"))]
    assert set(LiteRTEngine(content).signatures()) >= {"predict"}


@pytest.mark.parametrize("name", STORIES_TINY[:1])
def test_a_story_is_answered_on_the_command_line(exported, name, tmp_path):
    folder = exported(name, "litert").folder
    told = tmp_path / "story.txt"
    told.write_text("Mary went to the kitchen.\nJohn went to the garden.\n", encoding="utf-8")
    line = json.dumps({"story": told.read_text().splitlines(), "question": "Where is Mary?"})

    def zoo_run(*arguments):
        command = [sys.executable, "-m", "zoo", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)

    by_file = zoo_run("run", folder, "--story", told, "Where is Mary?")
    by_line = zoo_run("run", folder, line)
    assert by_file.returncode == 0, by_file.stderr
    assert by_file.stdout == by_line.stdout != ""
    answer = json.loads(zoo_run("run", folder, "--json", line).stdout)
    assert answer["text"] == by_line.stdout.strip() and len(answer["alignment"][0]) == 2
    picture = tmp_path / "hops.png"
    done = zoo_run("attend", folder, "--story", told, "Where is Mary?", "--output", picture)
    assert done.returncode == 0 and picture.read_bytes().startswith(b"\x89PNG")
    wrong = zoo_run("run", folder, "Where is Mary?")
    assert wrong.returncode == 1 and "Expected JSON" in wrong.stderr
    assert zoo_run("run", folder, line, "--beam-size", "2").returncode == 1


@pytest.mark.parametrize("name", costliest(PUBLISHED_STORIES))
def test_a_published_model_is_the_same_on_every_runtime(source_of, exported, name):
    _assert_same(_in_fresh_process(published(name), "keras"), published(name))
    export = exported(name, "saved_model")
    _assert_same(_in_fresh_process(export, "saved_model"), published(name))
