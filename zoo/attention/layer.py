"""Attention with its parameters: the functions of this package, chosen by a configuration."""

import keras
from keras import ops

from zoo.attention import normalizers, scores, windows
from zoo.attention.attend import attend
from zoo.config import AttentionConfig

_NORMALIZERS = {
    "softmax": normalizers.masked_softmax,
    "sparsemax": normalizers.sparsemax,
    "none": normalizers.unnormalized,
}


class Attention(keras.layers.Layer):
    """Queries that attend to the states of a source.

    Args:
        config: Which score, normalizer and window.
        query_width: Dq.
        key_width: Dk; dot, scaled dot and cosine scores need it equal to Dq.
        max_source_length: The longest source, for location scores.

    Raises:
        ValueError: If the score cannot compare queries and keys of these widths.
    """

    def __init__(
        self,
        config: AttentionConfig,
        *,
        query_width: int,
        key_width: int,
        max_source_length: int,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if config.score in ("dot", "scaled_dot", "cosine") and query_width != key_width:
            raise ValueError(
                f"The score {config.score!r} needs queries as wide as keys. Received: "
                f"query_width={query_width}, key_width={key_width}."
            )
        self.config = config
        shapes = {
            "general": {"kernel": (query_width, key_width)},
            "additive": {
                "query_kernel": (query_width, config.units),
                "key_kernel": (key_width, config.units),
                "vector": (config.units,),
            },
            "concat": {
                "kernel": (query_width + key_width, config.units),
                "vector": (config.units,),
            },
            "location": {"kernel": (query_width, max_source_length)},
        }
        self._score_weights = {
            name: self._weight(name, shape) for name, shape in shapes.get(config.score, {}).items()
        }
        self._center_weights = {}
        if config.window == "local_p":
            self._center_weights = {
                "kernel": self._weight("center_kernel", (query_width, config.units)),
                "vector": self._weight("center_vector", (config.units,)),
            }
        self.built = True

    # Not `mask`: Keras would take that for the query's and hand it on with the context.
    def call(self, query, keys, *, source_mask, positions):
        """Returns the context `(B, T, Dk)` and the weights `(B, T, S)`.

        Args:
            query: `(B, T, Dq)`. Decoder states.
            keys: `(B, S, Dk)`. The source's states, which are the values too.
            source_mask: `(B, S)`, True at real tokens.
            positions: `(T,)` int32, the queries' positions in the target, from 0.
        """
        normalize = _NORMALIZERS[self.config.normalizer]
        source_length = ops.shape(keys)[1]
        mask = source_mask[:, None]  # (B, 1, S)
        centers = self._centers(query, mask, positions)
        if centers is not None:
            window = {"source_length": source_length, "half_width": self.config.half_width}
            mask = ops.logical_and(mask, windows.window_mask(centers, **window))  # (B, T, S)
            if self.config.window == "local_p":
                normalize = _times(normalize, windows.gaussian(centers, **window))
        return attend(self._scores(query, keys), keys, mask, normalize=normalize)

    def _scores(self, query, keys):
        if self.config.score == "location":
            return scores.location_scores(
                query, **self._score_weights, source_length=ops.shape(keys)[1]
            )
        score = {
            "dot": scores.dot_scores,
            "scaled_dot": scores.scaled_dot_scores,
            "general": scores.general_scores,
            "additive": scores.additive_scores,
            "concat": scores.concat_scores,
            "cosine": scores.cosine_scores,
        }[self.config.score]
        return score(query, keys, **self._score_weights)

    def _centers(self, query, mask, positions):
        """Returns the centers of the windows, `(B or 1, T)`, or None where attention is global."""
        if self.config.window == "global":
            return None
        if self.config.window == "local_m":
            return windows.monotonic_centers(positions)
        lengths = ops.sum(ops.cast(mask[:, 0], "int32"), axis=-1)
        return windows.predicted_centers(query, **self._center_weights, source_lengths=lengths)

    def _weight(self, name: str, shape: tuple[int, ...]):
        # A vector is a column: Glorot's bound for `(A,)` alone would count A as both fans.
        if len(shape) == 1:
            limit = (6 / (shape[0] + 1)) ** 0.5
            initializer = keras.initializers.RandomUniform(-limit, limit)
        else:
            initializer = "glorot_uniform"
        return self.add_weight(name=name, shape=shape, initializer=initializer)


def _times(normalize, factor):
    """Returns a normalizer whose weights are those of `normalize` times `factor`."""
    return lambda scores, mask: normalize(scores, mask) * factor
