"""Which keys a query may attend to. In every mask, True means: may attend."""

from keras import ops


def padding_mask(tokens, *, pad_id: int):
    """Returns a mask that is True at real tokens and False at padding, in the shape of `tokens`."""
    return ops.not_equal(tokens, pad_id)


def causal_mask(length):
    """Returns `(length, length)`, True where a position (row) may attend: itself and before."""
    places = ops.arange(length)
    return places[None] <= places[:, None]
