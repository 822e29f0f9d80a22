"""The tokenizer inside a TensorFlow graph, for models with strings in and strings out."""

import tensorflow as tf
import tensorflow_text as tf_text

from zoo.text.tokenizer import END_ID, PAD_ID


class GraphTokenizer(tf.Module):
    """The same SentencePiece model as `zoo.text.tokenizer.Tokenizer`, as TensorFlow operators.

    Args:
        model: The bytes of the SentencePiece model.
    """

    def __init__(self, model: bytes):
        super().__init__()
        self._tokenizer = tf_text.SentencepieceTokenizer(model=model)

    def encode(self, texts, *, max_length: int):
        """Returns the ids of `texts` `(B,)` as `(B, S)`, cut at `max_length`, padded at the end."""
        return self._tokenizer.tokenize(texts)[:, :max_length].to_tensor(PAD_ID)

    def decode(self, ids, lengths):
        """Returns the texts `(B,)` of the first `lengths` `(B,)` ids of each row of `(B, T)`."""
        kept = self._real(ids, lengths)
        return self._tokenizer.detokenize(tf.ragged.boolean_mask(ids, kept))

    def pieces(self, ids, lengths):
        """Returns the pieces of the first `lengths` ids of each row as `(B, T)`, "" elsewhere."""
        pieces = self._tokenizer.id_to_string(ids)
        return tf.where(self._real(ids, lengths), pieces, tf.zeros_like(pieces))

    def _real(self, ids, lengths):
        """Returns True at the first `lengths` ids that are neither padding nor the end."""
        inside = tf.sequence_mask(lengths, tf.shape(ids)[1])
        return inside & (ids != PAD_ID) & (ids != END_ID)
