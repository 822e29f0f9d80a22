import keras
import numpy as np
import pytest
from keras import ops

from zoo.layers.dropout import Dropout, hashed

X = np.random.default_rng(0).normal(size=(13, 11, 64)).astype("float32")


def _hashed_once(x: int) -> int:
    """The hash of its source, in Python's unbounded integers."""
    x ^= x >> 16
    x = x * 0x7FEB352D % 2**32
    x ^= x >> 15
    x = x * 0x846CA68B % 2**32
    return x ^ x >> 16


def _layer(rate: float, seed: int = 1) -> Dropout:
    return Dropout(rate, seed=seed)


def test_each_number_is_dropped_by_the_hash_of_its_place():
    layer = _layer(0.3)
    seed, draw = (int(x) for x in np.asarray(layer.seed_generator.state))
    key = _hashed_once(seed ^ _hashed_once(draw))
    places = range(X.size)
    dropped = [_hashed_once(place ^ key) < 0.3 * 2**32 for place in places]
    expected = np.where(np.reshape(dropped, X.shape), 0, X / 0.7)
    np.testing.assert_allclose(layer(X, training=True), expected, rtol=1e-6)


def test_every_bit_changes_every_bit_of_its_hash_half_of_the_time():
    numbers = np.random.default_rng(0).integers(0, 2**32, size=4096, dtype=np.uint32)
    flips = np.uint32(1) << np.arange(32, dtype=np.uint32)
    before = np.asarray(hashed(ops.convert_to_tensor(numbers)))
    after = np.asarray(hashed(ops.convert_to_tensor(numbers[:, None] ^ flips)))
    changed = (before[:, None] ^ after)[..., None] & flips != 0  # (number, bit in, bit out)
    assert np.abs(changed.mean(axis=0) - 0.5).max() < 0.05  # 6 standard deviations


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_the_fraction_dropped_is_the_rate_along_every_axis(rate):
    dropped = np.asarray(_layer(rate)(np.ones((61, 67, 71), "float32"), training=True)) == 0
    for axes in ((1, 2), (0, 2), (0, 1)):
        count = np.prod([dropped.shape[axis] for axis in axes])
        deviation = (rate * (1 - rate) / count) ** 0.5
        assert np.abs(dropped.mean(axis=axes) - rate).max() < 5 * deviation


def test_neighbors_draws_and_layers_are_independent():
    ones = np.ones((64, 32, 64), "float32")
    layer = _layer(0.5)
    first, second, other = (
        np.asarray(drawing(ones, training=True)).ravel() == 0
        for drawing in (layer, layer, _layer(0.5, seed=2))
    )
    bound = 5 / first.size**0.5  # standard deviations of a correlation of independent draws
    for shift in (1, 2, 64, 32 * 64):
        assert abs(np.corrcoef(first, np.roll(first, shift))[0, 1]) < bound
    assert abs(np.corrcoef(first, second)[0, 1]) < bound
    assert abs(np.corrcoef(first, other)[0, 1]) < bound


def test_nothing_is_dropped_outside_training():
    np.testing.assert_array_equal(_layer(0.5)(X), X)
    np.testing.assert_array_equal(_layer(0.0)(X, training=True), X)


def test_half_precision_stays_half():
    y = Dropout(0.5, dtype="bfloat16", seed=1)(X, training=True)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert 0.45 < (np.asarray(ops.cast(y, "float32")) == 0).mean() < 0.55
