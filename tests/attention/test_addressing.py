"""Addressing against slow loops over single numbers, and what must hold of it."""

import math

import numpy as np
import pytest
import reference

from zoo.attention import addressing

B, H, N, W = 2, 3, 7, 5
GENERATOR = np.random.default_rng(0)
MEMORY = GENERATOR.normal(size=(B, N, W))
KEYS = GENERATOR.normal(size=(B, H, W))
STRENGTHS = GENERATOR.uniform(0.5, 9, (B, H))
GATES = GENERATOR.uniform(0.1, 0.9, (B, H))
SHARPNESS = GENERATOR.uniform(1, 5, (B, H))
ERASE_VECTORS = GENERATOR.uniform(0, 1, (B, H, W))
ADD_VECTORS = GENERATOR.normal(size=(B, H, W))


def _distributions(*shape, seed=1):
    drawn = np.random.default_rng(seed).uniform(0.1, 1, shape)
    return drawn / drawn.sum(axis=-1, keepdims=True)


WEIGHTS, PREVIOUS = _distributions(B, H, N), _distributions(B, H, N, seed=2)


def _single(*arrays):
    return [array.astype("float32") for array in arrays]


def _one_hot(row, rows=N):
    return np.eye(rows, dtype="float32")[None, None, row]


def _content(memory, key, strength):
    likeness = [
        reference.dot(key, row) / math.sqrt(reference.dot(key, key) * reference.dot(row, row))
        for row in memory
    ]
    return reference.softmax([strength * x for x in likeness], [True] * len(memory))


def _interpolated(weights, previous, gate):
    return [gate * w + (1 - gate) * p for w, p in zip(weights, previous, strict=True)]


def _shifted(weights, shifts):
    radius = len(shifts) // 2
    moved = [0.0] * len(weights)
    for i in range(len(weights)):
        for j in range(-radius, radius + 1):
            moved[i] += shifts[radius + j] * weights[(i - j) % len(weights)]
    return moved


def _sharpened(weights, sharpness):
    powers = [weight**sharpness for weight in weights]
    return [power / sum(powers) for power in powers]


def _against(actual, slow):
    """Holds `actual` `(B, H, ...)` against `slow(b, h)`."""
    for b, h in np.ndindex(*actual.shape[:2]):
        np.testing.assert_allclose(actual[b, h], slow(b, h), atol=1e-5, err_msg=f"{b}, {h}")


def test_content_weights_are_those_of_equations_5_and_6():
    memory, keys, strengths = _single(MEMORY, KEYS, STRENGTHS)
    actual = addressing.content_weights(memory, keys=keys, strengths=strengths)
    _against(actual, lambda b, h: _content(MEMORY[b], KEYS[b, h], STRENGTHS[b, h]))


def test_interpolate_is_equation_7():
    weights, previous, gates = _single(WEIGHTS, PREVIOUS, GATES)
    actual = addressing.interpolate(weights, previous, gates=gates)
    _against(actual, lambda b, h: _interpolated(WEIGHTS[b, h], PREVIOUS[b, h], GATES[b, h]))


@pytest.mark.parametrize("radius", [0, 1, 2, 3])
def test_shift_is_equation_8(radius):
    shifts = _distributions(B, H, 2 * radius + 1, seed=3)
    actual = addressing.shift(*_single(WEIGHTS, shifts))
    _against(actual, lambda b, h: _shifted(WEIGHTS[b, h], shifts[b, h]))


def test_sharpen_is_equation_9():
    weights, sharpness = _single(WEIGHTS, SHARPNESS)
    actual = addressing.sharpen(weights, sharpness=sharpness)
    _against(actual, lambda b, h: _sharpened(WEIGHTS[b, h], SHARPNESS[b, h]))


def test_address_is_one_after_the_other():
    shifts = _distributions(B, H, 3, seed=3)
    memory, previous, keys, strengths, gates, sharpness = _single(
        MEMORY, PREVIOUS, KEYS, STRENGTHS, GATES, SHARPNESS
    )
    actual = addressing.address(
        memory,
        previous,
        keys=keys,
        strengths=strengths,
        gates=gates,
        shifts=shifts.astype("float32"),
        sharpness=sharpness,
    )

    def slow(b, h):
        weights = _content(MEMORY[b], KEYS[b, h], STRENGTHS[b, h])
        weights = _interpolated(weights, PREVIOUS[b, h], GATES[b, h])
        return _sharpened(_shifted(weights, shifts[b, h]), SHARPNESS[b, h])

    _against(actual, slow)
    np.testing.assert_allclose(np.sum(actual, axis=-1), 1, atol=1e-5)


