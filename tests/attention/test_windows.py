import math

import numpy as np
import pytest

from zoo.attention import windows


def test_local_m_centers_keep_step_with_the_target():
    np.testing.assert_array_equal(windows.monotonic_centers(np.array([0, 1, 7])), [[0, 1, 7]])


def test_predicted_centers_are_those_of_the_paper():
    generator = np.random.default_rng(0)
    query, kernel = generator.normal(size=(2, 3, 5)), generator.normal(size=(5, 7))
    vector, lengths = generator.normal(size=7), np.array([11, 4], "int32")
    actual = windows.predicted_centers(query, kernel=kernel, vector=vector, source_lengths=lengths)
    for b, t in np.ndindex(2, 3):
        inner = sum(
            vector[a] * math.tanh(sum(query[b, t, d] * kernel[d, a] for d in range(5)))
            for a in range(7)
        )
        np.testing.assert_allclose(actual[b, t], lengths[b] / (1 + math.exp(-inner)))


@pytest.mark.parametrize("half_width", [0, 1, 2.5])
def test_a_window_holds_what_is_near(half_width):
    centers = np.array([[0.0, 3.2], [6.0, 9.0]])
    mask = windows.window_mask(centers, source_length=8, half_width=half_width)
    for b, t, s in np.ndindex(2, 2, 8):
        assert mask[b, t, s] == (abs(s - centers[b, t]) <= half_width)


def test_the_gaussian_is_that_of_the_paper():
    centers = np.array([[1.3, 4.0]])
    actual = windows.gaussian(centers, source_length=6, half_width=3)
    for t, s in np.ndindex(2, 6):
        expected = math.exp(-((s - centers[0, t]) ** 2) / (2 * 1.5**2))
        np.testing.assert_allclose(actual[0, t, s], expected)


def test_a_wide_window_is_global():
    centers = np.array([[2.0]])
    assert np.asarray(windows.window_mask(centers, source_length=5, half_width=5)).all()
    flat = windows.gaussian(centers, source_length=5, half_width=2e6)
    np.testing.assert_allclose(flat, np.ones((1, 1, 5)), atol=1e-9)
