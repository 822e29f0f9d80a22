"""A model that reads and writes vectors, as a server sees it: `serving_default` is `predict`."""

import tensorflow as tf


def guarded(predict, config):
    """Returns `predict` for sequences of any client: lengths that cannot be are refused.

    Args:
        predict: The signature's function.
        config: That of the model; any number of steps is allowed.
    """

    def guarded(inputs, length):
        tf.debugging.assert_non_negative(length, "A length is at least 0.")
        tf.debugging.assert_less_equal(
            length, tf.shape(inputs)[1], "A length is at most the number of steps."
        )
        return predict(inputs=inputs, length=length)

    return guarded
