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


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("change", [np.nan, np.inf, np.zeros((3, 1), np.float32)])
def test_numbers_that_are_none_and_other_shapes_are_always_refused(change, exact):
    with pytest.raises(ZooError, match=r"^The export's scores of golden row 2 is not \(1, 1\)\.$"):
        replay(GOLDEN, Export(scores=change), exact=exact)
