"""What a model that writes tokens is trained to make small."""

import keras
from keras import ops


class TokenCrossEntropy(keras.losses.Loss):
    """Cross-entropy (nats) of the next token, averaged over the real tokens of the batch.

        loss = sum over v of -q[v] log p[v],  q = (1 - smoothing) one_hot(token) + smoothing / V

    Source of the smoothing: Szegedy et al., 2016 (arXiv:1512.00567), section 7.

    Called with tokens `(B, T)` and logits `(B, T, V)`.

    Args:
        pad_id: Tokens that do not count.
        label_smoothing: 0 to 1, the probability that is spread over the whole vocabulary.
    """

    def __init__(self, *, pad_id: int, label_smoothing: float = 0.0):
        super().__init__(reduction=None, name="token_cross_entropy")  # `call` averages
        self.pad_id = pad_id
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        """Returns the loss, a scalar."""
        logits = ops.cast(y_pred, "float32")
        tokens = ops.cast(y_true, "int32")
        # Not gathered: the gradient of a gather is a scatter, slow where it cannot be fused.
        chosen = ops.equal(ops.arange(logits.shape[-1], dtype="int32"), tokens[..., None])
        score = ops.sum(ops.where(chosen, logits, 0.0), axis=-1)
        if self.label_smoothing:
            mean = ops.mean(logits, axis=-1)
            score = (1 - self.label_smoothing) * score + self.label_smoothing * mean
        losses = ops.logsumexp(logits, axis=-1) - score  # (B, T)
        counts = ops.cast(ops.not_equal(tokens, self.pad_id), "float32")
        return ops.sum(losses * counts) / ops.maximum(ops.sum(counts), 1.0)
