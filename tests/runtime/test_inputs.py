"""What models are called with, and what is refused."""

import numpy as np
import pytest

import zoo
from zoo.data.algorithmic import TASKS
from zoo.data.stories import Story
from zoo.runtime.inputs import as_sequences, as_stories, as_texts

TASK = TASKS["copy"]()
TOLD = {"story": ["Mary went home.", " ", "John left."], "question": "Where is Mary?"}
STORY = Story(("Mary went home.", "John left."), "Where is Mary?")
SEQUENCE = TASK.encode("10110010")


@pytest.mark.parametrize("many", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_anything_that_has_many_is_read_once(many):
    assert as_texts(many(["a", "b"])) == ["a", "b"]
    assert as_stories(many([TOLD, STORY])) == [STORY, STORY]
    typed, drawn = as_sequences(many(["10110010", SEQUENCE]), TASK)
    np.testing.assert_array_equal(typed.inputs, drawn.inputs)


def test_a_series_of_another_library_is_a_list():
    assert as_texts(np.array(["a", "b"], dtype=object)) == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "list of strings. Received: None"),
        ("may", "list of strings. Received: 'may'"),
        (b"may", "list of strings"),
        ({"a": 1}, "list of strings"),
        (7, "list of strings. Received: 7"),
        (["may", 7], "list of strings. Received: 7"),
        ([b"may"], "list of strings. Received: b'may'"),
        (["\ud800"], "Expected UTF-8. Text 1 is not"),
    ],
)
def test_what_are_no_texts_is_refused(given, message):
    with pytest.raises(zoo.ZooError, match=message):
        as_texts(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "list of stories, .*Received: None"),
        (STORY, "list of stories"),
        (TOLD, "list of stories"),
        ("Where is Mary?", "list of stories"),
        (["Where is Mary?"], '"story", a list of sentences, and "question". Received: \'Where'),
        ([{"story": ["a"]}], '"story", a list of sentences, and "question"'),
        ([{"story": "a", "question": "b"}], 'Expected strings: "question", and "story" as a list'),
        ([{"story": [1], "question": "b"}], "Expected strings"),
        ([{"story": ["a"], "question": None}], "Expected strings"),
        ([Story((None,), "b")], "Expected strings"),
        ([Story(("a",), "\ud800")], "Expected UTF-8"),
    ],
)
def test_what_are_no_stories_is_refused(given, message):
    with pytest.raises(zoo.ZooError, match=message):
        as_stories(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "list of sequences. Received: None"),
        (SEQUENCE, "list of sequences"),
        ("10110010", "list of sequences. Received: '10110010'"),
        ([SEQUENCE.inputs], "list of sequences"),
        (["1011"], "vectors of 8 bits.*'1011'"),
    ],
)
def test_what_are_no_sequences_is_refused(given, message):
    with pytest.raises(zoo.ZooError, match=message):
        as_sequences(given, TASK)
