"""Multi-head attention against loops over batches, heads, queries and keys."""

import keras
import numpy as np
import pytest

from zoo.attention import CrossAttention, SelfAttention, causal_mask
from zoo.attention.multi_head import merge_heads, split_heads

WIDTH, HEADS = 8, 2


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def _normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _dense(layer):
    kernel, bias = (np.asarray(weight) for weight in layer.get_weights())
    # A bias that starts at zero would hide that it is left out.
    bias = np.linspace(-0.5, 0.5, len(bias)).astype("float32")
    layer.set_weights([kernel, bias])
    return lambda x: x @ kernel + bias


def _loop(query, keys, values, may_attend):
    """The contexts `(B, T, D)` and weights `(B, H, T, S)`, one number at a time."""
    rows, length, width = query.shape
    size = width // HEADS
    contexts = np.zeros((rows, length, width))
    weights = np.zeros((rows, HEADS, length, keys.shape[1]))
    for b in range(rows):
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            for t in range(length):
                scores = {
                    s: query[b, t, part] @ keys[b, s, part] / np.sqrt(size)
                    for s in range(keys.shape[1])
                    if may_attend(b, t, s)
                }
                total = sum(np.exp(score) for score in scores.values())
                for s, score in scores.items():
                    weights[b, h, t, s] = np.exp(score) / total
                    contexts[b, t, part] += weights[b, h, t, s] * values[b, s, part]
    return contexts, weights


def test_self_attention_is_the_papers():
    layer = SelfAttention(width=WIDTH, num_heads=HEADS)
    layer.build((None, None, WIDTH))
    project, output = _dense(layer.projection), _dense(layer.output_projection)
    x = _normal(2, 5, WIDTH)
    query, keys, values = np.split(project(x), 3, axis=-1)
    contexts, _ = _loop(query, keys, values, lambda b, t, s: s <= t)
    actual = layer(x, attention_mask=causal_mask(5)[None, None])
    np.testing.assert_allclose(actual, output(contexts), atol=1e-5)


def test_cross_attention_is_the_papers():
    layer = CrossAttention(width=WIDTH, num_heads=HEADS)
    layer.build((None, None, WIDTH))
    project = _dense(layer.query_projection)
    project_source, output = _dense(layer.source_projection), _dense(layer.output_projection)
    x, source = _normal(3, 4, WIDTH), _normal(3, 6, WIDTH, seed=2)
    mask = np.arange(6) < np.array([[6], [2], [0]])  # the last row has no source
    keys, values = np.split(project_source(source), 2, axis=-1)
    contexts, expected = _loop(project(x), keys, values, lambda b, t, s: mask[b, s])
    keys, values = layer.keys_and_values(source)
    actual, weights = layer(x, keys=keys, values=values, source_mask=mask)
    np.testing.assert_allclose(actual, output(contexts), atol=1e-5)
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_cross_attention_of_one_position_is_that_of_the_sequence():
    layer = CrossAttention(width=WIDTH, num_heads=HEADS)
    layer.build((None, None, WIDTH))
    x = _normal(2, 4, WIDTH)
    keys, values = layer.keys_and_values(_normal(2, 6, WIDTH, seed=2))
    source = {"keys": keys, "values": values, "source_mask": np.ones((2, 6), bool)}
    whole, whole_weights = layer(x, **source)
    for t in range(4):
        one, weights = layer(x[:, t], **source)
        np.testing.assert_allclose(one, whole[:, t], atol=1e-6)
        np.testing.assert_allclose(weights[:, :, 0], whole_weights[:, :, t], atol=1e-6)


def test_steps_of_self_attention_are_the_sequence():
    layer = SelfAttention(width=WIDTH, num_heads=HEADS)
    layer.build((None, None, WIDTH))
    x = _normal(2, 5, WIDTH)
    whole = layer(x, attention_mask=causal_mask(5)[None, None])
    keys = values = np.full((2, HEADS, 7, WIDTH // HEADS), 9.0, "float32")  # room, never read
    for t in range(5):
        one, keys, values = layer.step(x[:, t], position=np.int32(t), keys=keys, values=values)
        np.testing.assert_allclose(one, whole[:, t], atol=1e-5)


@pytest.mark.parametrize("shape", [(3, WIDTH), (3, 1, WIDTH), (3, 5, WIDTH)])
def test_merging_undoes_splitting(shape):
    x = _normal(*shape)
    heads = split_heads(x, HEADS)
    assert heads.shape == (3, HEADS, shape[1] if len(shape) == 3 else 1, WIDTH // HEADS)
    np.testing.assert_array_equal(merge_heads(heads, rank=len(shape)), x)


def test_one_head_is_plain_attention():
    layer = SelfAttention(width=WIDTH, num_heads=1)
    layer.build((None, None, WIDTH))
    project, output = _dense(layer.projection), _dense(layer.output_projection)
    x = _normal(1, 3, WIDTH)
    query, keys, values = np.split(project(x)[0], 3, axis=-1)
    weights = np.exp(query @ keys.T / np.sqrt(WIDTH))
    weights /= weights.sum(axis=-1, keepdims=True)
    actual = layer(x, attention_mask=np.ones((1, 1, 3, 3), bool))
    np.testing.assert_allclose(actual[0], output(weights @ values), atol=1e-5)
