import numpy as np
import reference

from zoo import attention


def test_context_and_weights_are_those_of_the_slow_loop():
    generator = np.random.default_rng(0)
    scores, values = generator.normal(size=(2, 3, 5)), generator.normal(size=(2, 5, 7))
    mask = np.array([[True, True, True, False, True], [False, True, False, False, False]])
    context, weights = attention.attend(scores.astype("float32"), values.astype("float32"), mask)
    expected_context, expected_weights = reference.attend(scores, values, mask)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-6)
    np.testing.assert_allclose(context, expected_context, atol=1e-5)


def test_a_mask_may_differ_by_query():
    scores = np.zeros((1, 2, 3), "float32")
    values = np.eye(3, dtype="float32")[None]
    mask = np.array([[[True, False, False], [False, True, True]]])
    context, _ = attention.attend(scores, values, mask)
    np.testing.assert_allclose(context, [[[1, 0, 0], [0, 0.5, 0.5]]], atol=1e-6)


def test_a_single_source_position_gets_all_the_weight():
    values = np.array([[[2.0, -3.0]]], "float32")
    context, weights = attention.attend(np.full((1, 4, 1), -50, "float32"), values, None)
    np.testing.assert_array_equal(weights, np.ones((1, 4, 1)))
    np.testing.assert_array_equal(context, np.repeat(values, 4, axis=1))


def test_equal_scores_give_the_mean_of_the_values():
    values = np.arange(12, dtype="float32").reshape(1, 4, 3)
    mask = np.array([[True, True, True, False]])
    context, _ = attention.attend(np.zeros((1, 1, 4), "float32"), values, mask)
    np.testing.assert_allclose(context[0, 0], values[0, :3].mean(axis=0), atol=1e-6)


def test_the_normalizer_is_the_callers():
    scores = np.array([[[2.0, -1.0, 5.0]]], "float32")
    values = np.eye(3, dtype="float32")[None]
    mask = np.array([[True, True, False]])
    context, weights = attention.attend(scores, values, mask, normalize=attention.unnormalized)
    np.testing.assert_array_equal(weights, [[[2, -1, 0]]])
    np.testing.assert_array_equal(context, [[[2, -1, 0]]])
