"""A model that answers questions about stories, as a server sees it.

`serving_default` takes strings: `story` `(B, M)`, sentences in the order in which they are told,
`""` after the last one of a shorter story; and `question` `(B,)`. It gives `answer` `(B,)`, a
string; `probability` `(B,)` of that answer and `probabilities` `(B, V)` of every word;
`sentences` `(B, M)`, those that the model remembered; and `alignment` `(B, rows, M)` over them, a
row for each hop or slot. A model of slots gives `reads` `(B, slots)` too: how much of the answer
was read from each.
"""

import tensorflow as tf


def on_strings(predict, tokenizer, config):
    """Returns `predict` with strings in and out, and the specs of its inputs.

    Args:
        predict: The signature's function, on word ids.
        tokenizer: That of the model, a `GraphTokenizer`.
        config: That of the model.
    """

    def on_text(story, question):
        told = tf.ragged.boolean_mask(story, tf.strings.strip(story) != "")
        sentences = told[:, -config.max_sentences :].to_tensor("")  # (B, M)
        rows, count = tf.shape(sentences)[0], tf.shape(sentences)[1]
        words = tokenizer.encode(
            tf.reshape(sentences, [-1]), max_length=config.max_sentence_length
        )  # (B * M, L)
        outputs = predict(
            story=tf.reshape(words, [rows, count, tf.shape(words)[1]]),
            question=tokenizer.encode(question, max_length=config.max_question_length),
        )
        answer = outputs["answer"]
        of_slots = {"reads": outputs["reads"]} if "reads" in outputs else {}
        return {
            "answer": tokenizer.decode(answer[:, None], tf.ones_like(answer)),
            "probability": tf.gather(outputs["probabilities"], answer, batch_dims=1),
            "probabilities": outputs["probabilities"],
            "sentences": sentences,
            "alignment": outputs["alignment"][..., :count],
            **of_slots,
        }

    return on_text, {
        "story": tf.TensorSpec((None, None), tf.string),
        "question": tf.TensorSpec((None,), tf.string),
    }


def guarded(predict, config):
    """Returns `predict` for stories of any client: those it cannot read are refused.

    Args:
        predict: The signature's function, on word ids.
        config: That of the model.
    """

    def guarded(story, question):
        limits = {
            "A story has at most {} sentences.": (tf.shape(story)[1], config.max_sentences),
            "A sentence has at most {} words.": (tf.shape(story)[2], config.max_sentence_length),
            "A question has at most {} words.": (tf.shape(question)[1], config.max_question_length),
        }
        checks = [
            tf.debugging.assert_less_equal(size, limit, message.format(limit))
            for message, (size, limit) in limits.items()
        ]
        message = f"A word id is below {config.vocab_size}."
        for words in (story, question):
            checks += [
                tf.debugging.assert_non_negative(words, "A word id is at least 0."),
                tf.debugging.assert_less(words, config.vocab_size, message),
            ]
        # In front of the model, whose own operators would refuse them in other words.
        with tf.control_dependencies(checks):
            # An axis of no size, as of an empty story, is one of padding.
            return predict(story=_not_empty(story), question=_not_empty(question))

    return guarded


def _not_empty(words):
    sizes = tf.shape(words)[1:]
    padding = tf.concat([[0], tf.maximum(1 - sizes, 0)], axis=0)
    return tf.pad(words, tf.stack([tf.zeros_like(padding), padding], axis=1))
