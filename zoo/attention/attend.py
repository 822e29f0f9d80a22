"""From scores to a context: normalize, then sum the values by weight."""

from keras import ops

from zoo.attention.normalizers import masked_softmax


def attend(scores, values, mask=None, *, normalize=masked_softmax):
    """Returns what each query gets, and the weights by which it gets it.

        context[b, t] = sum over s of weights[b, t, s] values[b, s]

    Args:
        scores: `(B, T, S)`.
        values: `(B, S, D)`.
        mask: `(B, S)` or `(B, T, S)`, True where a query may attend; None is everywhere.
        normalize: From scores and mask to weights; a function of `normalizers.py`.

    Returns:
        The context `(B, T, D)` and the weights `(B, T, S)`. A query that may attend to nothing has
        weights and context of zeros.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), section 3.1, equation 7.
    """
    if mask is not None and len(mask.shape) == 2:
        mask = ops.expand_dims(mask, 1)  # (B, 1, S)
    weights = normalize(scores, mask)  # (B, T, S)
    return ops.matmul(weights, values), weights