def test_read_is_equation_2():
    actual = addressing.read(*_single(MEMORY, WEIGHTS))
    _against(
        actual,
        lambda b, h: [sum(WEIGHTS[b, h, i] * MEMORY[b, i, w] for i in range(N)) for w in range(W)],
    )


def test_write_erases_and_adds_head_by_head():
    memory, weights, erase_vectors, add_vectors = _single(
        MEMORY, WEIGHTS, ERASE_VECTORS, ADD_VECTORS
    )
    actual = addressing.write(memory, weights, erase_vectors=erase_vectors, add_vectors=add_vectors)
    expected = MEMORY.copy()
    for b, h, i, w in np.ndindex(B, H, N, W):
        expected[b, i, w] *= 1 - WEIGHTS[b, h, i] * ERASE_VECTORS[b, h, w]  # equation 3
        expected[b, i, w] += WEIGHTS[b, h, i] * ADD_VECTORS[b, h, w]  # equation 4
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@pytest.mark.parametrize("offset", [-3, -2, -1, 0, 1, 2, 3])
def test_a_shift_of_one_share_rolls(offset):
    weights = WEIGHTS.astype("float32")
    actual = addressing.shift(weights, np.tile(_one_hot(3 + offset), (B, H, 1)))
    np.testing.assert_array_equal(actual, np.roll(weights, offset, axis=-1))


@pytest.mark.parametrize("offset", [-1, 1])
def test_as_many_rotations_as_rows_are_none(offset):
    weights = first = WEIGHTS.astype("float32")
    rotate = np.tile(_one_hot(1 + offset, rows=3), (B, H, 1))
    for _ in range(N):
        weights = addressing.shift(weights, rotate)
    np.testing.assert_array_equal(weights, first)


@pytest.mark.parametrize("count", [2, 9])
def test_shifts_without_a_middle_or_beyond_the_rows_are_refused(count):
    with pytest.raises(ValueError, match="an odd number"):
        addressing.shift(WEIGHTS, np.ones((B, H, count)))


def test_a_great_strength_finds_the_row_that_is_the_key():
    memory = MEMORY.astype("float32")
    weights = addressing.content_weights(
        memory, keys=3 * memory[:, 4:5], strengths=np.full((B, 1), 1000, "float32")
    )
    np.testing.assert_allclose(weights, np.tile(_one_hot(4), (B, 1, 1)), atol=1e-5)


def test_a_closed_gate_keeps_the_weights():
    previous = np.concatenate(
        [PREVIOUS[:, :2].astype("float32"), np.tile(_one_hot(2), (B, 1, 1))], 1
    )
    kept = addressing.address(
        MEMORY.astype("float32"),
        previous,
        keys=KEYS.astype("float32"),
        strengths=STRENGTHS.astype("float32"),
        gates=np.zeros((B, H), "float32"),
        shifts=np.tile(_one_hot(1, rows=3), (B, H, 1)),
        sharpness=np.ones((B, H), "float32"),
    )
    np.testing.assert_allclose(kept, previous, atol=1e-6)


def test_sharpening_many_small_weights_is_finite():
    weights = np.full((1, 1, 128), 1 / 128, "float32")
    sharpened = addressing.sharpen(weights, sharpness=np.full((1, 1), 21, "float32"))
    np.testing.assert_allclose(sharpened, weights, rtol=1e-4)


def test_a_written_row_is_the_vector_and_no_other_row_changes():
    memory, vector = MEMORY.astype("float32"), ADD_VECTORS[:, :1].astype("float32")
    weights = np.tile(_one_hot(3), (B, 1, 1))
    written = addressing.write(
        memory, weights, erase_vectors=np.ones((B, 1, W), "float32"), add_vectors=vector
    )
    expected = memory.copy()
    expected[:, 3] = vector[:, 0]
    np.testing.assert_array_equal(written, expected)
    np.testing.assert_allclose(addressing.read(written, weights), vector, atol=1e-6)


def test_gradients_at_weights_of_zero_are_finite():
    import tensorflow as tf

    previous = tf.constant(np.tile(_one_hot(0), (B, H, 1)))
    memory = tf.zeros((B, N, W))  # and of a memory of zeros, which has no direction
    shifts = tf.constant(np.tile(_one_hot(1, rows=3), (B, H, 1)))
    sharpness = tf.constant(SHARPNESS.astype("float32"))
    sources = [previous, memory, shifts, sharpness]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        weights = addressing.address(
            memory,
            previous,
            keys=KEYS.astype("float32"),
            strengths=STRENGTHS.astype("float32"),
            gates=np.zeros((B, H), "float32"),
            shifts=shifts,
            sharpness=sharpness,
        )
        loss = tf.reduce_sum(weights * WEIGHTS.astype("float32"))
    for gradient in tape.gradient(loss, sources):
        assert np.isfinite(gradient).all()
