"""A convolution over time with a gated linear unit, over a whole sequence or a step at a time."""

import keras
from keras import ops

from zoo.layers.dropout import Dropout
from zoo.layers.weight_norm import WeightNormDense


def gated_linear_unit(x):
    """Returns the first half of `x` `(..., 2 D)`, gated by the second: `(..., D)`.

        gated_linear_unit([a; b]) = a * sigmoid(b)

    Source: Dauphin et al., 2017 (arXiv:1612.08083), equation 1.
    """
    values, gates = ops.split(x, 2, axis=-1)
    return values * ops.sigmoid(gates)


class GatedConvolution(keras.layers.Layer):
    """Dropout, a convolution over time and a gated linear unit, weight-normalized.

        y[t] = gated_linear_unit(bias + sum over i < k of x[t - left + i] kernel[i])

    with zeros beside the sequence. `left` is `k - 1` where causal, so that an output depends on the
    inputs up to its own, and `(k - 1) / 2` where not. In a step the sum is one matrix product, of
    the k inputs side by side.

    Source: Gehring et al., 2017 (arXiv:1705.03122), sections 3.2 and 3.5: kernels drawn from
    `N(0, 4 (1 - dropout) / (k D))`, so that the outputs vary as the inputs do, where those are
    small enough for the gates to be about a half.

    Args:
        units: Width of the outputs.
        kernel_width: k; odd where not causal.
        causal: Whether an output depends on no later input.
        dropout: Fraction of the inputs dropped in training, 0 to 1.

    Raises:
        ValueError: If the kernel is even and not causal: it has no middle.
    """

    def __init__(
        self, units: int, *, kernel_width: int, causal: bool, dropout: float = 0.0, **kwargs
    ):
        super().__init__(**kwargs)
        if not causal and kernel_width % 2 == 0:
            raise ValueError(
                "kernel_width must be odd where the convolution is not causal. Received: "
                f"kernel_width={kernel_width}."
            )
        self.kernel_width = kernel_width
        self.causal = causal
        self.dropout = Dropout(dropout, name="dropout")
        self.dense = WeightNormDense(2 * units, variance=4 * (1 - dropout), name="dense")

    def build(self, input_shape):
        """Builds the kernel for inputs `(B, T, D)`."""
        self.dense.build((*input_shape[:-1], self.kernel_width * input_shape[-1]))

    def kernel(self):
        """Returns the kernel as it is applied, `(k D, 2 units)`; for `call` and `step`."""
        return self.dense.kernel()

    def call(self, x, kernel=None, training=False):
        """Returns `(B, T, units)` for `x` `(B, T, D)`."""
        x = self.dropout(x, training=training)
        kernel = self.kernel() if kernel is None else kernel
        if self.causal:
            x = ops.pad(x, ((0, 0), (self.kernel_width - 1, 0), (0, 0)))
        x = ops.conv(
            x,
            ops.reshape(kernel, (self.kernel_width, x.shape[-1], kernel.shape[-1])),
            padding="valid" if self.causal else "same",
            data_format="channels_last",
        )
        return gated_linear_unit(x + self.dense.bias)

    def step(self, x, before, kernel=None):
        """Returns one output of a causal convolution, and what the next step needs.

        Args:
            x: `(B, 1, D)`, the input.
            before: `(B, k - 1, D)`, the inputs before it, the last one last; zeros at the start.
            kernel: `kernel()`, computed before; None computes it.

        Returns:
            The output `(B, 1, units)`, and the next step's `before`.
        """
        window = ops.concatenate([before, x], axis=1)  # (B, k, D)
        flat = ops.reshape(window, (-1, 1, window.shape[1] * window.shape[2]))
        return gated_linear_unit(self.dense(flat, kernel=kernel)), window[:, 1:]
