"""The convolutional encoder-decoder: logits of a whole target at once, or of one step."""

import keras
from keras import ops

from zoo import attention
from zoo.layers.dropout import Dropout
from zoo.layers.gated_convolution import GatedConvolution
from zoo.layers.weight_norm import WeightNormDense
from zoo.models.conv_seq2seq.config import ConvSeq2SeqConfig
from zoo.text.tokenizer import PAD_ID


class ConvSeq2Seq(keras.Model):
    """An encoder and a decoder of gated convolutions, attention in every layer of the decoder.

    Source: Gehring et al., 2017 (arXiv:1705.03122).

    Called with a dict of `source` `(B, S)` and `target_inputs` `(B, T)` int32, padded at the end,
    it returns the logits `(B, T, V)` of teacher forcing: those at t depend on the source and on the
    inputs up to t.

    Shapes: E `embedding_width`, D `width`, O `out_width`, k `decoder_kernel_width`.

    Args:
        config: Its sizes and choices.
    """

    def __init__(self, config: ConvSeq2SeqConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self.embedding = _embedding(config, name="embedding")
        if config.share_embeddings:
            self.target_embedding = self.embedding
        else:
            self.target_embedding = _embedding(config, name="target_embedding")
        self.dropout = Dropout(config.dropout, name="dropout")
        # Linear layers behind dropout start smaller by as much as it makes their inputs vary more.
        kept = 1 - config.dropout
        self.encoder_input = WeightNormDense(config.width, variance=kept, name="encoder_input")
        self.encoder_layers = [
            EncoderLayer(config, name=f"encoder_{index}")
            for index in range(config.num_encoder_layers)
        ]
        self.encoder_output = WeightNormDense(config.embedding_width, name="encoder_output")
        self.decoder_input = WeightNormDense(config.width, variance=kept, name="decoder_input")
        self.decoder_layers = [
            DecoderLayer(config, name=f"decoder_{index}")
            for index in range(config.num_decoder_layers)
        ]
        self.decoder_output = WeightNormDense(config.out_width, name="decoder_output")
        if not config.tie_output:
            self.readout = WeightNormDense(config.vocab_size, variance=kept, name="readout")

    def build(self, input_shape=None):
        """Builds every layer; the configuration alone decides the shapes."""
        config = self.config
        embedded = (None, None, config.embedding_width)
        shape = (None, None, config.width)
        self.embedding.build((None, None))
        if not config.share_embeddings:
            self.target_embedding.build((None, None))
        self.source_positions = self._positions("source_positions")
        self.target_positions = self._positions("target_positions")
        self.encoder_input.build(embedded)
        self.decoder_input.build(embedded)
        for layer in (*self.encoder_layers, *self.decoder_layers):
            layer.build(shape)
        self.encoder_output.build(shape)
        self.decoder_output.build(shape)
        if config.tie_output:
            self.readout_bias = self.add_weight(
                name="readout_bias", shape=(config.vocab_size,), initializer="zeros"
            )
        else:
            self.readout.build((None, None, config.out_width))
        self.built = True

    def call(self, inputs, training=False):
        """Returns the logits of teacher forcing; see the class."""
        source = self.encode(inputs["source"], training=training)
        tokens = inputs["target_inputs"]
        kernels = self.decoder_kernels()
        # A position a place: padding stands behind all tokens, where nothing is read any more.
        embeddings = self.target_embedding(tokens) + self.target_positions[: ops.shape(tokens)[1]]
        embeddings = self.dropout(embeddings, training=training)
        x = self.decoder_input(embeddings, kernel=kernels["input"])
        for layer, layer_kernels in zip(self.decoder_layers, kernels["layers"], strict=True):
            x = layer(x, embeddings, source, kernels=layer_kernels, training=training)
        return self._read_out(x, kernels, training=training)

    def encode(self, source, training=False) -> dict:
        """Returns what the decoder reads of a source `(B, S)`, by name.

        `source_keys` `(B, E, S)` and `source_values` `(B, S, E)`, as in `multi_step_source`, and
        `source_mask` `(B, S)`.
        """
        source_mask = attention.padding_mask(source, pad_id=PAD_ID)
        embeddings = self.embedding(source) + self.source_positions[: ops.shape(source)[1]]
        embeddings = self.dropout(embeddings, training=training)
        x = self.encoder_input(embeddings)
        for layer in self.encoder_layers:
            x = layer(x, source_mask=source_mask, training=training)
        x = self.encoder_output(x)
        if training:
            # Every layer of the decoder sends back a gradient, by keys and by values (section 3.4;
            # the 2 is of the authors' code).
            x = _with_scaled_gradient(x, 1 / (2 * len(self.decoder_layers)))
        keys, values = attention.multi_step_source(x, embeddings, source_mask)
        return {"source_keys": keys, "source_values": values, "source_mask": source_mask}

    def decoder_kernels(self) -> dict:
        """Returns the kernels of the decoder, its weights normalized; for `decode_step`."""
        tied = self.config.tie_output
        return {
            "input": self.decoder_input.kernel(),
            "layers": [layer.kernels() for layer in self.decoder_layers],
            "output": self.decoder_output.kernel(),
            "readout": ops.transpose(self.target_embedding.embeddings)
            if tied
            else self.readout.kernel(),
        }

    def decode_step(self, tokens, position, state: dict, kernels: dict):
        """Returns one position's logits `(B, V)`, the kept inputs, and the weights `(B, S)`.

        Args:
            tokens: `(B,)` int32, the token before.
            position: Scalar int32, how many tokens came before that one.
            state: The entries of `encode`, and `layer_<i>_inputs` `(B, k - 1, D)`, what the layer's
                convolution read in the steps before.
            kernels: `decoder_kernels()`.

        Returns:
            Logits, the dict of `layer_<i>_inputs` with this position, and the mean of all layers'
            weights over the source.
        """
        embeddings = self.target_embedding(ops.expand_dims(tokens, 1))  # (B, 1, E)
        embeddings = embeddings + ops.take(self.target_positions, position, axis=0)
        x = self.decoder_input(embeddings, kernel=kernels["input"])
        changed, weights = {}, []
        for index, layer in enumerate(self.decoder_layers):
            name = f"layer_{index}_inputs"
            x, changed[name], layer_weights = layer.step(
                x, embeddings, state, before=state[name], kernels=kernels["layers"][index]
            )
            weights.append(layer_weights)
        logits = ops.squeeze(self._read_out(x, kernels), 1)
        return logits, changed, ops.squeeze(sum(weights), 1) * (1 / len(weights))

    def _read_out(self, x, kernels: dict, training=False):
        x = self.decoder_output(x, kernel=kernels["output"])
        x = self.dropout(x, training=training)
        if self.config.tie_output:
            return ops.matmul(x, kernels["readout"]) + self.readout_bias
        return self.readout(x, kernel=kernels["readout"])

    def _positions(self, name: str):
        # As many for both: a batch pads its sources and targets to the longest of either.
        length = max(self.config.max_source_length, self.config.max_target_length)
        return self.add_weight(
            name=name, shape=(length, self.config.embedding_width), initializer=_small_normal()
        )


class EncoderLayer(keras.layers.Layer):
    """A gated convolution within a residual connection."""

    def __init__(self, config: ConvSeq2SeqConfig, **kwargs):
        super().__init__(**kwargs)
        self.convolution = GatedConvolution(
            config.width,
            kernel_width=config.encoder_kernel_width,
            causal=False,
            dropout=config.dropout,
            name="convolution",
        )

    def build(self, input_shape):
        """Builds the convolution."""
        self.convolution.build(input_shape)

    # Not `mask`: Keras would take that for the input's and hand it on.
    def call(self, x, *, source_mask, training=False):
        """Returns `(B, S, D)`; `source_mask` `(B, S)` is True at real tokens."""
        # Padding reads as the zeros beside a sequence, so that a source's outputs do not depend on
        # how far it is padded.
        x = ops.where(source_mask[:, :, None], x, 0.0)
        return _sum(self.convolution(x, training=training), x)


class DecoderLayer(keras.layers.Layer):
    """A causal gated convolution and attention to the source, within a residual connection."""

    def __init__(self, config: ConvSeq2SeqConfig, **kwargs):
        super().__init__(**kwargs)
        self.convolution = GatedConvolution(
            config.width,
            kernel_width=config.decoder_kernel_width,
            causal=True,
            dropout=config.dropout,
            name="convolution",
        )
        self.query_projection = WeightNormDense(config.embedding_width, name="query")
        self.context_projection = WeightNormDense(config.width, name="context")

    def build(self, input_shape):
        """Builds the convolution and both projections."""
        self.convolution.build(input_shape)
        self.query_projection.build(input_shape)
        self.context_projection.build((*input_shape[:-1], self.query_projection.units))

    def kernels(self) -> dict:
        """Returns the layer's kernels, their weights normalized."""
        return {
            "convolution": self.convolution.kernel(),
            "query": self.query_projection.kernel(),
            "context": self.context_projection.kernel(),
        }

    def call(self, x, embeddings, source: dict, *, kernels: dict, training=False):
        """Returns `(B, T, D)` for a whole target.

        Args:
            x: `(B, T, D)`.
            embeddings: Of the target's tokens, `(B, T, E)`.
            source: The entries of `ConvSeq2Seq.encode`.
            kernels: `kernels()`.
            training: Whether dropout drops.
        """
        states = self.convolution(x, kernel=kernels["convolution"], training=training)
        states, _ = self._attend(states, embeddings, source, kernels)
        return _sum(states, x)

    def step(self, x, embeddings, source: dict, *, before, kernels: dict):
        """Returns `(B, 1, D)` for one position, the next `before`, and the weights `(B, 1, S)`.

        `x` is `(B, 1, D)`, `embeddings` `(B, 1, E)`, `before` as in `GatedConvolution.step`.
        """
        states, before = self.convolution.step(x, before, kernel=kernels["convolution"])
        states, weights = self._attend(states, embeddings, source, kernels)
        return _sum(states, x), before, weights

    def _attend(self, states, embeddings, source: dict, kernels: dict):
        return attention.multi_step_attention(
            states,
            embeddings,
            keys=source["source_keys"],
            values=source["source_values"],
            mask=source["source_mask"],
            query_kernel=kernels["query"],
            query_bias=self.query_projection.bias,
            context_kernel=kernels["context"],
            context_bias=self.context_projection.bias,
        )


def _sum(x, y):
    """Returns `x + y`, scaled to vary as one of them (section 3.4)."""
    return (x + y) * 0.5**0.5


def _with_scaled_gradient(x, factor: float):
    """Returns `x`, whose gradient counts `factor` times."""
    return factor * x + ops.stop_gradient((1 - factor) * x)


def _embedding(config: ConvSeq2SeqConfig, *, name: str) -> keras.layers.Embedding:
    return keras.layers.Embedding(
        config.vocab_size,
        config.embedding_width,
        embeddings_initializer=_small_normal(),
        name=name,
    )


def _small_normal() -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.1)  # of all embeddings, section 3.5
