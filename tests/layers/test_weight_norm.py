import numpy as np
import pytest
from keras import ops

from zoo.layers.weight_norm import WeightNormDense, weight_normed

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(2, 3, 5)).astype("float32")


def _dense(units=7, **options):
    dense = WeightNormDense(units, **options)
    dense.build((None, None, 5))
    return dense


def test_each_column_has_its_own_direction_and_length():
    direction = np.array([[3.0, 0.0], [-4.0, 0.5]], "float32")
    kernel = weight_normed(direction, np.array([10.0, -2.0], "float32"))
    np.testing.assert_allclose(kernel, [[6, 0], [-8, -2]], atol=1e-6)


def test_outputs_are_those_of_the_slow_loop():
    dense = _dense()
    direction, gain, bias = (
        GENERATOR.normal(size=weight.shape).astype("float32") for weight in dense.get_weights()
    )
    dense.set_weights([direction, gain, bias])
    expected = np.zeros((2, 3, 7))
    for b, t, u in np.ndindex(expected.shape):
        length = np.sqrt(sum(v**2 for v in direction[:, u].astype("float64")))
        expected[b, t, u] = bias[u] + sum(
            X[b, t, d] * gain[u] * direction[d, u] / length for d in range(5)
        )
    np.testing.assert_allclose(dense(X), expected, atol=1e-5)


def test_a_kernel_computed_before_is_the_layers_own():
    dense = _dense()
    dense.gain.assign(GENERATOR.normal(size=7))
    kernel = dense.kernel()
    np.testing.assert_array_equal(dense(X, kernel=kernel), dense(X))
    np.testing.assert_allclose(dense(X, kernel=2 * kernel), 2 * dense(X), atol=1e-6)


def test_the_length_of_the_direction_says_nothing():
    dense = _dense()
    before = np.asarray(dense(X))
    dense.direction.assign(np.asarray(dense.direction) * np.array([9, 1, 0.1, 3, 1, 7, 2]))
    np.testing.assert_allclose(dense(X), before, atol=1e-6)


@pytest.mark.parametrize("variance", [0.5, 3.0])
def test_outputs_start_with_the_variance_asked_for(variance):
    dense = WeightNormDense(400, variance=variance)
    dense.build((None, 300))
    np.testing.assert_allclose(dense.kernel(), dense.direction, atol=1e-6)
    outputs = np.asarray(dense(GENERATOR.normal(size=(200, 300)).astype("float32")))
    np.testing.assert_allclose(outputs.var(), variance, rtol=0.05)


def test_a_direction_of_zeros_is_no_nan():
    kernel = weight_normed(ops.zeros((3, 2)), ops.ones(2))
    np.testing.assert_array_equal(kernel, np.zeros((3, 2)))
