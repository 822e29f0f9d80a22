"""The recurrent encoder-decoder: plain, peeky, or with attention.

Plain: Sutskever, Vinyals and Le, 2014 (arXiv:1409.3215). Peeky: Cho et al., 2014 (arXiv:1406.1078),
whose decoder reads the source's summary c at every step and in its output. Attention: `decoder.py`
has the orders of the literature. As in chapter 8 of "Deep Learning from Scratch 2", a linear
readout reads [context; state] without a layer between.
"""

import math

import keras
from keras import ops

from zoo import attention
from zoo.attention import selection
from zoo.layers import recurrent
from zoo.layers.embedding import TiedEmbedding
from zoo.models.seq2seq.config import Seq2SeqConfig
from zoo.models.seq2seq.decoder import Decoder
from zoo.models.seq2seq.readout import HiddenReadout, readout_input
from zoo.text.tokenizer import PAD_ID

_BASELINE_RATE = 0.1  # of its moving mean (arXiv:1502.03044, section 4.1)


class Seq2Seq(keras.Model):
    """A recurrent encoder and decoder.

    Shapes: B batch, S source length, T target length, D `units`, V `vocab_size`.

    Args:
        config: Its configuration.

    Call:
        inputs: A dict of `source` `(B, S)` and `target_inputs` `(B, T)`, int32 token ids padded at
            the end. `target_inputs` opens with the start token.
        Returns logits `(B, T, V)`: at position t for the token after `target_inputs[:, t]`.
    """

    def __init__(self, config: Seq2SeqConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        stack = {
            "cell": config.cell,
            "num_layers": config.num_layers,
            "dropout": config.dropout,
        }
        tied = config.tie_embeddings != "none"
        shared = config.share_parameters or config.tie_embeddings == "all"
        self.embedding = self._table("embedding", tied=tied and shared)
        self.encoder = recurrent.RecurrentEncoder(
            **stack,
            units=config.encoder_width,
            bidirectional=config.bidirectional,
            reverse=config.reverse_source,
            name="encoder",
        )
        if shared:
            self.target_embedding = self.embedding
        else:
            self.target_embedding = self._table("target_embedding", tied=tied)
        if config.share_parameters:
            self.decoder = self.encoder.forward_stacks[0]
        else:
            self.decoder = recurrent.RecurrentStack(**stack, units=config.units, name="decoder")
        self.first_cell = self.attention = self.initial_state = self.hidden_readout = None
        if config.order == "conditional":
            self.first_cell = keras.layers.GRUCell(config.units, name="first_cell")
        if config.context == "attention":
            self.attention = attention.Attention(
                config.attention,
                query_width=config.units,
                key_width=config.encoder_width,
                max_source_length=config.max_source_length,
                name="attention",
            )
        if config.initial_state != "last":
            self.initial_state = keras.layers.Dense(
                config.num_layers * config.units, activation="tanh", name="initial_state"
            )
        if config.readout != "linear":
            self.hidden_readout = HiddenReadout(config, name="hidden_readout")
        if tied:
            self.readout = self.target_embedding
        else:
            self.readout = keras.layers.Dense(config.vocab_size, name="readout")
        self.embedding_dropout = keras.layers.Dropout(config.embedding_dropout)
        self.context_dropout = keras.layers.Dropout(config.context_dropout)
        self.readout_dropout = keras.layers.Dropout(config.readout_dropout)
        self._decoder = Decoder(
            config,
            stack=self.decoder,
            attention=self.attention,
            first_cell=self.first_cell,
            hidden_readout=self.hidden_readout,
        )
        self.drawn = None  # what `compute_loss` needs of the last training call

    def _table(self, name: str, *, tied: bool):
        """Returns a layer that embeds tokens; a tied one scores them too."""
        config = self.config
        if tied:
            return TiedEmbedding(
                vocab_size=config.vocab_size, width=config.embedding_dim, name=name
            )
        return keras.layers.Embedding(config.vocab_size, config.embedding_dim, name=name)

    def build(self, input_shape=None):
        """Builds every layer; the configuration alone decides the shapes."""
        config = self.config
        embedding_dim = config.embedding_dim
        self.embedding.build((None, None))
        self.encoder.build((None, None, embedding_dim))
        if self.target_embedding is not self.embedding:
            self.target_embedding.build((None, None))
        if not config.share_parameters:
            self.decoder.build((None, None, config.cell_input_width))
        if self.first_cell is not None:
            self.first_cell.build((None, embedding_dim))
        if self.initial_state is not None:
            width = config.encoder_width
            self.initial_state.build(
                (None, width // 2 if config.initial_state == "backward" else width)
            )
        if self.hidden_readout is not None:
            self.hidden_readout.build()
        if self.readout is not self.target_embedding:
            if self.hidden_readout is None:
                self.readout.build((None, None, config.units + config.context_width))
            else:
                self.readout.build((None, None, config.readout_width))
        if config.context == "attention" and config.attention.selection == "hard":
            # Nats a token that drawn positions have cost of late; at first, what knowing nothing
            # costs. Saved with the weights, so that a resumed training goes on with it.
            self.baseline = self.add_weight(
                name="baseline",
                shape=(),
                initializer=keras.initializers.Constant(math.log(config.vocab_size)),
                trainable=False,
            )
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits of teacher forcing; see the class."""
        state = self.encode(inputs["source"], training=training)
        embedded = self._embed(self.target_embedding, inputs["target_inputs"], training)
        draws = {}
        if training and self.attention is not None:
            draws = self.attention.draws(*ops.shape(embedded)[:2], ops.shape(inputs["source"])[1])
        outputs = self._decoder.run(embedded, state, draws=draws, training=training)
        if "is_sampled" in draws:
            self.drawn = outputs["weights"], outputs["probabilities"], draws["is_sampled"]
        return self._read_out(outputs, embedded, training=training)

    def encode(self, source, training=False) -> dict:
        """Returns the state from which decoding starts, by name.

        `layer_<i>_h` and, for an LSTM, `layer_<i>_c` are `(B, D)`, of the decoder's layers; with
        input feeding, `fed` is the readout's last hidden layer. What the decoder only reads: peeky
        has `summary`, the encoder's last output; attention has `source_states` `(B, S, ...)`,
        `source_mask` `(B, S)` and, where a score projects its keys, `source_keys` `(B, S, A)`.
        """
        config = self.config
        mask = attention.padding_mask(source, pad_id=PAD_ID)
        embedded = self._embed(self.embedding, source, training)
        source_states, last_states = self.encoder(embedded, mask=mask, training=training)
        source_states = self.context_dropout(source_states, training=training)
        state = self._first_states(source_states, mask, last_states)
        if config.input_feeding:
            state["fed"] = ops.zeros((ops.shape(source)[0], config.readout_width))
        if config.context == "peeky":
            state["summary"] = last_states[-1][0]
        if config.context == "attention":
            state |= {"source_states": source_states, "source_mask": mask}
            source_keys = self.attention.project_keys(source_states)
            if source_keys is not None:
                state["source_keys"] = source_keys
        return state

    def _first_states(self, source_states, mask, last_states) -> dict:
        """Returns the `layer_*` entries from which decoding starts."""
        config = self.config
        if config.initial_state == "last":
            outputs = [tensors[0] for tensors in last_states]
        else:
            if config.initial_state == "backward":
                summary = last_states[-1][0][:, config.encoder_width // 2 :]
            else:
                real = ops.cast(mask, source_states.dtype)[:, :, None]
                count = ops.maximum(ops.sum(real, axis=1), 1.0)
                summary = ops.sum(source_states * real, axis=1) / count
            outputs = ops.split(self.initial_state(summary), config.num_layers, axis=-1)
        state = {}
        for index, output in enumerate(outputs):
            state[f"layer_{index}_h"] = output
            if config.cell == "lstm":
                cell = last_states[index][1] if config.transfer_cell else ops.zeros_like(output)
                state[f"layer_{index}_c"] = cell
        return state

    def decoder_kernels(self) -> dict:
        """Returns what all steps of the decoder read; for `decode_step`."""
        return {} if self.config.tie_embeddings == "none" else {"readout": self.readout.turned()}

    def decode_step(self, tokens, position, state: dict, kernels: dict):
        """Returns one position's logits `(B, V)`, the entries of the state it changed, and weights.

        Args:
            tokens: `(B,)` int32, the token before.
            position: Scalar int32, how many tokens came before that one.
            state: As `encode` or the step before returned it.
            kernels: `decoder_kernels()`.

        Returns:
            Logits, the dict of the `layer_*` entries and `fed`, and the weights over the source
            `(B, S)`, or None where the context is not attention.
        """
        embedded = self._embed(self.target_embedding, tokens, training=False)
        outputs, changed = self._decoder.step(embedded, position, state)
        logits = self._read_out(outputs, embedded, training=False, turned=kernels.get("readout"))
        return logits, changed, outputs.get("weights")

    def _embed(self, table, tokens, training):
        return self.embedding_dropout(table(tokens), training=training)

    def _read_out(self, outputs: dict, embedded, *, training, turned=None):
        """Returns the logits `(..., V)`."""
        if self.hidden_readout is None:
            x = readout_input(outputs)
        else:
            x = self.hidden_readout(outputs, embedded)
        x = self.readout_dropout(x, training=training)
        if self.config.tie_embeddings == "none":
            return self.readout(x)
        return self.readout.logits(x, turned=turned)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the compiled loss; in training, hard attention's own gradient comes with it."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        drawn, self.drawn = self.drawn, None
        if not training or drawn is None:
            return loss
        own = self._reinforce(y, y_pred, *drawn)
        # A gradient and no value: the loss that is reported is comparable with soft attention's.
        return loss + (own - ops.stop_gradient(own))

    def _reinforce(self, tokens, logits, weights, probabilities, is_sampled):
        """Returns what trains the probabilities that positions were drawn from, a scalar.

        Xu et al., 2015 (arXiv:1502.03044), equations 11 to 13, a token of the batch on average.
        Deviation: the baseline is a cost a token, times a sentence's tokens, because sentences of
        one batch are about equally long and those of the next are not.
        """
        config = self.config.attention
        tokens = ops.cast(tokens, "int32")
        real = ops.cast(ops.not_equal(tokens, PAD_ID), "float32")  # (B, T)
        logits = ops.stop_gradient(ops.cast(logits, "float32"))
        chosen = ops.equal(ops.arange(logits.shape[-1], dtype="int32"), tokens[..., None])
        costs = ops.logsumexp(logits, axis=-1) - ops.sum(ops.where(chosen, logits, 0.0), axis=-1)
        cost, length = ops.sum(costs * real, axis=-1), ops.sum(real, axis=-1)  # (B,)
        total_length = ops.maximum(ops.sum(length), 1.0)
        weights, probabilities, is_sampled = (
            ops.cast(drawn, "float32") for drawn in (weights, probabilities, is_sampled)
        )
        baseline = ops.convert_to_tensor(self.baseline)
        losses = selection.reinforce_loss(
            cost,
            selection.log_prob(probabilities, weights) * real * is_sampled,
            selection.entropy(probabilities) * real,
            baseline=baseline * length,
            reward_weight=config.reward_weight,
            entropy_weight=config.entropy_weight,
        )
        mean_cost = ops.sum(cost) / total_length
        self.baseline.assign(baseline + _BASELINE_RATE * is_sampled * (mean_cost - baseline))
        return ops.sum(losses) / total_length
