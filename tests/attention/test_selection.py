"""Hard attention, judged by enumeration: no draw is left to chance where all can be listed."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo.attention import selection

WEIGHTS = np.array([[0.2, 0.5, 0.3], [0.0, 0.0, 0.0], [0.6, 0.0, 0.4]], "float32")


def test_the_most_probable_is_selected():
    expected = [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(selection.most_probable(WEIGHTS), expected)


def test_the_first_of_equals_is_selected():
    equals = np.array([[0.25, 0.375, 0.375]], "float32")
    np.testing.assert_array_equal(selection.most_probable(equals), [[0, 1, 0]])


@pytest.mark.parametrize(
    "draw",
    [
        selection.sampled,
        lambda weights, noise: selection.straight_through_sampled(
            weights, temperature=0.7, noise=noise
        ),
    ],
    ids=["sampled", "straight_through"],
)
def test_draws_are_as_frequent_as_their_weights(draw):
    weights = np.repeat(WEIGHTS[:, None], 20_000, axis=1)
    drawn = np.asarray(draw(weights, noise=selection.gumbel_noise(weights.shape, seed=3)))
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.sum(axis=-1), np.repeat([[1], [0], [1]], 20_000, axis=1))
    np.testing.assert_allclose(drawn.mean(axis=1), WEIGHTS, atol=0.015)


def test_straight_through_has_the_gradient_of_the_softened_draw():
    weights = tf.Variable([[0.2, 0.5, 0.3]])
    values = tf.constant([[1.0, -2.0, 3.0]])
    noise = selection.gumbel_noise((1, 3), seed=1)
    with tf.GradientTape() as tape:
        drawn = selection.straight_through_sampled(weights, temperature=0.5, noise=noise)
        loss = tf.reduce_sum(drawn * values)
    gradient = tape.gradient(loss, weights).numpy()[0]
    soft = tf.nn.softmax((tf.math.log(weights) + noise) / 0.5).numpy()[0]
    through_softmax = soft * (values.numpy()[0] - (soft * values.numpy()[0]).sum()) / 0.5
    np.testing.assert_allclose(gradient, through_softmax / [0.2, 0.5, 0.3], rtol=1e-4)


def test_entropy_is_that_of_the_definition():
    expected = [-sum(p * np.log(p) for p in row if p) for row in WEIGHTS.tolist()]
    np.testing.assert_allclose(selection.entropy(WEIGHTS), expected, atol=1e-6)


@pytest.mark.parametrize("baseline", [0.0, 1.7, -40.0])
def test_reinforce_gives_the_gradient_of_the_expected_cost(baseline):
    """Two target positions, three source positions, all nine paths of draws listed."""
    logits = np.array([[0.3, -0.2, 0.9], [-1.0, 0.4, 0.1]])
    costs = np.random.default_rng(0).uniform(1, 5, size=(3, 3))  # of each path

    def expected_cost(flat):
        weights = np.exp(flat.reshape(2, 3))
        weights /= weights.sum(axis=1, keepdims=True)
        return weights[0] @ costs @ weights[1]

    gradient = np.zeros((2, 3))
    for path in itertools.product(range(3), repeat=2):
        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            weights = tf.nn.softmax(variable)
            drawn = tf.one_hot(path, 3, dtype="float64")
            loss = selection.reinforce_loss(
                tf.constant([costs[path]]),
                selection.log_prob(weights, drawn)[None],
                tf.zeros((1, 2), "float64"),
                baseline=baseline,
                reward_weight=1.0,
                entropy_weight=0.0,
            )[0]
        probability = weights[0, path[0]] * weights[1, path[1]]
        gradient += probability.numpy() * tape.gradient(loss, variable).numpy()
    step = 1e-5
    for index in range(6):
        nudge = np.zeros(6)
        nudge[index] = step
        there, back = expected_cost(logits.ravel() + nudge), expected_cost(logits.ravel() - nudge)
        np.testing.assert_allclose(gradient.ravel()[index], (there - back) / (2 * step), atol=1e-5)


def test_more_entropy_costs_less():
    zeros = ops.zeros((1, 2))
    arguments = {"baseline": 0.0, "reward_weight": 0.0, "entropy_weight": 0.5}
    loss = selection.reinforce_loss(ops.ones((1,)), zeros, ops.ones((1, 2)), **arguments)
    np.testing.assert_allclose(loss, [1 - 0.5 * 2])
