"""Attention with its parameters: the functions of this package, chosen by a configuration."""

from typing import Any, NamedTuple

import keras
from keras import ops

from zoo.attention import normalizers, scores, selection, windows
from zoo.attention.attend import attend
from zoo.config import AttentionConfig

_NORMALIZERS = {
    "softmax": normalizers.masked_softmax,
    "sparsemax": normalizers.sparsemax,
    "none": normalizers.unnormalized,
}


class Attended(NamedTuple):
    """What queries `(B, T, Dq)` got from a source."""

    context: Any  # (B, T, Dk)
    weights: Any  # (B, T, S), by which the context was summed
    probabilities: Any  # (B, T, S), from which hard attention selected; else the weights


class Attention(keras.layers.Layer):
    """Queries that attend to the states of a source.

    Args:
        config: Which score, normalizer, window and selection.
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
        self._query_width = query_width
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
        self._seed = None
        if config.selection != "soft":
            self._seed = keras.random.SeedGenerator()
        self.built = True

    def project_keys(self, source_states):
        """Returns what scores read of the source states `(B, S, Dk)` and no query changes.

        `(B, S, A)`, once for all steps, with additive and concat scores; None with the others.
        """
        if self.config.score not in ("additive", "concat"):
            return None
        return ops.matmul(source_states, self._key_kernel())

    def draws(self, batch_size, num_queries, source_length):
        """Returns what a training step draws for hard attention, to be handed to `call`.

        Returns:
            A dict: `noise` `(B, T, S)` and, for `hard`, `is_sampled`, a scalar boolean for the
            whole batch (Xu et al., section 4.1). Empty for soft attention.
        """
        if self._seed is None:
            return {}
        shape = (batch_size, num_queries, source_length)
        draws = {"noise": selection.gumbel_noise(shape, seed=self._seed)}
        if self.config.selection == "hard":
            coin = keras.random.uniform((), seed=self._seed)
            draws["is_sampled"] = coin < self.config.sampled_share
        return draws

    # Not `mask`: Keras would take that for the query's and hand it on with the context.
    def call(
        self, query, source_states, *, source_mask, positions, source_keys=None, draws=None
    ) -> Attended:
        """Returns the context, the weights and the probabilities behind them.

        Args:
            query: `(B, T, Dq)`. Decoder states.
            source_states: `(B, S, Dk)`. The keys, which are the values too.
            source_mask: `(B, S)`, True at real tokens.
            positions: `(T,)` int32, the queries' positions in the target, from 0.
            source_keys: What `project_keys` gave for `source_states`; None computes it.
            draws: What `draws` gave, in training; without, the most probable position is selected.
        """
        normalize = _NORMALIZERS[self.config.normalizer]
        source_length = ops.shape(source_states)[1]
        mask = source_mask[:, None]  # (B, 1, S)
        centers = self._centers(query, mask, positions)
        if centers is not None:
            window = {"source_length": source_length, "half_width": self.config.half_width}
            mask = ops.logical_and(mask, windows.window_mask(centers, **window))  # (B, T, S)
            if self.config.window == "local_p":
                normalize = _times(normalize, windows.gaussian(centers, **window))
        scores = self._scores(query, source_states, source_keys)
        if self.config.selection == "soft":
            context, weights = attend(scores, source_states, mask, normalize=normalize)
            return Attended(context, weights, weights)
        probabilities = normalize(scores, mask)
        weights = self._select(probabilities, draws)
        return Attended(ops.matmul(weights, source_states), weights, probabilities)

    def _select(self, probabilities, draws):
        """Returns the weights of hard attention, `(B, T, S)`."""
        if not draws:
            return selection.most_probable(probabilities)
        if self.config.selection == "gumbel":
            return selection.straight_through_sampled(
                probabilities, temperature=self.config.temperature, noise=draws["noise"]
            )
        drawn = selection.sampled(probabilities, noise=draws["noise"])
        return ops.where(draws["is_sampled"], drawn, probabilities)

    def _scores(self, query, source_states, source_keys):
        if self.config.score == "location":
            return scores.location_scores(
                query, **self._score_weights, source_length=ops.shape(source_states)[1]
            )
        if self.config.score in ("additive", "concat"):
            if source_keys is None:
                source_keys = self.project_keys(source_states)
            return scores.additive_scores(
                query,
                source_keys,
                query_kernel=self._query_kernel(),
                key_kernel=None,
                vector=self._score_weights["vector"],
            )
        score = {
            "dot": scores.dot_scores,
            "scaled_dot": scores.scaled_dot_scores,
            "general": scores.general_scores,
            "cosine": scores.cosine_scores,
        }[self.config.score]
        return score(query, source_states, **self._score_weights)

    def _query_kernel(self):
        if self.config.score == "additive":
            return self._score_weights["query_kernel"]
        return self._score_weights["kernel"][: self._query_width]

    def _key_kernel(self):
        if self.config.score == "additive":
            return self._score_weights["key_kernel"]
        return self._score_weights["kernel"][self._query_width :]

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
