import keras
import numpy as np
import pytest

from zoo.layers.residual import Residual

X = np.random.default_rng(0).normal(3, 2, size=(4, 6)).astype("float32")


def _normalized(x):
    return (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_the_norm_stands_where_its_paper_puts_it(norm):
    residual = Residual(norm=norm, dropout=0.5)
    residual.build(X.shape)

    def double(x):
        return 2 * np.asarray(x)

    actual = residual.close(X, double(residual.open(X)))
    expected = X + double(_normalized(X)) if norm == "pre" else _normalized(X + double(X))
    np.testing.assert_allclose(actual, expected, atol=1e-4)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_dropout_drops_the_sublayer_alone(norm):
    keras.utils.set_random_seed(0)
    residual = Residual(norm=norm, dropout=0.5)
    residual.build((1000, 6))
    x, y = np.zeros((1000, 6), "float32"), np.ones((1000, 6), "float32")
    closed = np.asarray(residual.close(x, y, training=True))
    if norm == "pre":
        assert set(np.unique(closed)) == {0.0, 2.0}
        assert 0.45 < (closed == 0).mean() < 0.55
    np.testing.assert_array_equal(residual.close(y, x, training=True), residual.close(y, x))
