"""The Transformer as a model: logits of a whole target at once, or of one step."""

import keras
from keras import ops

from zoo import attention
from zoo.layers.dropout import Dropout
from zoo.layers.embedding import TiedEmbedding, sinusoids
from zoo.layers.residual import Residual
from zoo.models.transformer.config import TransformerConfig
from zoo.text.tokenizer import PAD_ID


class Transformer(keras.Model):
    """An encoder and a decoder made of attention.

    Source: Vaswani et al., 2017 (arXiv:1706.03762).

    Called with a dict of `source` `(B, S)` and `target_inputs` `(B, T)` int32, it returns the
    logits `(B, T, V)` of teacher forcing: those at t depend on the source and the inputs up to t.

    Args:
        config: Its sizes and choices.
    """

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        sizes = {"vocab_size": config.vocab_size, "width": config.width}
        self.embedding = TiedEmbedding(**sizes, name="embedding")
        if config.share_embeddings:
            self.target_embedding = self.readout = self.embedding
        else:
            self.target_embedding = TiedEmbedding(**sizes, name="target_embedding")
            self.readout = TiedEmbedding(**sizes, name="readout")
        self.dropout = Dropout(config.dropout, name="dropout")
        self.encoder_layers = [
            EncoderLayer(config, name=f"encoder_{index}")
            for index in range(config.num_encoder_layers)
        ]
        self.decoder_layers = [
            DecoderLayer(config, name=f"decoder_{index}")
            for index in range(config.num_decoder_layers)
        ]
        if config.norm == "pre":
            self.encoder_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="encoder_norm")
            self.decoder_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="decoder_norm")
        else:
            self.encoder_norm = self.decoder_norm = None

    def build(self, input_shape=None):
        """Builds every layer; the configuration alone decides the shapes."""
        config = self.config
        shape = (None, None, config.width)
        self.embedding.build()
        if not config.share_embeddings:
            self.target_embedding.build()
            self.readout.build()
        length = max(config.max_source_length, config.max_target_length)
        if config.positions == "learned":
            self.positions = self.add_weight(
                name="positions",
                shape=(length, config.width),
                initializer=keras.initializers.RandomNormal(stddev=config.width**-0.5),
            )
        else:
            self.positions = sinusoids(length, config.width)
        for layer in (*self.encoder_layers, *self.decoder_layers):
            layer.build(shape)
        if config.norm == "pre":
            self.encoder_norm.build(shape)
            self.decoder_norm.build(shape)
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits of teacher forcing; see the class."""
        state = self.encode(inputs["source"], training=training)
        tokens = inputs["target_inputs"]
        length = ops.shape(tokens)[1]
        x = self.target_embedding(tokens) + self._positions_to(length)
        x = self.dropout(x, training=training)
        causal_mask = attention.causal_mask(length)[None, None]
        for index, layer in enumerate(self.decoder_layers):
            x = layer(
                x, self._source_entries(state, index), causal_mask=causal_mask, training=training
            )
        return self._read_out(x)

    def encode(self, source, training=False) -> dict:
        """Returns what the decoder reads of a source `(B, S)`, by name.

        `layer_<i>_source_keys` `(B, H, D / H, S)` and `layer_<i>_source_values` `(B, H, S, D / H)`
        of each decoder layer, and `source_mask` `(B, S)`.
        """
        source_mask = attention.padding_mask(source, pad_id=PAD_ID)
        x = self.embedding(source) + self._positions_to(ops.shape(source)[1])
        x = self.dropout(x, training=training)
        for layer in self.encoder_layers:
            x = layer(x, attention_mask=source_mask[:, None, None], training=training)
        if self.encoder_norm is not None:
            x = self.encoder_norm(x)
        state = {"source_mask": source_mask}
        for index, layer in enumerate(self.decoder_layers):
            keys, values = layer.source_attention.keys_and_values(x)
            state[f"layer_{index}_source_keys"] = keys
            state[f"layer_{index}_source_values"] = values
        return state

    def decoder_kernels(self) -> dict:
        """Returns what all steps of the decoder read; for `decode_step`."""
        return {"readout": self.readout.turned()}

    def decode_step(self, tokens, position, state: dict, kernels: dict):
        """Returns one position's logits `(B, V)`, the decoder's kept keys and values, and weights.

        Args:
            tokens: `(B,)` int32, the token before.
            position: Scalar int32, how many tokens came before that one.
            state: The entries of `encode`, and `layer_<i>_keys` and `layer_<i>_values`
                `(B, H, T, D / H)` with the positions before.
            kernels: `decoder_kernels()`.

        Returns:
            Logits, the dict of `layer_<i>_keys` and `layer_<i>_values` with this position, and the
            weights over the source `(B, H, S)` of the layer `config.alignment_layer`.
        """
        here = ops.take(self.positions, position, axis=0)
        x = self.target_embedding(tokens) + ops.cast(here, self.compute_dtype)  # (B, D)
        changed = {}
        for index, layer in enumerate(self.decoder_layers):
            names = f"layer_{index}_keys", f"layer_{index}_values"
            x, *kept, layer_weights = layer.step(
                x,
                self._source_entries(state, index),
                position=position,
                keys=state[names[0]],
                values=state[names[1]],
            )
            changed |= zip(names, kept, strict=True)
            if index == self.config.alignment_layer % len(self.decoder_layers):
                weights = ops.squeeze(layer_weights, axis=2)
        return self._read_out(x, turned=kernels["readout"]), changed, weights

    def _positions_to(self, length):
        # Keras casts by itself what layers get, but no operands of a sum.
        return ops.cast(ops.convert_to_tensor(self.positions)[:length], self.compute_dtype)

    def _read_out(self, x, *, turned=None):
        if self.decoder_norm is not None:
            x = self.decoder_norm(x)
        return self.readout.logits(x, turned=turned)

    @staticmethod
    def _source_entries(state: dict, index: int) -> dict:
        """Returns what the source attention of a decoder layer is called with."""
        return {
            "keys": state[f"layer_{index}_source_keys"],
            "values": state[f"layer_{index}_source_values"],
            "source_mask": state["source_mask"],
        }


class EncoderLayer(keras.layers.Layer):
    """Self-attention and a feed-forward network, each within a residual connection."""

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        residual = {"norm": config.norm, "dropout": config.dropout}
        self.self_attention = attention.SelfAttention(
            width=config.width, num_heads=config.num_heads, name="self_attention"
        )
        self.self_attention_residual = Residual(**residual, name="self_attention_residual")
        self.feed_forward = FeedForward(config, name="feed_forward")
        self.feed_forward_residual = Residual(**residual, name="feed_forward_residual")

    def build(self, input_shape):
        """Builds both sub-layers."""
        for layer in (
            self.self_attention,
            self.self_attention_residual,
            self.feed_forward,
            self.feed_forward_residual,
        ):
            layer.build(input_shape)

    def call(self, x, *, attention_mask, training=False):
        """Returns `(B, S, D)`; `attention_mask` as in `SelfAttention`."""
        y = self.self_attention(self.self_attention_residual.open(x), attention_mask=attention_mask)
        x = self.self_attention_residual.close(x, y, training=training)
        y = self.feed_forward(self.feed_forward_residual.open(x))
        return self.feed_forward_residual.close(x, y, training=training)


class DecoderLayer(keras.layers.Layer):
    """Self-attention, attention to the source and a feed-forward network, each in a residual."""

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        sizes = {"width": config.width, "num_heads": config.num_heads}
        residual = {"norm": config.norm, "dropout": config.dropout}
        self.self_attention = attention.SelfAttention(**sizes, name="self_attention")
        self.self_attention_residual = Residual(**residual, name="self_attention_residual")
        self.source_attention = attention.CrossAttention(**sizes, name="source_attention")
        self.source_attention_residual = Residual(**residual, name="source_attention_residual")
        self.feed_forward = FeedForward(config, name="feed_forward")
        self.feed_forward_residual = Residual(**residual, name="feed_forward_residual")

    def build(self, input_shape):
        """Builds the three sub-layers."""
        for layer in (
            self.self_attention,
            self.self_attention_residual,
            self.source_attention,
            self.source_attention_residual,
            self.feed_forward,
            self.feed_forward_residual,
        ):
            layer.build(input_shape)

    def call(self, x, source: dict, *, causal_mask, training=False):
        """Returns `(B, T, D)` for a whole target.

        Args:
            x: The target's embeddings, `(B, T, D)`.
            source: What `CrossAttention` is called with.
            causal_mask: As the `attention_mask` of `SelfAttention`.
            training: Whether dropout drops.
        """
        y = self.self_attention(self.self_attention_residual.open(x), attention_mask=causal_mask)
        x = self.self_attention_residual.close(x, y, training=training)
        x, _ = self._after_self_attention(x, source, training)
        return x

    def step(self, x, source: dict, *, position, keys, values):
        """Returns `(B, D)` for one position, the keys and values, and the source's weights."""
        y, keys, values = self.self_attention.step(
            self.self_attention_residual.open(x), position=position, keys=keys, values=values
        )
        x = self.self_attention_residual.close(x, y)
        x, weights = self._after_self_attention(x, source, training=False)
        return x, keys, values, weights

    def _after_self_attention(self, x, source: dict, training: bool):
        y, weights = self.source_attention(self.source_attention_residual.open(x), **source)
        x = self.source_attention_residual.close(x, y, training=training)
        y = self.feed_forward(self.feed_forward_residual.open(x))
        return self.feed_forward_residual.close(x, y, training=training), weights


class FeedForward(keras.layers.Layer):
    """Two dense layers with a rectifier between them, at every position alike (section 3.3)."""

    def __init__(self, config: TransformerConfig, **kwargs):
        super().__init__(**kwargs)
        self.inner = keras.layers.Dense(config.feed_forward_width, activation="relu", name="inner")
        self.outer = keras.layers.Dense(config.width, name="outer")

    def build(self, input_shape):
        """Builds both layers."""
        self.inner.build(input_shape)
        self.outer.build((*input_shape[:-1], self.inner.units))

    def call(self, x):
        """Returns a tensor of the shape of `x` `(..., D)`."""
        return self.outer(self.inner(x))
