"""Token embeddings and positions."""

import math

import keras
import numpy as np
from keras import ops


class TiedEmbedding(keras.layers.Layer):
    """One table that embeds tokens and, turned around, scores them.

    Source: Press and Wolf, 2017 (arXiv:1608.05859); Vaswani et al., 2017 (arXiv:1706.03762),
    section 3.4: embeddings times sqrt(D), and rows drawn from N(0, 1 / D), so that both the inputs
    and the logits start at a variance of about 1.

    Args:
        vocab_size: V.
        width: D.
    """

    def __init__(self, *, vocab_size: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.width = width

    def build(self, input_shape=None):
        """Builds the table `(V, D)`."""
        self.table = self.add_weight(
            name="table",
            shape=(self.vocab_size, self.width),
            initializer=keras.initializers.RandomNormal(stddev=self.width**-0.5),
        )

    def call(self, tokens):
        """Returns the vectors `(..., D)` of tokens `(...)`."""
        return ops.take(self.table, tokens, axis=0) * math.sqrt(self.width)

    def turned(self):
        """Returns the table turned around, `(D, V)`."""
        return ops.transpose(self.table)

    def logits(self, x, *, turned=None):
        """Returns the logits `(..., V)` of vectors `(..., D)`.

        Args:
            x: The vectors.
            turned: `turned()`, where it is computed once for many calls. On a CPU TensorFlow takes
                ten times as long to score four vectors by a table that it has to turn.
        """
        return ops.matmul(x, self.turned() if turned is None else turned)


def sinusoids(length: int, width: int) -> np.ndarray:
    """Returns the positions 0 to `length - 1` as `(length, width)` float32, -1 to 1.

        sinusoids[p, 2 i] = sin(p / 10000^(2 i / width))
        sinusoids[p, 2 i + 1] = cos(p / 10000^(2 i / width))

    Source: Vaswani et al., 2017 (arXiv:1706.03762), section 3.5. `width` is even.
    """
    frequencies = 10000.0 ** (-np.arange(0, width, 2) / width)  # (D / 2,)
    angles = np.arange(length)[:, None] * frequencies
    return (
        np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width).astype("float32")
    )
