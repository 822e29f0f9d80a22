"""The residual connection around a sub-layer, with its dropout and its normalization."""

from typing import Literal

import keras

from zoo.layers.dropout import Dropout


class Residual(keras.layers.Layer):
    """Adds a sub-layer's output to its input, normalized after the sum or before the sub-layer.

        y = sublayer(residual.open(x))
        x = residual.close(x, y)

    Source: post, Vaswani et al., 2017 (arXiv:1706.03762), section 5.4; pre, Xiong et al., 2020
    (arXiv:2002.04745), which needs one more normalization after the last layer.

    Args:
        norm: `post`: `LayerNorm(x + sublayer(x))`. `pre`: `x + sublayer(LayerNorm(x))`.
        dropout: Fraction of the sub-layer's output dropped in training.
    """

    def __init__(self, *, norm: Literal["pre", "post"], dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.is_pre = norm == "pre"
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.dropout = Dropout(dropout, name="dropout")

    def build(self, input_shape):
        """Builds the normalization."""
        self.norm.build(input_shape)

    def open(self, x):
        """Returns what the sub-layer reads."""
        return self.norm(x) if self.is_pre else x

    def close(self, x, y, *, training: bool = False):
        """Returns the sum of the input `x` and the sub-layer's output `y`."""
        x = x + self.dropout(y, training=training)
        return x if self.is_pre else self.norm(x)
