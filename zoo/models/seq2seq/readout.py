"""The layer between the decoder and its logits."""

import keras
from keras import ops

from zoo.models.seq2seq.config import Seq2SeqConfig


def readout_input(outputs: dict, embedded=None):
    """Returns context, decoder state and, where given, embedding side by side, `(..., N)`.

    Args:
        outputs: Of `Decoder`; one that knows no context has none here.
        embedded: `(..., E)`, the tokens before.
    """
    parts = [outputs.get("context"), outputs["top"], embedded]
    return ops.concatenate([part for part in parts if part is not None], axis=-1)


class HiddenReadout(keras.layers.Layer):
    """What the logits are computed from, where it is not context and state themselves.

        tanh      h = tanh(W [c; s])            Luong et al., 2015 (arXiv:1508.04025), equation 5
        deep      t = tanh(W [c; s; y])         Sennrich et al., 2017 (arXiv:1703.04357), section 3
        maxout    t[k] = max(u[2 k], u[2 k + 1]), u = W [c; s; y]
                                                Bahdanau et al., 2015 (arXiv:1409.0473), A.2.2

    c is the context, s the state and y the embedding of the token before. Each W has a bias.

    Args:
        config: The model's; its `readout` is one of the three.
    """

    def __init__(self, config: Seq2SeqConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        self._reads_embedding = config.readout != "tanh"
        pieces = 2 if config.readout == "maxout" else 1
        self.dense = keras.layers.Dense(pieces * config.readout_width, name="dense")

    def build(self, input_shape=None):
        """Builds the layer; the configuration alone decides the shapes."""
        config = self.config
        width = config.units + config.context_width
        self.dense.build((None, width + self._reads_embedding * config.embedding_dim))
        self.built = True

    def call(self, outputs, embedded=None):
        """Returns `(..., readout_width)`; the arguments are those of `readout_input`."""
        x = self.dense(readout_input(outputs, embedded if self._reads_embedding else None))
        if self.config.readout != "maxout":
            return ops.tanh(x)
        pairs = ops.reshape(x, (*ops.shape(x)[:-1], self.config.readout_width, 2))
        return ops.max(pairs, axis=-1)
