"""Multi-head attention, over whole sequences and one step at a time with its keys and values kept.

Source: Vaswani et al., 2017 (arXiv:1706.03762), section 3.2.2:

    head[h] = attend(query W_query[h], keys W_key[h], values W_value[h])
    output = concat(head[1], ..., head[H]) W_output

with scaled dot products as scores. Shapes: H heads, each `D / H` wide. Projections that read the
same input are one matrix product.
"""

import keras
from keras import ops

from zoo.attention.attend import attend
from zoo.attention.scores import scaled_dot_scores


def split_heads(x, num_heads: int):
    """Returns `x` `(B, T, D)` as `(B, H, T, D / H)`, or `(B, D)` as `(B, H, 1, D / H)`."""
    *_, width = x.shape
    head_width = width // num_heads
    if len(x.shape) == 2:
        return ops.reshape(x, (-1, num_heads, 1, head_width))
    x = ops.reshape(x, (-1, ops.shape(x)[1], num_heads, head_width))
    return ops.transpose(x, (0, 2, 1, 3))


def merge_heads(x, *, rank: int):
    """Returns `x` `(B, H, T, D / H)` as what `split_heads` made it from, of rank 2 or 3."""
    _, num_heads, _, head_width = x.shape
    if rank == 2:
        return ops.reshape(x, (-1, num_heads * head_width))
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, ops.shape(x)[1], num_heads * head_width))


class SelfAttention(keras.layers.Layer):
    """A sequence that attends to itself.

    Args:
        width: D, of inputs and outputs.
        num_heads: H, a divisor of `width`.
    """

    def __init__(self, *, width: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.projection = _projection(3 * width, width, name="query_key_value")
        self.output_projection = keras.layers.Dense(width, name="output")

    def build(self, input_shape):
        """Builds both projections."""
        self.projection.build(input_shape)
        self.output_projection.build(input_shape)

    # Not `mask`: Keras would take that for the input's and hand it on.
    def call(self, x, *, attention_mask):
        """Returns `(B, T, D)` for `x` `(B, T, D)`.

        Args:
            x: The sequence.
            attention_mask: Four axes that broadcast to `(B, H, T, T)`, True where a position (third
                axis) may attend to another (fourth).
        """
        query, keys, values = self._project(x)
        context, _ = attend(scaled_dot_scores(query, keys), values, attention_mask)
        return self.output_projection(merge_heads(context, rank=3))

    def step(self, x, *, position, keys, values):
        """Returns one position's output and the keys and values with that position's own.

        Args:
            x: `(B, D)`, the input at `position`.
            position: Scalar int32. The position attends to those up to itself.
            keys: `(B, H, T, D / H)`, of the positions before; what stands later is of no meaning.
            values: As `keys`.

        Returns:
            The output `(B, D)`, the keys and the values.
        """
        query, key, value = self._project(x)
        places = ops.arange(keys.shape[2])
        # Sums, which LiteRT runs in its fast kernels, and not a choice by `where`.
        here = ops.cast(ops.equal(places, position), keys.dtype)[:, None]  # (T, 1)
        keys = keys * (1.0 - here) + key * here
        values = values * (1.0 - here) + value * here
        context, _ = attend(scaled_dot_scores(query, keys), values, places <= position)
        return self.output_projection(merge_heads(context, rank=2)), keys, values

    def _project(self, x):
        return ops.split(split_heads(self.projection(x), 3 * self.num_heads), 3, axis=1)


class CrossAttention(keras.layers.Layer):
    """A sequence that attends to another, whose keys and values are computed once.

    Args:
        width: D, of inputs and outputs.
        num_heads: H, a divisor of `width`.
    """

    def __init__(self, *, width: int, num_heads: int, **kwargs):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.query_projection = _projection(width, width, name="query")
        self.source_projection = _projection(2 * width, width, name="key_value")
        self.output_projection = keras.layers.Dense(width, name="output")

    def build(self, input_shape):
        """Builds the three projections."""
        self.query_projection.build(input_shape)
        self.source_projection.build(input_shape)
        self.output_projection.build(input_shape)

    def keys_and_values(self, source):
        """Returns the keys `(B, H, D / H, S)` and values `(B, H, S, D / H)` of `(B, S, D)`.

        The keys are turned once, here, so that no decode step has to.
        """
        heads = split_heads(self.source_projection(source), 2 * self.num_heads)
        keys, values = ops.split(heads, 2, axis=1)
        return ops.swapaxes(keys, -2, -1), values

    def call(self, x, *, keys, values, source_mask):
        """Returns outputs in the shape of `x` and the weights `(B, H, T, S)`.

        Args:
            x: `(B, T, D)`, the sequence that asks; or `(B, D)`, one position of it, and T is 1.
            keys: Of the source, as `keys_and_values` gives them.
            values: As `keys`.
            source_mask: `(B, S)`, True at real tokens.
        """
        query = split_heads(self.query_projection(x), self.num_heads)
        mask = source_mask[:, None, None]  # (B, 1, 1, S)
        scores = scaled_dot_scores(query, ops.swapaxes(keys, -2, -1))
        context, weights = attend(scores, values, mask)
        return self.output_projection(merge_heads(context, rank=len(x.shape))), weights


def _projection(units: int, width: int, *, name: str) -> keras.layers.Dense:
    # Glorot's bound for the three projections of `width` as one kernel, wherever they stand.
    limit = (6 / (4 * width)) ** 0.5
    return keras.layers.Dense(
        units, kernel_initializer=keras.initializers.RandomUniform(-limit, limit), name=name
    )
