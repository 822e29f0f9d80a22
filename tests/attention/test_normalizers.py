import functools

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


@pytest.mark.parametrize("shift", [0, 50, -50])
def test_softmax_beside_empty_keys_is_softmax_over_them_too(shift):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(4, 5)) * 4 + shift
    mask = generator.random((4, 5)) < 0.6
    mask[3] = False
    empty = np.array([[0.0], [1.0], [7.0], [2.0]])
    actual = attention.softmax_beside_empty(scores.astype("float32"), mask, empty=empty)
    for row, count in enumerate(empty[:, 0].astype(int)):
        beside = np.concatenate([scores[row], np.zeros(count)])
        allowed = np.concatenate([mask[row], np.ones(count, bool)])
        expected = reference.softmax(beside, allowed)[:5]
        np.testing.assert_allclose(actual[row], expected, atol=1e-6)


def test_sparsemax_is_that_of_the_slow_loop():
    scores = np.random.default_rng(2).normal(size=(50, 7))
    expected = [reference.sparsemax(row) for row in scores]
    actual = np.asarray(attention.sparsemax(scores.astype("float32")))
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert 0.3 < (actual == 0).mean() < 0.9


@pytest.mark.parametrize("shift", [0, 1e4, -1e4])
def test_masked_sparsemax_is_that_of_the_rest(shift):
    scores = np.array([[0.25, 9.0, -0.5, 0.5, -3.0]], "float32") + shift
    mask = np.array([[True, False, True, True, True]])
    actual = np.asarray(attention.sparsemax(scores, mask))[0]
    assert actual[1] == 0
    expected = reference.sparsemax((scores - shift)[0, [0, 2, 3, 4]])
    np.testing.assert_allclose(actual[[0, 2, 3, 4]], expected, atol=1e-3 if shift else 1e-6)


def test_unnormalized_weights_are_the_scores():
    scores = np.array([[2.0, -3.0, 1.0]], "float32")
    mask = np.array([[True, True, False]])
    np.testing.assert_array_equal(attention.unnormalized(scores, mask), [[2, -3, 0]])
    np.testing.assert_array_equal(attention.unnormalized(scores), scores)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "normalize",
    [
        attention.masked_softmax,
        attention.sparsemax,
        functools.partial(attention.softmax_beside_empty, empty=0),
    ],
)
def test_empty_row_attends_to_nothing(normalize, dtype):
    scores = ops.cast(np.array([[3.0, 1.0], [3.0, 1.0]]), dtype)
    mask = np.array([[False, False], [True, False]])
    weights = normalize(scores, mask)
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
