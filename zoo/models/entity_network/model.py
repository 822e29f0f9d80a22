"""The entity network as a model: a story, a question, and the logits of the answer."""

import math

import keras
from keras import ops

from zoo import attention
from zoo.layers.dropout import Dropout
from zoo.layers.recurrent import FunctionCell
from zoo.models.entity_network.config import EntityNetworkConfig
from zoo.models.story_task import require_room, words_alone
from zoo.text.tokenizer import END_ID, PAD_ID

INITIAL_STDDEV = 0.1  # of every weight that does not start as ones
_SMALL = 1e-8  # added to a square before its root


class EntityNetwork(keras.Model):
    """Slots that each follow something in a story, and change when a sentence is about it.

    For words x_i of a sentence, words q_i of the question, and slots j = 1 to S, from h_j = w_j:

        s = sum over i of f_i * E x_i                                 (1)
        g_j = sigmoid(s . h_j + s . w_j)                              (2)
        c_j = phi(U h_j + V w_j + W s)                                (3)
        h_j <- h_j + g_j c_j                                          (4)
        h_j <- h_j / |h_j|                                            (5)

    sentence by sentence; and then

        q = sum over i of f'_i * E q_i
        p_j = softmax over j of q . h_j,   u = sum over j of p_j h_j
        answer = softmax(R phi(q + H u))                              (6)

    phi(x) is x where it is positive and a * x elsewhere, with a learned a that starts as 1, so that
    phi starts as the identity; the memory and the answer have their own. Padding, and words that
    the tokenizer does not know, are zeros; what is all padding is no sentence and changes nothing.
    After a story without sentences h_j is w_j. With `biases`, (2) has a number of the slot's own
    added in its parentheses, and (3) a vector.

    With several `networks` each has all of these weights for itself, and a story and its question
    are answered by one: the first that maximizes C a + D b + e, where a tells which words the story
    has and b which the question.

    Called with a dict of `story` `(B, M, L)` and `question` `(B, Q)` int32, it returns the logits
    `(B, V)`; those of special tokens are -1e9, for they answer nothing. A story that is asked K
    times while it is told is read once: `question` is then `(B, K, Q)`, `told` `(B, K)` int32 says
    after how many sentences, and the logits are `(B, K, V)`.

    Source: Henaff, Weston, Szlam, Bordes and LeCun, 2017 (arXiv:1612.03969), whose symbols and
    equation numbers these are. Deviation: several networks and the choice among them; the paper
    has one training a task, and is told the task. In training, words may be left out.

    Args:
        config: Its sizes and choices.
    """

    def __init__(self, config: EntityNetworkConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.word_dropout = Dropout(config.word_dropout, name="word_dropout")

    def build(self, input_shape=None):
        """Builds all weights; the configuration alone decides the shapes.

        Those of the networks, `parts`, have the axis of the networks first.
        """
        config = self.config
        width, words = config.width, config.vocab_size
        shapes = {
            "words": (words, width),  # E
            "keys": (config.slots, width),  # w
            "from_slot": (width, width),  # U, transposed, as the next three
            "from_key": (width, width),  # V
            "from_sentence": (width, width),  # W
            "from_memory": (width, width),  # H
            "answers": (words, width),  # R
        }
        if config.biases:
            shapes["gate_bias"] = (config.slots,)
            shapes["candidate_bias"] = (width,)
        ones = {}
        if config.encoding == "position":
            ones["sentence_mask"] = (config.max_sentence_length, width)  # f
            ones["question_mask"] = (config.max_question_length, width)  # f'
        if config.activation == "prelu":
            ones["memory_slope"] = ones["answer_slope"] = (width,)  # a
        self.parts = {}
        for name, shape in (shapes | ones).items():
            initializer = "ones"
            if name in shapes:
                # One for each weight: an initializer draws the same numbers whenever it is called.
                initializer = keras.initializers.RandomNormal(stddev=INITIAL_STDDEV)
            self.parts[name] = self.add_weight(
                name=name, shape=(config.networks, *shape), initializer=initializer
            )
        self.choice = {}
        if config.networks > 1:
            self.choice = {
                name: self.add_weight(name=name, shape=shape, initializer="zeros")
                for name, shape in {
                    "choice_by_story": (words, config.networks),  # C, transposed, as the next
                    "choice_by_question": (words, config.networks),  # D
                    "choice_bias": (config.networks,),  # e
                }.items()
            }
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits; see the class."""
        story, question, told = inputs["story"], inputs["question"], inputs.get("told")
        if told is None:
            return self.answer(inputs, training=training)["logits"]
        parts = self._parts({"story": story, "question": question})
        states = self._read(story, parts, training=training, keep="states")[0]  # (B, M, S, D)
        (size, count), asked, of_slots = ops.shape(states)[:2], ops.shape(told)[1], states.shape[2:]
        # By a product, not a gather, whose gradient is slow where it cannot be fused.
        after = ops.equal(told[..., None] - 1, ops.arange(count, dtype="int32"))  # (B, K, M)
        flat = ops.reshape(states, (size, count, math.prod(of_slots)))
        slots = ops.matmul(ops.cast(after, flat.dtype), flat)
        slots = ops.reshape(slots, (size, asked, *of_slots))  # (B, K, S, D)
        untold = ops.cast(told == 0, slots.dtype)[..., None, None]
        slots = slots + untold * parts["keys"][:, None]
        return self._ask(self._question(question, parts, training), slots, parts)[0]

    def answer(self, inputs, training=False) -> dict:
        """Returns what there is to know of an answer.

        logits  (B, V)
        gates   (B, S, M), g of each slot at each sentence, 0 to 1, 0 at padding
        reads   (B, S), p: what the question read of each slot
        """
        story, question = inputs["story"], inputs["question"]
        parts = self._parts(inputs)
        gates, slots = self._read(story, parts, training=training, keep="gates")
        query = self._question(question[:, None], parts, training)
        logits, reads = self._ask(query, slots[:, None], parts)
        return {
            "logits": logits[:, 0],
            "gates": ops.swapaxes(gates, 1, 2),
            "reads": reads[:, 0],
        }

    def choose(self, inputs):
        """Returns how well each network suits a story and a question `(B, networks)`."""
        story, question = inputs["story"], inputs["question"]
        scores = ops.matmul(words_in(story, self.config), self.choice["choice_by_story"])
        scores = scores + ops.matmul(
            words_in(question, self.config), self.choice["choice_by_question"]
        )
        return scores + self.choice["choice_bias"]

    def _parts(self, inputs) -> dict:
        """Returns the weights that answer, their first axis that of the batch, or 1 for all."""
        if self.config.networks == 1:
            return {name: ops.convert_to_tensor(part) for name, part in self.parts.items()}
        # Not an argmax, which has no operator in LiteRT's set.
        _, best = ops.top_k(self.choose(inputs), 1)
        return {
            name: ops.take(part, ops.squeeze(best, axis=-1), axis=0)
            for name, part in self.parts.items()
        }

    def _read(self, story, parts, *, training, keep):
        """Returns what `keep` says after each sentence, and the slots after the last `(B, S, D)`.

        `states`, `(B, M, S, D)`, are the slots; `gates`, `(B, M, S)`, how far they opened.
        """
        config = self.config
        require_room(story.shape[1], config.max_sentences)
        filled = ops.cast(ops.any(ops.not_equal(story, PAD_ID), axis=-1), "float32")  # (B, M)
        vectors = self._embed(story, parts, parts.get("sentence_mask"), training)  # (B, M, D)
        # All that a step needs of its sentence, for all sentences at once.
        by_gate = ops.matmul(vectors, ops.swapaxes(parts["keys"], 1, 2))
        if config.biases:
            by_gate = by_gate + parts["gate_bias"][:, None]
        by_sentence = ops.concatenate(
            [
                vectors,
                _product(vectors, parts["from_sentence"]),
                by_gate,
                filled[..., None],
            ],
            axis=-1,
        )  # (B, M, 2 D + S + 1)
        by_key = _product(parts["keys"], parts["from_key"])  # (1 or B, S, D)
        if config.biases:
            by_key = by_key + parts["candidate_bias"][:, None]
        width, slots = config.width, config.slots
        ones = ops.ones((1, width, 1))

        def step(x, states):
            [slot] = states  # (B, S, D)
            vector, candidate = x[:, :width, None], x[:, None, width : 2 * width]
            match, goes_on = x[:, 2 * width : 2 * width + slots], x[:, 2 * width + slots :]
            match = match + ops.squeeze(ops.matmul(slot, vector), axis=-1)
            gate = ops.sigmoid(match) * goes_on  # (B, S)
            candidate = candidate + by_key + _product(slot, parts["from_slot"])
            changed = slot + gate[..., None] * _phi(candidate, parts.get("memory_slope"))
            if config.normalize:
                # By a product: XLA adds up the last axis one number at a time.
                square = _product(changed * changed, ones)
                changed = changed * ops.rsqrt(square + _SMALL)
            # An untouched slot is kept as it is: at the start it is not of length 1.
            new = ops.where(goes_on[..., None] > 0, changed, slot)
            return new if keep == "states" else gate, [new]

        size = ops.shape(story)[0]
        layer = keras.layers.RNN(
            FunctionCell(step, [(slots, width)]), return_sequences=True, return_state=True
        )
        first = ops.broadcast_to(parts["keys"], (size, slots, width))
        return layer(by_sentence, initial_state=[first])

    def _question(self, question, parts, training):
        """Returns questions `(B, K, Q)` as vectors `(B, K, D)`."""
        return self._embed(question, parts, parts.get("question_mask"), training)

    def _ask(self, query, slots, parts):
        """Returns logits `(B, K, V)` and weights `(B, K, S)` of queries over their slots.

        Args:
            query: `(B, K, D)`.
            slots: `(B, K, S, D)`.
            parts: As `_parts` returned them.
        """
        scores = ops.squeeze(ops.matmul(slots, query[..., None]), axis=-1)
        weights = attention.masked_softmax(scores)
        read = ops.squeeze(ops.matmul(weights[..., None, :], slots), axis=-2)  # (B, K, D), u
        hidden = query + _product(read, parts["from_memory"])
        hidden = _phi(hidden, parts.get("answer_slope"))
        logits = _product(hidden, ops.swapaxes(parts["answers"], 1, 2))
        return words_alone(logits), weights

    def _embed(self, sentences, parts, mask, training):
        """Returns the masked sum of the words of sentences `(B, M, L)`, `(B, M, D)`."""
        known = ops.cast(sentences > END_ID, "float32")[..., None]
        known = self.word_dropout(known, training=training)
        if training:
            # By a product: the gradient of a gather is a scatter, slow where it cannot be fused.
            one_hot = ops.one_hot(sentences, self.config.vocab_size)  # (B, M, L, V)
            words = _product(one_hot, parts["words"])
        else:
            words = _taken(parts["words"], sentences)  # (B, M, L, D)
        words = words * known
        if mask is not None:
            words = words * mask[:, None, : ops.shape(sentences)[-1]]
        return ops.sum(words, axis=-2)


def _phi(x, slope):
    """Returns x where it is positive and `slope` `(1 or B, D)` times x elsewhere."""
    if slope is None:
        return x
    # Not by a maximum and a minimum, whose gradients share what is equal and take twice as long.
    return ops.where(x > 0, x, slope[:, None] * x)


def _product(x, kernel):
    """Returns `x` `(B, ..., D)` times `kernel` `(1 or B, D, E)`, `(B, ..., E)`."""
    if kernel.shape[0] == 1:  # one product of matrices, not one a row
        flat = ops.matmul(ops.reshape(x, (-1, kernel.shape[1])), kernel[0])
        return ops.reshape(flat, (*ops.shape(x)[:-1], kernel.shape[2]))
    for _ in range(len(x.shape) - 3):
        kernel = kernel[:, None]
    return ops.matmul(x, kernel)


def _taken(table, ids):
    """Returns the rows of `table` `(1 or B, V, D)` that `ids` `(B, ...)` name, `(B, ..., D)`."""
    if table.shape[0] == 1:
        return ops.take(table[0], ids, axis=0)
    words, width = table.shape[1:]
    first = ops.arange(ops.shape(ids)[0]) * words
    first = ops.reshape(first, (-1,) + (1,) * (len(ids.shape) - 1))
    return ops.take(ops.reshape(table, (-1, width)), ids + first, axis=0)


def words_in(sentences, config: EntityNetworkConfig):
    """Returns 1 for each word of the vocabulary that is in `sentences` `(B, ...)`, `(B, V)`."""
    flat = ops.reshape(sentences, (ops.shape(sentences)[0], -1))
    # Special tokens have numbers below those of words, and no weight.
    found = ops.max(ops.one_hot(flat, config.vocab_size), axis=1)
    return found * ops.cast(ops.arange(config.vocab_size) > END_ID, found.dtype)
