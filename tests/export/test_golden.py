"""What counts as the same answer of an export."""

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.export.golden import replay

SOURCE = np.arange(8, dtype=np.int32).reshape(4, 2)
GOLDEN = {
    "source": SOURCE,
    "tokens": SOURCE[:, None] + 10,  # (rows, K, T)
    "scores": -SOURCE[:, :1].astype(np.float32),  # (rows, K)
    "alignment": SOURCE[:, None, :, None] / np.float32(8),  # (rows, K, T, S)
}


class Export:
    """An engine that answers as `GOLDEN`, but for what `changes` adds to the outputs of row 2."""

    def __init__(self, **changes):
        self.changes = changes

    def run(self, signature, /, source):
        [row] = np.flatnonzero((source == SOURCE).all(axis=1))
        outputs = {name: array[[row]] for name, array in GOLDEN.items() if name != "source"}
        if row == 2:
            outputs |= {name: outputs[name] + change for name, change in self.changes.items()}
        return outputs


ANOTHER_TOKEN = np.array([0, 1], np.int32)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("changes", "alike"),
    [
        ({}, 1.0),
        ({"scores": 2e-4, "alignment": 2e-4}, 1.0),  # arithmetic in another order
        ({"tokens": ANOTHER_TOKEN, "scores": 2e-4, "alignment": 0.3}, 0.75),  # a tie
    ],
)
def test_an_export_that_rounds_otherwise_is_right(changes, alike, exact):
    assert replay(GOLDEN, Export(**changes), exact=exact) == alike


@pytest.mark.parametrize(
    ("changes", "name", "alike"),
    [
        ({"tokens": ANOTHER_TOKEN, "scores": 0.3}, "tokens", 0.75),
        ({"scores": 2e-3}, "scores", 1.0),
        ({"alignment": 2e-3}, "alignment", 1.0),
    ],
)
def test_another_answer_is_refused_where_it_must_be_exact(changes, name, alike):
    assert replay(GOLDEN, Export(**changes), exact=False) == alike
    with pytest.raises(ZooError, match=f"^The export's {name} of golden row 2 is not that of"):
        replay(GOLDEN, Export(**changes), exact=True)


class Other:
    """An engine whose every answer is another than that of `GOLDEN`, with the same scores."""

    def run(self, signature, /, source):
        [row] = np.flatnonzero((source == SOURCE).all(axis=1))
        outputs = {name: array[[row]] for name, array in GOLDEN.items() if name != "source"}
        return outputs | {"tokens": outputs["tokens"] + ANOTHER_TOKEN}


def test_ties_in_most_rows_are_no_coincidence():
    assert replay(GOLDEN, Other(), exact=False) == 0
    with pytest.raises(ZooError, match="^The export's tokens of golden row 2 is not that of Keras"):
        replay(GOLDEN, Other(), exact=True)


STORIES = {
    "story": SOURCE[:, None],
    "answer": np.array([2, 0, 1, 2], np.int32),
    "probabilities": np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [0, 0, 1]]),
    "alignment": SOURCE[:, None] / np.float32(8),
}


class StoryExport:
    """An engine that answers as `STORIES`, but for the outputs of one row."""

    def __init__(self, row, **changes):
        self.row, self.changes = row, changes

    def run(self, signature, /, story):
        [row] = np.flatnonzero((story == STORIES["story"]).all(axis=(1, 2)))
        outputs = {name: array[[row]] for name, array in STORIES.items() if name != "story"}
        return outputs | (self.changes if row == self.row else {})


ZERO = np.array([0], np.int32)


def test_of_two_equally_probable_answers_either_is_right():
    assert replay(STORIES, StoryExport(2, answer=ZERO), inputs=["story"], exact=True) == 0.75


@pytest.mark.parametrize(
    ("row", "changes", "name"),
    [
        (0, {"answer": ZERO}, "answer"),  # less probable by the golden probabilities
        (2, {"answer": ZERO, "alignment": np.zeros((1, 1, 2))}, "answer"),  # not all it got wrong
        (2, {"alignment": np.zeros((1, 1, 2))}, "alignment"),
    ],
)
def test_a_less_probable_answer_is_no_tie(row, changes, name):
    with pytest.raises(ZooError, match=f"^The export's {name} of golden row {row} is not that of"):
        replay(STORIES, StoryExport(row, **changes), inputs=["story"], exact=True)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("change", [np.nan, np.inf, np.zeros((3, 1), np.float32)])
def test_numbers_that_are_none_and_other_shapes_are_always_refused(change, exact):
    with pytest.raises(ZooError, match=r"^The export's scores of golden row 2 is not \(1, 1\)\.$"):
        replay(GOLDEN, Export(scores=change), exact=exact)
