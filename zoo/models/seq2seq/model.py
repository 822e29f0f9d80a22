"""The recurrent encoder-decoder: plain, peeky, or with attention.

Plain: Sutskever, Vinyals and Le, 2014 (arXiv:1409.3215). Peeky: Cho et al., 2014 (arXiv:1406.1078),
whose decoder reads the source's summary c at every step and in its output. Attention: Luong, Pham
and Manning, 2015 (arXiv:1508.04025), whose decoder's new state is the query; as in chapter 8 of
"Deep Learning from Scratch 2", the output layer reads [context; state] without a layer between.
"""

import keras
from keras import ops

from zoo import attention
from zoo.layers import recurrent
from zoo.models.seq2seq.config import Seq2SeqConfig
from zoo.text.tokenizer import PAD_ID


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
        self.embedding = keras.layers.Embedding(
            config.vocab_size, config.embedding_dim, name="embedding"
        )
        self.encoder = recurrent.RecurrentEncoder(
            cell=config.cell,
            units=config.units,
            num_layers=config.num_layers,
            bidirectional=config.bidirectional,
            reverse=config.reverse_source,
            dropout=config.dropout,
            name="encoder",
        )
        if config.share_parameters:
            self.target_embedding = self.embedding
            self.decoder = self.encoder.forward_stacks[0]
        else:
            self.target_embedding = keras.layers.Embedding(
                config.vocab_size, config.embedding_dim, name="target_embedding"
            )
            self.decoder = recurrent.RecurrentStack(
                cell=config.cell,
                units=config.units,
                num_layers=config.num_layers,
                dropout=config.dropout,
                name="decoder",
            )
        if config.context == "attention":
            self.attention = attention.Attention(
                config.attention,
                query_width=config.units,
                key_width=config.units,
                max_source_length=config.max_source_length,
                name="attention",
            )
        self.readout = keras.layers.Dense(config.vocab_size, name="readout")

    def build(self, input_shape=None):
        """Builds every layer; the configuration alone decides the shapes."""
        config = self.config
        peeky_width = config.units if config.context == "peeky" else 0
        self.embedding.build((None, None))
        self.encoder.build((None, None, config.embedding_dim))
        if not config.share_parameters:
            self.target_embedding.build((None, None))
            self.decoder.build((None, None, config.embedding_dim + peeky_width))
        readout_width = config.units if config.context == "plain" else 2 * config.units
        self.readout.build((None, None, readout_width))
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits of teacher forcing; see the class."""
        state = self.encode(inputs["source"], training=training)
        x = self._decoder_inputs(inputs["target_inputs"], state)
        x, _ = self.decoder(x, initial_states=self._layer_states(state), training=training)
        positions = ops.arange(ops.shape(x)[1], dtype="int32")
        logits, _ = self._read_out(x, state, positions)
        return logits

    def encode(self, source, training=False) -> dict:
        """Returns the state from which decoding starts, by name.

        `layer_<i>_h` and, for an LSTM, `layer_<i>_c` are `(B, D)`, of the decoder's layers. What
        the decoder only reads: peeky has `summary` `(B, D)`, the encoder's last output; attention
        has `source_states` `(B, S, D)` and `source_mask` `(B, S)`.
        """
        mask = attention.padding_mask(source, pad_id=PAD_ID)
        source_states, last_states = self.encoder(
            self.embedding(source), mask=mask, training=training
        )
        state = {}
        for index, tensors in enumerate(last_states):
            for name, tensor in zip(recurrent.state_names(self.config.cell), tensors, strict=True):
                if name == "c" and not self.config.transfer_cell:
                    tensor = ops.zeros_like(tensor)
                state[f"layer_{index}_{name}"] = tensor
        if self.config.context == "peeky":
            state["summary"] = last_states[-1][0]
        if self.config.context == "attention":
            state |= {"source_states": source_states, "source_mask": mask}
        return state

    def decode_step(self, tokens, position, state: dict):
        """Returns one position's logits `(B, V)`, the decoder's new states and the alignment.

        Args:
            tokens: `(B,)` int32, the token before.
            position: Scalar int32, how many tokens came before that one.
            state: As `encode` or the step before returned it.

        Returns:
            Logits, the dict of the `layer_*` entries, and the weights over the source `(B, S)`, or
            None where the context is not attention.
        """
        x = self._decoder_inputs(tokens[:, None], state)
        x, layer_states = self.decoder.step(x[:, 0], self._layer_states(state))
        logits, weights = self._read_out(x[:, None], state, ops.reshape(position, (1,)))
        names = recurrent.state_names(self.config.cell)
        changed = {
            f"layer_{index}_{name}": tensor
            for index, tensors in enumerate(layer_states)
            for name, tensor in zip(names, tensors, strict=True)
        }
        return logits[:, 0], changed, None if weights is None else weights[:, 0]

    def _layer_states(self, state: dict) -> list[list]:
        names = recurrent.state_names(self.config.cell)
        return [
            [state[f"layer_{index}_{name}"] for name in names]
            for index in range(self.config.num_layers)
        ]

    def _decoder_inputs(self, tokens, state: dict):
        x = self.target_embedding(tokens)  # (B, T, E)
        if self.config.context == "peeky":
            x = ops.concatenate([_at_every_step(state["summary"], x), x], axis=-1)
        return x

    def _read_out(self, x, state: dict, positions):
        """Returns the logits `(B, T, V)` of outputs `(B, T, D)`, and the weights or None."""
        weights = None
        if self.config.context == "peeky":
            x = ops.concatenate([_at_every_step(state["summary"], x), x], axis=-1)
        if self.config.context == "attention":
            context, weights = self.attention(
                x, state["source_states"], source_mask=state["source_mask"], positions=positions
            )
            x = ops.concatenate([context, x], axis=-1)  # (B, T, 2 D)
        return self.readout(x), weights


def _at_every_step(summary, x):
    """Returns `summary` `(B, D)` repeated along the time of `x` `(B, T, ...)`."""
    return ops.repeat(summary[:, None], ops.shape(x)[1], axis=1)
