"""A model from text to text as a server sees it.

`serving_default` takes `text` `(B,)`, strings, and gives the best hypothesis of each row: `text`,
`score`, `tokens`, `source_tokens`, `alignment`.
"""

import tensorflow as tf

from zoo.text.tokenizer import PAD_ID

# XLA compiles a program a shape, a second or more each; padded to these, few shapes are left.
XLA_BATCH_SIZES = (1, 4, 16, 64)
XLA_LENGTH_STEP = 16


def on_strings(generate, tokenizer, config):
    """Returns `generate` with strings in and out, the best hypothesis of each row; and its inputs.

    Args:
        generate: The signature's function, on token ids.
        tokenizer: That of the model, a `GraphTokenizer`.
        config: That of the model.
    """

    def on_text(text):
        source = tokenizer.encode(text, max_length=config.max_source_length)  # (B, S)
        outputs = generate(source=source)
        ids, lengths = outputs["tokens"][:, 0], outputs["lengths"][:, 0]
        named = {
            "text": tokenizer.decode(ids, lengths),
            "score": outputs["scores"][:, 0],
            "tokens": tokenizer.pieces(ids, lengths),  # (B, T), "" where there is none
            "source_tokens": tokenizer.pieces(
                source, tf.fill(tf.shape(lengths), tf.shape(source)[1])
            ),
        }
        if "alignment" in outputs:
            named["alignment"] = outputs["alignment"][:, 0]  # (B, T, S)
        return named

    return on_text, {"text": tf.TensorSpec((None,), tf.string)}


def guarded(generate, config, *, xla: bool = False):
    """Returns `generate` for sources of any client: those it cannot read are refused.

    A source without a single column, as `[[]]` comes by REST, is an empty source.

    Args:
        generate: The signature's function, on token ids.
        config: That of the model.
        xla: Compile it, at the next larger of a few shapes.
    """
    longest, vocab_size = config.max_source_length, config.vocab_size
    if xla:
        generate = _compiled(generate, longest)

    def guarded(source):
        length = tf.shape(source)[1]
        checks = [
            tf.debugging.assert_less_equal(
                length, longest, f"A source has at most {longest} tokens."
            ),
            tf.debugging.assert_non_negative(source, "A token id is at least 0."),
            tf.debugging.assert_less(source, vocab_size, f"A token id is below {vocab_size}."),
        ]
        # In front of the model, whose own operators would refuse them in other words.
        with tf.control_dependencies(checks):
            return _padded(generate, source, more_rows=0, more_length=tf.maximum(1 - length, 0))

    return guarded


def _compiled(generate, max_source_length: int):
    """Returns `generate` compiled by XLA, at the next larger of a few shapes."""
    compiled = tf.function(
        lambda source: generate(source=source), jit_compile=True, autograph=False
    )

    def at_few_shapes(source):
        rows, length = tf.shape(source)[0], tf.shape(source)[1]
        multiple = -(-length // XLA_LENGTH_STEP) * XLA_LENGTH_STEP
        return _padded(
            compiled,
            source,
            more_rows=_batch_size(rows) - rows,
            more_length=tf.minimum(multiple, max_source_length) - length,
        )

    return at_few_shapes


def _padded(generate, source, *, more_rows, more_length):
    """Returns what `generate` answers to `source`, computed with more rows and columns of padding.

    Rows of padding are empty sources; what they and the columns give is cut off again.
    """
    rows, length = tf.shape(source)[0], tf.shape(source)[1]
    padding = [[0, more_rows], [0, more_length]]
    outputs = generate(source=tf.pad(source, padding, constant_values=PAD_ID))
    cut = {name: value[:rows] for name, value in outputs.items()}
    if "alignment" in cut:
        cut["alignment"] = cut["alignment"][..., :length]
    return cut


def _batch_size(rows):
    """Returns the smallest of the sizes that holds `rows`, or the next multiple of the largest."""
    largest = XLA_BATCH_SIZES[-1]
    size = -(-rows // largest) * largest
    for candidate in reversed(XLA_BATCH_SIZES):
        size = tf.where(rows <= candidate, candidate, size)
    return size
