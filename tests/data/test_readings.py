"""Stories that are read for all of their questions, or for each, and their batches."""

import numpy as np
import pytest

from zoo.data.readings import ReadingBatches, readings, rounded
from zoo.data.stories import EncodedStories

# Sentences are named by their row. Two stories of task 1, asked after 2 and 4 and after 1 sentence;
# one of task 2 that begins like the one before; and one that lost its oldest sentence in between.
PLACES = [
    [1, 2, 0, 0],
    [1, 2, 3, 4],
    [5, 0, 0, 0],
    [5, 6, 0, 0],
    [1, 2, 3, 4],
    [2, 3, 4, 5],
]
TASKS = [1, 1, 1, 2, 3, 3]


@pytest.fixture
def examples():
    count = len(PLACES)
    return EncodedStories(
        sentences=np.arange(7)[:, None] * np.array([[10, 11]]),
        places=np.array(PLACES, np.int32),
        question=100 + np.arange(count)[:, None] + np.array([[0, 50, 100]]),
        answer=200 + np.arange(count),
        task=np.array(TASKS, np.int32),
    )


def test_a_story_has_the_questions_that_go_on_with_it(examples):
    found = readings(examples)
    assert found.rows.tolist() == [[0, 1], [2, -1], [3, -1], [4, -1], [5, -1]]
    assert found.lengths.tolist() == [4, 1, 2, 4, 4]


def test_a_story_may_be_read_for_each_of_its_questions(examples):
    found = readings(examples, apart=True)
    assert found.rows.tolist() == [[0], [1], [2], [3], [4], [5]]
    assert found.lengths.tolist() == [2, 4, 1, 2, 4, 4]


def test_rows_are_those_that_are_asked_for(examples):
    assert readings(examples, np.array([1, 3])).rows.tolist() == [[1], [3]]


def test_a_batch_holds_stories_and_when_they_are_asked(examples):
    inputs, answers = readings(examples).batch(np.array([2, 0, -1]), sentences=4)
    expected = examples.sentences[np.array([PLACES[3], PLACES[1], [0] * 4])]
    np.testing.assert_array_equal(inputs["story"], expected)
    assert inputs["told"].tolist() == [[2, 0], [2, 4], [0, 0]]
    assert inputs["question"][:, :, 0].tolist() == [[103, 0], [100, 101], [0, 0]]
    assert answers.tolist() == [[203, 0], [200, 201], [0, 0]]
    assert all(array.dtype == np.int32 for array in (*inputs.values(), answers))


@pytest.mark.parametrize("seed", [None, (3, 1)])
def test_an_epoch_asks_every_question_once(examples, seed):
    batches = ReadingBatches(readings(examples), batch_size=2, seed=seed)
    for _ in range(2):
        asked = []
        for index in range(len(batches)):
            inputs, answers = batches[index]
            lengths = inputs["told"].max(axis=1)
            assert len(answers) == 2 and set(lengths) <= {0, inputs["story"].shape[1]}
            asked += answers[answers > 0].tolist()
        assert sorted(asked) == examples.answer.tolist()
        batches.on_epoch_end()


def test_the_order_is_that_of_the_seed_and_changes_each_epoch():
    count = 64
    examples = EncodedStories(
        sentences=np.zeros((3, 1), np.int32),
        places=np.ones((count, 1), np.int32),
        question=np.zeros((count, 1), np.int32),
        answer=1 + np.arange(count),
        task=np.arange(count),
    )

    def orders(seed):
        batches = ReadingBatches(readings(examples), batch_size=8, seed=seed)
        found = []
        for _ in range(2):
            found.append([answer for i in range(len(batches)) for answer in batches[i][1][:, 0]])
            batches.on_epoch_end()
        return found

    first, second = orders((5, 0))
    assert first != second and orders((5, 0)) == [first, second]
    assert first not in orders((5, 1)) and orders(None)[0] == sorted(first)


def test_lengths_are_rounded_up_by_less_than_a_quarter():
    lengths = np.arange(1, 200)
    up = rounded(lengths)
    assert (up >= lengths).all() and (up - lengths < np.maximum(lengths / 4, 1)).all()
    assert up[:8].tolist() == list(range(1, 9)) and len(set(up)) < 28
    assert (np.diff(up) >= 0).all() and rounded(np.array([0])).tolist() == [1]
