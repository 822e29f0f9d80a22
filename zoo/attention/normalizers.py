"""From scores to weights, under a mask.

Every function takes scores `(..., S)` and a boolean mask that broadcasts against them, False where
a key is excluded, None where none is. It returns weights `(..., S)` in the dtype of the scores,
exactly 0 where the mask is False; arithmetic is float32 or wider. A row with no True gives all
zeros, not a uniform row and not NaN: a query that may attend to nothing has no context.
"""

from keras import ops

_NO_BOUND = 3e38  # above every real score, and finite in float32
_MASKED_SCORE = -1e9  # below every real score, and finite, so that an empty row is no NaN


def masked_softmax(scores, mask=None):
    """Returns softmax over the last axis: weights above 0 that sum to 1.

    weights[s] = exp(scores[s]) / sum over i of exp(scores[i])
    """
    return _in_single(_masked_softmax, scores, mask)


def softmax_beside_empty(scores, mask=None, *, empty):
    """Returns softmax beside keys that say nothing: weights of 0 or more that sum to 1 at most.

        weights[s] = exp(scores[s]) / (empty + sum over i of exp(scores[i]))

    What matches nothing leaves its weight with the empty keys, of score 0, and gets no context.

    Args:
        scores: As for all functions here.
        mask: As well.
        empty: How many empty keys there are, 0 or more; broadcasts against `(..., 1)`.
    """

    def normalize(scores, mask):
        # One more key stands for all of them: exp(log(empty)) = empty.
        count = ops.cast(empty, scores.dtype)
        beside = ops.where(count > 0, ops.log(ops.maximum(count, 1.0)), _MASKED_SCORE)
        if beside.shape[:-1] != scores.shape[:-1] or not beside.shape:
            beside = ops.broadcast_to(beside, (*ops.shape(scores)[:-1], 1))
        bounded = scores if mask is None else _bounded(scores, mask)
        weights = _softmax(ops.concatenate([bounded, beside], axis=-1))[..., :-1]
        # Where nothing may be attended to, and no key is empty, all weigh the same.
        return weights if mask is None else weights * ops.cast(mask, scores.dtype)

    return _in_single(normalize, scores, mask)


def sparsemax(scores, mask=None):
    """Returns the weights that sum to 1 and are nearest to the scores; many are exactly 0.

        weights[s] = max(scores[s] - threshold, 0)

    with the threshold that makes them sum to 1.

    Source: Martins and Astudillo, 2016 (arXiv:1602.02068), algorithm 1.
    """
    return _in_single(_sparsemax, scores, mask)


def unnormalized(scores, mask=None):
    """Returns the scores themselves as weights, of any sign and sum: the raw match."""
    return scores if mask is None else ops.where(mask, scores, ops.zeros_like(scores))


def _in_single(normalize, scores, mask):
    """Returns `normalize(scores, mask)` computed in float32 or wider, in the dtype of `scores`."""
    dtype = ops.dtype(scores)
    if dtype in ("float16", "bfloat16"):
        scores = ops.cast(scores, "float32")
    return ops.cast(normalize(scores, mask), dtype)


def _masked_softmax(scores, mask):
    if mask is None:
        return _softmax(scores)
    return _softmax(_bounded(scores, mask)) * ops.cast(mask, scores.dtype)


def _bounded(scores, mask):
    """Returns scores that have no weight in a softmax where `mask` is False."""
    # Bounded from above, not chosen by `where`, which LiteRT runs outside of its fast kernels; and
    # never by adding a bias: within TensorFlow's graph loops an added bias came back as an empty
    # tensor (tensorflow 2.21 with oneDNN).
    bound = ops.where(mask, _NO_BOUND, _MASKED_SCORE)
    return ops.minimum(scores, ops.cast(bound, scores.dtype))


def _sparsemax(scores, mask):
    if mask is not None:
        scores = ops.where(mask, scores, _MASKED_SCORE)
    # Only differences matter; those to the largest score stay exact however large the scores are.
    # Below -1 a score has no weight whatever the others are, so the masked ones need not be so low
    # that they would swallow the others in the sums.
    scores = ops.maximum(scores - ops.max(scores, axis=-1, keepdims=True), -2.0)
    descending = -ops.sort(-scores, axis=-1)
    rank = ops.cumsum(ops.ones_like(scores), axis=-1)  # 1, 2, ...; the size may be open in a graph
    sums = ops.cumsum(descending, axis=-1)
    supported = ops.cast(1 + rank * descending > sums, scores.dtype)  # a run of ones, k(z) of them
    count = ops.sum(supported, axis=-1, keepdims=True)
    threshold = (ops.sum(supported * descending, axis=-1, keepdims=True) - 1) / count
    weights = ops.maximum(scores - threshold, 0.0)
    return weights if mask is None else ops.where(mask, weights, 0.0)


def _softmax(scores):
    # A source of one token is no mistake, but Keras warns of a softmax over one position.
    return ops.ones_like(scores) if scores.shape[-1] == 1 else ops.softmax(scores, axis=-1)
