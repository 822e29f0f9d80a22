"""How well each key answers each query, before masks, windows and normalizers.

Shapes: B batch, T queries, S keys, Dq and Dk widths of queries and keys, A width of a score's own
layer. Every function returns `(B, T, S)` in the dtype of `query`, unmasked and, if it says nothing
else, unbounded; pass it to `attend`. For one decode step, T is 1.
"""

import math

from keras import ops


def dot_scores(query, keys):
    """Returns the dot product of each query with each key.

        scores[b, t, s] = query[b, t] . keys[b, s]

    Args:
        query: `(B, T, D)`. Decoder states, one per target position.
        keys: `(B, S, D)`. Encoder states.

    Raises:
        ValueError: If `query` and `keys` are not equally wide.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), section 3.1, "dot".
    """
    if query.shape[-1] != keys.shape[-1]:
        raise ValueError(
            f"query and keys must be equally wide. Received: query.shape={query.shape}, "
            f"keys.shape={keys.shape}."
        )
    return ops.matmul(query, ops.swapaxes(keys, -2, -1))


def scaled_dot_scores(query, keys):
    """Returns the dot products divided by the square root of the width.

        scores[b, t, s] = query[b, t] . keys[b, s] / sqrt(D)

    Args:
        query: `(B, T, D)`.
        keys: `(B, S, D)`.

    Raises:
        ValueError: If `query` and `keys` are not equally wide.

    Source: Vaswani et al., 2017 (arXiv:1706.03762), equation 1.
    """
    # The query is the smaller factor: T is 1 in decoding, where the products are B * S.
    return dot_scores(query * (1 / math.sqrt(query.shape[-1])), keys)


def general_scores(query, keys, *, kernel):
    """Returns the bilinear form of each query with each key.

        scores[b, t, s] = query[b, t] @ kernel . keys[b, s]

    Args:
        query: `(B, T, Dq)`.
        keys: `(B, S, Dk)`.
        kernel: `(Dq, Dk)`, `W_a` in the paper.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), section 3.1, "general".
    """
    return dot_scores(ops.matmul(query, kernel), keys)


def additive_scores(query, keys, *, query_kernel, key_kernel, vector):
    """Returns what a network of one hidden layer makes of each query and key.

        scores[b, t, s] = vector . tanh(query[b, t] @ query_kernel + keys[b, s] @ key_kernel)

    Computed for all pairs at once, so memory grows as B*T*S*A.

    Args:
        query: `(B, T, Dq)`.
        keys: `(B, S, Dk)`; or `(B, S, A)`, multiplied by `key_kernel` once for all steps.
        query_kernel: `(Dq, A)`, `W_a` in the paper.
        key_kernel: `(Dk, A)`, `U_a` in the paper; None where `keys` are multiplied already.
        vector: `(A,)`, `v_a` in the paper.

    Source: Bahdanau, Cho and Bengio, 2015 (arXiv:1409.0473), appendix A.1.2. Deviation: the paper
    scores with the decoder's previous state only; here the caller decides which state is the query.
    """
    if key_kernel is not None:
        keys = ops.matmul(keys, key_kernel)
    query = _times(query, query_kernel)
    hidden = ops.tanh(ops.expand_dims(query, 2) + ops.expand_dims(keys, 1))  # (B, T, S, A)
    return ops.squeeze(_times(hidden, ops.expand_dims(vector, 1)), -1)


def concat_scores(query, keys, *, kernel, vector):
    """Returns what a network of one hidden layer makes of each query and key side by side.

        scores[b, t, s] = vector . tanh([query[b, t]; keys[b, s]] @ kernel)

    It is `additive_scores` with the kernel in one piece, and computed as such.

    Args:
        query: `(B, T, Dq)`.
        keys: `(B, S, Dk)`.
        kernel: `(Dq + Dk, A)`, `W_a` in the paper, the query's rows first.
        vector: `(A,)`, `v_a` in the paper.

    Raises:
        ValueError: If `kernel` has not as many rows as `query` and `keys` are wide together.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), section 3.1, "concat".
    """
    width = query.shape[-1]
    if kernel.shape[0] != width + keys.shape[-1]:
        raise ValueError(
            f"kernel must have a row for each column of query and keys. Received: "
            f"kernel.shape={kernel.shape}, query.shape={query.shape}, keys.shape={keys.shape}."
        )
    return additive_scores(
        query, keys, query_kernel=kernel[:width], key_kernel=kernel[width:], vector=vector
    )


def cosine_scores(query, keys, *, epsilon=1e-8):
    """Returns the cosine of the angle between each query and each key, -1 to 1.

        scores[b, t, s] = query[b, t] . keys[b, s] / (|query[b, t]| |keys[b, s]| + epsilon)

    A vector of zeros scores 0.

    Args:
        query: `(B, T, D)`.
        keys: `(B, S, D)`.
        epsilon: Keeps the quotient finite.

    Raises:
        ValueError: If `query` and `keys` are not equally wide.

    Source: Graves, Wayne and Danihelka, 2014 (arXiv:1410.5401), equation 6.
    """
    # The root of a sum of squares has no gradient at 0, where a floor of the square has one of 0.
    floor = epsilon**2
    query_norm = ops.sqrt(ops.maximum(ops.sum(query * query, axis=-1), floor))  # (B, T)
    key_norm = ops.sqrt(ops.maximum(ops.sum(keys * keys, axis=-1), floor))  # (B, S)
    return dot_scores(query, keys) / (query_norm[:, :, None] * key_norm[:, None] + epsilon)


def location_scores(query, *, kernel, source_length):
    """Returns a score for each position from the query alone, whatever stands there.

        scores[b, t, s] = query[b, t] @ kernel[:, s]

    Args:
        query: `(B, T, Dq)`.
        kernel: `(Dq, L)`, `W_a` in the paper; L is the longest source.
        source_length: S, at most L.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), equation 8, "location".
    """
    return ops.matmul(query, kernel)[:, :, :source_length]


def _times(x, kernel):
    """Returns `x` `(..., D)` times `kernel` `(D, A)`, as one product of two matrices.

    `ops.matmul` of other ranks (keras 3.15 on TensorFlow) has a gradient that XLA does not compile
    within a loop, and `ops.einsum` one that is slow: a product a row, and their sum.
    """
    rows = ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel)
    return ops.reshape(rows, (*ops.shape(x)[:-1], kernel.shape[-1]))
