"""Answers about stories, scored task by task."""

from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data.stories import EncodedStories, Stories
from zoo.evaluation.answers import scores
from zoo.evaluation.evaluate import evaluate

TEXT = "1 Mary went home.\n2 Where is Mary? \thome\t1\n"


def _examples(tasks):
    nothing = np.zeros((len(tasks), 1), np.int32)
    answers = np.full(len(tasks), 9)
    return EncodedStories(nothing, nothing, nothing, answers, np.array(tasks))


def test_a_partial_task_has_its_error_and_no_part_in_the_mean():
    found = scores(np.array([9, 8, 8, 9, 8]), _examples([1, 1, 3, 4, 3]), partial=(3,))
    assert found == {
        "exact_match": 0.75,
        "mean_error": 0.25,
        "failed_tasks": 1,
        "error_by_task": {"1": 0.5, "3": 1.0, "4": 0.0},
    }


def test_a_partial_task_alone_is_scored():
    assert scores(np.array([9, 8]), _examples([3, 3]), partial=(3,))["mean_error"] == 0.5


@pytest.mark.parametrize(("size", "expected", "rows"), [("1k", 0.5, 2), ("10k", 1.0, 1)])
def test_the_value_of_a_data_set_leaves_out_what_it_has_in_part(size, expected, rows):
    stories = Stories({("test", 1): TEXT, ("test", 3): TEXT.replace("home\t", "office\t")}, size)

    def model(asked):
        return [SimpleNamespace(text="home") for _ in asked]

    facts = evaluate(model, stories)
    assert facts["value"] == expected
    assert facts["error_by_task"] == {"1": 0.0, "3": 1.0} and facts["rows"] == rows
