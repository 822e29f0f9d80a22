import math

import keras
import numpy as np

from zoo.layers.embedding import TiedEmbedding, sinusoids


def test_sinusoids_are_the_papers():
    table = sinusoids(7, 6)
    for position in range(7):
        for i in range(3):
            angle = position / 10000 ** (2 * i / 6)
            np.testing.assert_allclose(table[position, 2 * i], math.sin(angle), atol=1e-6)
            np.testing.assert_allclose(table[position, 2 * i + 1], math.cos(angle), atol=1e-6)


def test_a_shift_of_position_is_a_rotation():
    # Section 3.5: a linear function of the sinusoids at p gives those at p + k, whatever p is.
    table = sinusoids(40, 8).astype("float64")
    shift, *_ = np.linalg.lstsq(table[:30], table[5:35], rcond=None)
    np.testing.assert_allclose(table[:30] @ shift, table[5:35], atol=1e-5)


def test_one_table_embeds_and_scores():
    keras.utils.set_random_seed(0)
    layer = TiedEmbedding(vocab_size=5, width=4)
    layer.build()
    [table] = layer.get_weights()
    tokens = np.array([[3, 0], [1, 4]])
    np.testing.assert_allclose(layer(tokens), 2.0 * table[tokens], atol=1e-6)
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    np.testing.assert_allclose(layer.logits(x), x @ table.T, atol=1e-5)


def test_embeddings_and_logits_start_at_unit_variance():
    keras.utils.set_random_seed(0)
    layer = TiedEmbedding(vocab_size=2000, width=64)
    layer.build()
    assert 0.95 < np.var(layer(np.arange(2000))) < 1.05
    x = np.random.default_rng(0).normal(size=(50, 64)).astype("float32")
    assert 0.9 < np.var(layer.logits(x)) < 1.1
