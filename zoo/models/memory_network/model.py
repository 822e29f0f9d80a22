"""The memory network as a model: a story, a question, and the logits of the answer."""

import functools
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from zoo import attention
from zoo.models.memory_network.config import MemoryNetworkConfig
from zoo.models.story_task import require_room, words_alone
from zoo.text.tokenizer import END_ID, PAD_ID

INITIAL_STDDEV = 0.1  # of every weight; section 4.2


class MemoryNetwork(keras.Model):
    """Sentences in a memory that a question asks several times.

    For words x_ij of sentence i, words q_j of the question, and hops k = 1 to K:

        u[1] = sum over j of l[j] * B q[j]
        m[i] = sum over j of l[j] * A[k] x[i, j] + T_A[k](i)          what hop k matches by
        c[i] = sum over j of l[j] * C[k] x[i, j] + T_C[k](i)          what it reads
        p = softmax over i of u[k] . m[i]                             (1)
        o = sum over i of p[i] c[i]                                   (2)
        u[k + 1] = u[k] + o                                           (4)
        answer = softmax(W u[K + 1])                                  (3)

    T(i) is the vector of the time of sentence i: how many sentences came after it. Padding, and
    words that the tokenizer does not know, are zeros; what is all padding is no sentence, and has
    no weight. A story without sentences gives o = 0.

    `tying` says which of A, B, C and W are one table:

        adjacent:   A[k + 1] = C[k], B = A[1], W = C[K], and the same of T
        layer_wise: A[k] = A and C[k] = C, with u[k + 1] = H u[k] + o
        none:       each its own

    With `empty_places`, those of the `max_sentences` places that have no sentence add exp(0) each
    to the sum under p, and nothing to o.

    With `key_value`, u[k + 1] = R[k] (u[k] + o) in place of (4), and of H.

    Called with a dict of `story` `(B, M, L)` and `question` `(B, Q)` int32, it returns the logits
    `(B, V)`; those of special tokens are -1e9, for they answer nothing. It may hold more:

        times   `(B, M)` int32, 0 to max_sentences - 1, in place of the counted ones
        values  `(B, M, L)` int32, with `key_value`: what is read where the story is matched
        places  `(B, M)` int32: the story is then `(U, L)`, sentences to take from, so that one
                that stands in many stories is embedded once; a place without one names a row of
                padding

    Source: Sukhbaatar et al., 2015 (arXiv:1503.08895), whose equation numbers these are; section
    4.1 on l and T. R is from Miller et al., 2016 (arXiv:1606.03126), section 3.1.

    Args:
        config: Its sizes and choices.
    """

    def __init__(self, config: MemoryNetworkConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        # For the start of a training: the memory is summed by the scores themselves (section 4.2).
        self.linear = False

    def build(self, input_shape=None):
        """Builds all weights; the configuration alone decides the shapes."""
        config = self.config
        self.roles = roles_of_tables(config)
        self.words = {
            name: self._weight(f"words_{name}", config.vocab_size) for name in self.roles.tables
        }
        self.times = {
            name: self._weight(f"times_{name}", config.max_sentences)
            for name in (self.roles.memories if config.temporal else ())
        }
        # Transposed: H of all hops, or R of each.
        if config.key_value:
            self.kernels = [self._weight(f"kernel_{k}", config.width) for k in range(config.hops)]
        elif config.tying == "layer_wise":
            self.kernels = [self._weight("kernel", config.width)] * config.hops
        else:
            self.kernels = [None] * config.hops
        self.built = True

    def call(self, inputs):
        """Returns the logits `(B, V)`, by products whose gradients are fast; see the class."""
        return self._answer(inputs, self._by_bags)[0]

    def answer(self, inputs, row_tables=None):
        """Returns the logits `(B, V)` and the weights of each hop over the memory `(B, K, M)`.

        Args:
            inputs: As `call` takes them.
            row_tables: What `row_tables()` returned, if it was called before.
        """
        return self._answer(inputs, self._by_rows(row_tables))

    def row_tables(self) -> dict:
        """Returns what `answer` reads of the tables, side by side, for one gather and one sum.

        memories  `(J * V, N * D)`, of the N tables of `roles.memories`: row j * V + v is word v
                  at place j of a sentence, weighted
        question  `(J * V, D)`, of the question's table
        times     `(M, N * D)`, of the tables of times
        """
        roles = self.roles
        found = {
            "memories": self._weighted_rows(roles.memories),
            "question": self._weighted_rows((roles.question,)),
        }
        if self.config.temporal:
            found["times"] = self._side_by_side(self.times, roles.memories)
        return found

    def _answer(self, inputs, embedder):
        roles = self.roles
        keys, values, filled, summed = self.remember(inputs, embedder)
        normalize = attention.masked_softmax
        if self.linear:
            normalize = attention.unnormalized
        elif self.config.empty_places:
            count = ops.sum(ops.cast(filled, "float32"), axis=1)[:, None, None]
            empty = self.config.max_sentences - count
            normalize = functools.partial(attention.softmax_beside_empty, empty=empty)
        state = embedder("question", inputs["question"])[roles.question]  # (B, D), u in the paper
        weights = []
        for match, read, kernel in zip(roles.match, roles.read, self.kernels, strict=True):
            scores = attention.dot_scores(state[:, None], keys[match])
            if summed is None:
                context, hop_weights = attention.attend(
                    scores, values[read], filled, normalize=normalize
                )
            else:
                found, hop_weights = attention.attend(
                    attention.dot_scores(scores, summed), summed, filled, normalize=normalize
                )
                context = ops.matmul(found, values[read])
            state = self._update(state, ops.squeeze(context, axis=1), kernel)
            weights.append(hop_weights)
        logits = ops.matmul(state, ops.transpose(self.words[roles.answer]))
        return words_alone(logits), ops.concatenate(weights, axis=1)

    def remember(self, inputs, embedder=None):
        """Returns what hops match by, what they read, where there is a sentence, what is summed.

        The first two hold m and c of the paper, `(B, M, D)`, by the names of their tables. The
        third is `(B, M)` bool, the fourth None.

        With `places` a memory is the sum of two vectors, of its sentence and of its time, that many
        share. The first two are then these vectors, `(N, D)`, and the fourth is which of them each
        memory sums, `(B, M, N)`, 0 or 1.

        Args:
            inputs: As `call` takes them.
            embedder: From sentences `(..., L)`, and times of their shape or None, to their vectors
                `(..., D)` by the names of tables: those of the first argument, `memories` or
                `question`. By default by rows.
        """
        embedder = embedder or self._by_rows()
        story, places = inputs["story"], inputs.get("places")
        filled = ops.any(ops.not_equal(story, PAD_ID), axis=-1)
        if places is not None:
            filled = ops.take(filled, places, axis=0)
        room = self.config.max_sentences
        require_room(filled.shape[1], room)
        times = inputs["times"] if "times" in inputs else _times(filled)

        def memories(sentences):
            if not self.config.temporal:
                return embedder("memories", sentences)
            if places is None:
                return embedder("memories", sentences, times)
            return {
                name: ops.concatenate([vectors, self.times[name]], axis=0)
                for name, vectors in embedder("memories", sentences).items()
            }

        summed = None
        if places is not None:
            # Not gathered: the gradient of a gather is a scatter, most of a training's time.
            summed = _one_hot(places, ops.shape(story)[0])
            if self.config.temporal:
                summed = ops.concatenate([summed, _one_hot(times, room)], axis=-1)
        if "values" in inputs:
            return memories(story), memories(inputs["values"]), filled, summed
        both = memories(story)
        return both, both, filled, summed

    def _update(self, state, context, kernel):
        if self.config.key_value:
            state = ops.matmul(state + context, kernel)
        elif kernel is not None:
            state = ops.matmul(state, kernel) + context
        else:
            state = state + context
        return ops.relu(state) if self.config.nonlinear else state

    # A sentence is the sum over j of l[j] * table x[j], `(..., D)`. The weight l[k, j] of component
    # k depends on the position as r[j] + s[k] t[j], so it is two sums, weighted by r and by t.

    def _by_bags(self, role, sentences, times=None):
        """Embeds weighted bags of words, the same for every table, by a product of matrices.

        Vocabularies of hundreds of words are what it is for. Its gradient is a product too, where
        that of a table's rows is a scatter, most of a training's time.
        """
        weights = position_weights(sentences, self.config)  # (..., W, L)
        one_hot = ops.one_hot(sentences, self.config.vocab_size)  # (..., L, V)
        bags = ops.matmul(weights, one_hot)  # (..., W, V)
        bags = [bags[..., index, :] for index in range(weights.shape[-2])]
        # A product each, not one that is cut in two: the gradient of a cut is slow.
        found = {
            name: self._sum([ops.matmul(bag, self.words[name]) for bag in bags])
            for name in self._tables(role)
        }
        if times is not None:
            found = {
                name: x + ops.take(self.times[name], times, axis=0) for name, x in found.items()
            }
        return found

    def _by_rows(self, row_tables=None):
        """Returns what embeds by rows of `row_tables`, the fastest way without a gradient."""
        row_tables = self.row_tables() if row_tables is None else row_tables

        def embed(role, sentences, times=None):
            names, words = self._tables(role), self.config.vocab_size
            table = ops.convert_to_tensor(row_tables[role])
            # What is beyond the longest sentence is padding, zeros at every place.
            place = ops.minimum(ops.arange(ops.shape(sentences)[-1]), table.shape[0] // words - 1)
            rows = ops.take(table, sentences + place * words, axis=0)  # (..., L, N * D)
            if self.config.encoding == "position":
                rows = self._word_weights(sentences, len(names)) * rows
            vectors = ops.sum(rows, axis=-2)
            if times is not None:
                table = ops.convert_to_tensor(row_tables["times"])
                vectors = vectors + ops.take(table, times, axis=0)
            return dict(zip(names, ops.split(vectors, len(names), axis=-1), strict=True))

        return embed

    def _weighted_rows(self, names):
        """Returns tables `(J * V, N * D)` as `row_tables` says; J is 1 where l tells nothing yet.

        That is with `bag`, and with `position`, whose weights depend on a sentence's length.
        """
        config = self.config
        is_word = ops.cast(ops.arange(config.vocab_size) > END_ID, "float32")
        table = self._side_by_side(self.words, names) * is_word[:, None]
        if config.encoding != "spread_position":
            return table
        longest = max(config.max_sentence_length, config.max_question_length)
        weights = self._word_weights(np.full(longest, END_ID + 1), len(names))  # (J, N * D)
        return ops.reshape(weights[:, None] * table, (-1, table.shape[-1]))

    def _word_weights(self, sentences, tables):
        """Returns l of every word of sentences `(..., L)`, `(..., L, tables * D)`."""
        parts = position_weights(sentences, self.config)
        parts = [parts[..., index, :, None] for index in range(parts.shape[-2])]
        return self._sum(parts, tables)

    def _side_by_side(self, tables, names):
        return ops.concatenate([tables[name] for name in names], axis=-1)

    def _tables(self, role):
        return self.roles.memories if role == "memories" else (self.roles.question,)

    def _sum(self, parts, tables=1):
        """Returns the first of `parts` and the second, if there is one, times s of each table."""
        if self.config.encoding == "bag":
            return parts[0]
        return parts[0] + np.tile(component_slopes(self.config), tables) * parts[1]

    def _weight(self, name: str, rows: int):
        return self.add_weight(
            name=name,
            shape=(rows, self.config.width),
            initializer=keras.initializers.RandomNormal(stddev=INITIAL_STDDEV),
        )


def position_weights(sentences, config: MemoryNetworkConfig):
    """Returns the weights r and t of each word of sentences `(..., L)`, `(..., W, L)` float32.

    They and the slopes s of `component_slopes` are the position encoding (section 4.1):

        bag:              l[k, j] = 1
        position:         l[k, j] = (1 - j / J) - (k / d) (1 - 2 j / J)
        spread_position:  l[k, j] = 1 + 4 (k - (d + 1) / 2) (j - (J + 1) / 2) / (d J)

    with l[k, j] = r[j] + s[k] t[j]. j counts words from 1 and k components from 1 to d. J is how
    many words the sentence has; in the last form, which is that of the authors' code, one more than
    a sentence or question may have at most, whatever the sentence. W is 1 for `bag`, which has no
    t. Padding and unknown words weigh 0.
    """
    known = ops.cast(sentences > END_ID, "float32")[..., None, :]  # (..., 1, L)
    if config.encoding == "bag":
        return known
    place = 1.0 + ops.arange(ops.shape(sentences)[-1], dtype="float32")  # j, (L,)
    if config.encoding == "position":
        length = ops.sum(ops.cast(ops.not_equal(sentences, PAD_ID), "float32"), axis=-1)
        part = place / ops.maximum(length, 1.0)[..., None]  # (..., L)
        weights = ops.stack([1 - part, 1 - 2 * part], axis=-2)
    else:
        longest = max(config.max_sentence_length, config.max_question_length) + 1
        weights = ops.stack([ops.ones_like(place), (place - (longest + 1) / 2) / longest], axis=-2)
    return weights * known


def component_slopes(config: MemoryNetworkConfig) -> np.ndarray:
    """Returns s of `position_weights`, `(D,)` float32."""
    component = np.arange(1, config.width + 1)  # k
    if config.encoding == "position":
        return (-component / config.width).astype("float32")
    return (4 * (component - (config.width + 1) / 2) / config.width).astype("float32")


@dataclass(frozen=True)
class Roles:
    """Which table, by name, serves as which of the paper's matrices."""

    question: str  # B
    match: tuple[str, ...]  # A of each hop
    read: tuple[str, ...]  # C of each hop
    answer: str  # W

    @property
    def memories(self) -> tuple[str, ...]:
        """The tables that embed the story, each once."""
        return tuple(dict.fromkeys((*self.match, *self.read)))

    @property
    def tables(self) -> tuple[str, ...]:
        """All tables, each once."""
        return tuple(dict.fromkeys((self.question, *self.memories, self.answer)))


def roles_of_tables(config: MemoryNetworkConfig) -> Roles:
    """Returns the tables of a configuration (section 2.2)."""
    hops = range(config.hops)
    if config.tying == "adjacent":
        names = [str(k) for k in range(config.hops + 1)]
        return Roles(names[0], tuple(names[:-1]), tuple(names[1:]), names[-1])
    if config.tying == "layer_wise":
        return Roles("question", ("match",) * config.hops, ("read",) * config.hops, "answer")
    return Roles(
        "question",
        tuple(f"match_{k}" for k in hops),
        tuple(f"read_{k}" for k in hops),
        "answer",
    )


def _one_hot(indices, count):
    """Returns where each index is, `(..., count)` float32; `ops.one_hot` takes no open count."""
    return ops.cast(ops.equal(indices[..., None], ops.arange(count, dtype="int32")), "float32")


def _times(filled):
    """Returns how many sentences come after each place of `filled` `(B, M)`, int32."""
    counts = ops.cast(filled, "int32")
    return ops.sum(counts, axis=1, keepdims=True) - ops.cumsum(counts, axis=1)
