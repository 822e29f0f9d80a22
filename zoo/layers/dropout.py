"""Dropout whose random numbers cost little where the model is compiled."""

import keras
import numpy as np
from keras import ops


class Dropout(keras.layers.Dropout):
    """Drops each number of its input in training, with the probability `rate`; scales the others.

    As Keras's layer, but for where the numbers come from: a hash of the place in the tensor, keyed
    by the seed generator's next draw. XLA makes of a hash a few vectorized instructions, within the
    kernel that uses it, and of Keras's generator (3.15) a loop that took 40 % of the training step
    of a small Transformer on a CPU. Both backends draw the same numbers.
    """

    def call(self, inputs, training=False):
        """Returns a tensor of the shape and dtype of `inputs`."""
        if not training or self.rate == 0:
            return inputs
        seed, draw = ops.unstack(ops.cast(self.seed_generator.next(), "uint32"))
        key = hashed(ops.bitwise_xor(seed, hashed(draw)))
        numbers = hashed(ops.bitwise_xor(_places(ops.shape(inputs)), key))
        kept = numbers >= _uint32(self.rate * 2**32)
        return ops.where(kept, inputs / (1 - self.rate), ops.zeros_like(inputs))


def hashed(x):
    """Returns uint32 numbers that look drawn, one for each of `x` uint32; 0 stays 0.

    Every bit of `x` changes each bit of its hash with a probability of about a half.

    Source: `lowbias32` of Wellons's search for such functions, github.com/skeeto/hash-prospector.
    """
    x = _folded(x, 16) * _uint32(0x7FEB352D)
    x = _folded(x, 15) * _uint32(0x846CA68B)
    return _folded(x, 16)


def _folded(x, bits: int):
    return ops.bitwise_xor(x, ops.right_shift(x, _uint32(bits)))


def _places(shape):
    """Returns the number of each place in a tensor of `shape`, counted from 0 in its order."""
    places = _uint32(0)
    for size in shape:
        # TensorFlow has no range of uint32.
        along = ops.cast(ops.arange(size, dtype="int32"), "uint32")
        places = places[..., None] * ops.cast(size, "uint32") + along
    return places


def _uint32(number: float):
    return ops.convert_to_tensor(np.uint32(number))
