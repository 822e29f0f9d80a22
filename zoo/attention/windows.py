"""Which part of the source a query looks at: local attention.

Luong, Pham and Manning, 2015 (arXiv:1508.04025), section 3.2. Source positions s count from 0; D is
the window's half width, a configuration's number.
"""

from keras import ops


def monotonic_centers(positions):
    """Returns the centers of local-m, `(1, T)` float32: p_t = t, source and target in step.

    Args:
        positions: `(T,)` integers, the queries' positions in the target, from 0.
    """
    return ops.cast(positions, "float32")[None]


def predicted_centers(query, *, kernel, vector, source_lengths):
    """Returns the centers of local-p, `(B, T)`: real numbers between 0 and the source's length.

        p[b, t] = source_lengths[b] * sigmoid(vector . tanh(query[b, t] @ kernel))

    Args:
        query: `(B, T, Dq)`.
        kernel: `(Dq, A)`, `W_p` in the paper.
        vector: `(A,)`, `v_p` in the paper.
        source_lengths: `(B,)` int32, tokens without padding, S in the paper.

    Source: equation 9.
    """
    hidden = ops.tanh(ops.matmul(query, kernel))  # (B, T, A)
    fraction = ops.sigmoid(ops.sum(hidden * vector, axis=-1))  # (B, T)
    return ops.cast(source_lengths, fraction.dtype)[:, None] * fraction


def window_mask(centers, *, source_length, half_width):
    """Returns `(B, T, S)`, True at the source positions within `half_width` of a center.

    Args:
        centers: `(B, T)`.
        source_length: S.
        half_width: D, at least 0; the window [p - D, p + D] holds both its ends.
    """
    return ops.abs(_distances(centers, source_length)) <= half_width


def gaussian(centers, *, source_length, half_width):
    """Returns `(B, T, S)`, 1 at a center and less away from it: what local-p multiplies weights by.

        exp(-(s - p)^2 / (2 sigma^2)), sigma = D / 2

    The products are not normalized again. They are how gradients reach the centers.

    Args:
        centers: `(B, T)`, real numbers.
        source_length: S.
        half_width: D, above 0.

    Source: equation 10.
    """
    sigma = half_width / 2
    distances = _distances(centers, source_length)
    return ops.exp(-(distances * distances) / (2 * sigma * sigma))


def _distances(centers, source_length):
    """Returns s - p, `(B, T, S)`."""
    return ops.arange(source_length, dtype=centers.dtype) - centers[:, :, None]
