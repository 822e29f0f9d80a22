"""How well each key answers each query, before masks and normalizers."""

from keras import ops


def dot_scores(query, keys):
    """Returns the dot product of each query with each key.

        scores[b, t, s] = query[b, t] . keys[b, s]

    Args:
        query: `(B, T, D)`. Decoder states, one per target position.
        keys: `(B, S, D)`. Encoder states.

    Returns:
        `(B, T, S)` in the dtype of `query`. Unmasked, unscaled and unbounded; pass to `attend`.

    Raises:
        ValueError: If the last axes of `query` and `keys` differ.

    Source: Luong, Pham and Manning, 2015 (arXiv:1508.04025), equation 8, "dot".
    """
    if query.shape[-1] != keys.shape[-1]:
        raise ValueError(
            f"query and keys must be equally wide. Received: query.shape={query.shape}, "
            f"keys.shape={keys.shape}."
        )
    return ops.matmul(query, ops.transpose(keys, (0, 2, 1)))
