import numpy as np
import pytest
import reference
from keras import ops

from zoo import attention


def test_masked_softmax_is_that_of_the_slow_loop():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(3, 5)) * 4
    mask = generator.random((3, 5)) < 0.6
    actual = attention.masked_softmax(scores.astype("float32"), mask)
    expected = [reference.softmax(row, allowed) for row, allowed in zip(scores, mask, strict=True)]
    np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_masked_positions_weigh_exactly_nothing():
    scores = np.array([[1000.0, -1000.0, 0.0]], "float32")
    weights = np.asarray(attention.masked_softmax(scores, np.array([[False, True, True]])))
    assert weights[0, 0] == 0
    np.testing.assert_allclose(weights.sum(), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_empty_row_attends_to_nothing(dtype):
    scores = ops.cast(np.array([[3.0, 1.0], [3.0, 1.0]]), dtype)
    mask = np.array([[False, False], [True, False]])
    weights = attention.masked_softmax(scores, mask)
    np.testing.assert_array_equal(ops.cast(weights, "float32"), [[0, 0], [1, 0]])
    assert ops.dtype(weights) == dtype


def test_half_precision_is_computed_in_single():
    scores = np.linspace(-3, 3, 101, dtype="float16")
    actual = ops.cast(attention.masked_softmax(ops.convert_to_tensor(scores)), "float64")
    expected = reference.softmax(scores.astype("float64"), [True] * 101)
    np.testing.assert_allclose(actual, expected, rtol=1e-3)


def test_no_mask_excludes_nothing():
    scores = np.array([[0.0, np.log(3.0)]], "float32")
    np.testing.assert_allclose(attention.masked_softmax(scores), [[0.25, 0.75]], atol=1e-6)


def test_order_of_keys_does_not_matter():
    generator = np.random.default_rng(1)
    scores = generator.normal(size=(2, 7)).astype("float32")
    mask = generator.random((2, 7)) < 0.5
    order = generator.permutation(7)
    there = np.asarray(attention.masked_softmax(scores, mask))[:, order]
    here = attention.masked_softmax(scores[:, order], mask[:, order])
    np.testing.assert_allclose(here, there, atol=1e-7)
