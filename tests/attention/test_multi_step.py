"""Multi-step attention against a slow loop written from its paper."""

import math

import numpy as np
import pytest
import reference

from zoo.attention import multi_step

GENERATOR = np.random.default_rng(0)
STATES = GENERATOR.normal(size=(2, 3, 7))  # h (B, T, D)
EMBEDDINGS = GENERATOR.normal(size=(2, 3, 5))  # g (B, T, E)
SOURCE = GENERATOR.normal(size=(2, 11, 5))  # z (B, S, E)
SOURCE_EMBEDDINGS = GENERATOR.normal(size=(2, 11, 5))  # e (B, S, E)
MASK = np.arange(11) < np.array([[11], [6]])
KERNELS = {
    "query_kernel": GENERATOR.normal(size=(7, 5)),
    "query_bias": GENERATOR.normal(size=5),
    "context_kernel": GENERATOR.normal(size=(5, 7)),
    "context_bias": GENERATOR.normal(size=7),
}


def _single(x):
    return {name: array.astype("float32") for name, array in x.items()}


def _attend(source, source_embeddings, mask):
    keys, values = multi_step.multi_step_source(
        source.astype("float32"), source_embeddings.astype("float32"), mask
    )
    return multi_step.multi_step_attention(
        STATES.astype("float32"),
        EMBEDDINGS.astype("float32"),
        keys=keys,
        values=values,
        mask=mask,
        **_single(KERNELS),
    )


def _slow(b, t):
    """The paper's equations for one position: its new states and its weights."""
    real = range(int(MASK[b].sum()))
    query = reference.times(STATES[b, t], KERNELS["query_kernel"])
    query = [
        (d + bias + g) * math.sqrt(0.5)
        for d, bias, g in zip(query, KERNELS["query_bias"], EMBEDDINGS[b, t], strict=True)
    ]
    scores = [reference.dot(query, SOURCE[b, j]) for j in range(11)]
    weights = reference.softmax(scores, MASK[b])
    context = [
        math.sqrt(len(real))
        * sum(weights[j] * (SOURCE[b, j, d] + SOURCE_EMBEDDINGS[b, j, d]) for j in real)
        * math.sqrt(0.5)
        for d in range(5)
    ]
    projected = reference.times(context, KERNELS["context_kernel"])
    states = [
        (c + bias + h) * math.sqrt(0.5)
        for c, bias, h in zip(projected, KERNELS["context_bias"], STATES[b, t], strict=True)
    ]
    return states, weights


def test_states_and_weights_are_those_of_the_paper():
    states, weights = _attend(SOURCE, SOURCE_EMBEDDINGS, MASK)
    for b, t in np.ndindex(2, 3):
        expected_states, expected_weights = _slow(b, t)
        np.testing.assert_allclose(weights[b, t], expected_weights, atol=1e-5)
        np.testing.assert_allclose(states[b, t], expected_states, rtol=1e-4, atol=1e-4)


def test_more_padding_changes_nothing():
    padding = ((0, 0), (0, 4), (0, 0))
    states, weights = _attend(SOURCE, SOURCE_EMBEDDINGS, MASK)
    more_states, more_weights = _attend(
        np.pad(SOURCE, padding, constant_values=2.0),
        np.pad(SOURCE_EMBEDDINGS, padding, constant_values=-3.0),
        np.pad(MASK, padding[:2]),
    )
    np.testing.assert_allclose(more_states, states, atol=1e-5)
    np.testing.assert_allclose(more_weights[..., :11], weights, atol=1e-6)
    np.testing.assert_array_equal(more_weights[..., 11:], np.zeros((2, 3, 4)))


@pytest.mark.parametrize("length", [2, 13, 64])
def test_uniform_attention_keeps_the_variance_of_its_values(length):
    shape = (64, length, 96)
    source, embeddings = (GENERATOR.normal(size=shape).astype("float32") for _ in range(2))
    mask = np.ones(shape[:2], bool)
    _, values = multi_step.multi_step_source(source, embeddings, mask)
    states, weights = multi_step.multi_step_attention(
        np.zeros((64, 1, 96), "float32"),
        np.zeros((64, 1, 96), "float32"),  # a query of zeros
        keys=np.zeros((64, 96, length), "float32"),
        values=values,
        mask=mask,
        query_kernel=np.zeros((96, 96), "float32"),
        query_bias=np.zeros(96, "float32"),
        context_kernel=np.eye(96, dtype="float32"),
        context_bias=np.zeros(96, "float32"),
    )
    np.testing.assert_allclose(weights, 1 / length, rtol=1e-5)
    context = np.asarray(states) / math.sqrt(0.5)
    np.testing.assert_allclose(context.var(), 1, rtol=0.08)


def test_an_empty_source_gives_nothing():
    states, weights = _attend(SOURCE, SOURCE_EMBEDDINGS, np.zeros((2, 11), bool))
    expected = (STATES + KERNELS["context_bias"]) * math.sqrt(0.5)
    np.testing.assert_allclose(states, expected, atol=1e-5)
    np.testing.assert_array_equal(weights, np.zeros((2, 3, 11)))
