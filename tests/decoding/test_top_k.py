import numpy as np
import pytest

from zoo.decoding.top_k import top_k


@pytest.mark.parametrize("count", [1, 3, 7])
@pytest.mark.parametrize("size", [7, 62, 96, 97, 4000])  # some in blocks, some not
def test_it_is_the_first_of_the_sorted(size, count):
    x = np.random.default_rng(0).normal(size=(5, size)).astype("float32")
    best, places = top_k(x, count)
    expected = np.argsort(-x, axis=1)[:, :count]
    np.testing.assert_array_equal(places, expected)
    np.testing.assert_array_equal(best, np.take_along_axis(x, expected, axis=1))


@pytest.mark.parametrize("first", [0, 41, 93])
def test_neighbors_may_be_the_largest(first):
    """All in one block, or in two."""
    x = np.zeros((2, 96), "float32")
    x[1, first : first + 3] = 2, 5, 3
    best, places = top_k(x, 3)
    np.testing.assert_array_equal(best[1], [5, 3, 2])
    np.testing.assert_array_equal(places[1], [first + 1, first + 2, first])


def test_equals_are_found_in_different_places():
    x = np.ones((3, 96), "float32")
    best, places = top_k(x, 4)
    np.testing.assert_array_equal(best, np.ones((3, 4)))
    for row in np.asarray(places):
        assert len(set(row.tolist())) == 4
        assert 0 <= row.min() <= row.max() < 96
