"""Weight normalization: the length of a kernel's columns learned apart from their direction."""

import keras
from keras import ops


def weight_normed(direction, gain):
    """Returns the kernel whose columns have the direction of `direction` and the length `gain`.

        kernel[:, u] = gain[u] direction[:, u] / ||direction[:, u]||

    Args:
        direction: `(D, units)`, `v` in the paper, of any length; columns of zeros stay zeros.
        gain: `(units,)`, `g` in the paper.

    Returns:
        `(D, units)`.

    Source: Salimans and Kingma, 2016 (arXiv:1602.07868), equation 2.
    """
    squares = ops.sum(ops.square(direction), axis=0)
    return direction * (gain * ops.rsqrt(squares + 1e-12))  # the root of 0 has no gradient


class WeightNormDense(keras.layers.Layer):
    """A linear layer with weight normalization.

        y = x @ weight_normed(direction, gain) + bias

    The kernel starts as what `direction` is drawn as, because `gain` starts as its lengths.

    A loop computes the kernel once, by `kernel()` in front of it, and hands it to every call: an
    exported loop then holds matrix products and no norms.

    Args:
        units: Width of the outputs.
        variance: Of the outputs at the start, where inputs are independent with variance 1; what
            follows them decides. The biases start at 0.
    """

    def __init__(self, units: int, *, variance: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.variance = variance

    def build(self, input_shape):
        """Builds the weights for inputs `(..., D)`."""
        width = input_shape[-1]
        self.direction = self.add_weight(
            name="direction",
            shape=(width, self.units),
            initializer=keras.initializers.RandomNormal(stddev=(self.variance / width) ** 0.5),
        )
        self.gain = self.add_weight(
            name="gain",
            shape=(self.units,),
            initializer=lambda shape, dtype: ops.norm(self.direction, axis=0),
        )
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")

    def kernel(self):
        """Returns the kernel as it is applied, `(D, units)`."""
        return weight_normed(self.direction, self.gain)

    def call(self, x, kernel=None):
        """Returns `(..., units)` for `x` `(..., D)`; `kernel` is `kernel()`, computed before."""
        return ops.matmul(x, self.kernel() if kernel is None else kernel) + self.bias
