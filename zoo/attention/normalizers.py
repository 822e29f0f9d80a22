"""From scores to weights, under a mask."""

from keras import ops

_MASKED_SCORE = -1e9  # below every real score, and finite, so that an empty row is no NaN


def masked_softmax(scores, mask=None):
    """Returns softmax over the last axis, with exactly 0 where `mask` is False.

    A row with no True gives all zeros, not a uniform row and not NaN: a query that may attend to
    nothing has no context. Arithmetic is float32 or wider; the result has the dtype of `scores`.

    Args:
        scores: `(..., S)`.
        mask: Boolean, broadcast against `scores`; False excludes a key. None excludes none.

    Returns:
        `(..., S)`: weights of at least 0 that sum to 1, or to 0 in a row without a True.
    """
    dtype = scores.dtype
    if dtype in ("float16", "bfloat16"):
        scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.cast(_softmax(scores), dtype)
    # Chosen by `where`, never by adding a bias: within TensorFlow's graph loops an added bias came
    # back as an empty tensor (tensorflow 2.21 with oneDNN).
    weights = _softmax(ops.where(mask, scores, _MASKED_SCORE))
    return ops.cast(ops.where(mask, weights, 0.0), dtype)


def _softmax(scores):
    # A source of one token is no mistake, but Keras warns of a softmax over one position.
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
