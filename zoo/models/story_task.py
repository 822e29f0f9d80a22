"""What the families that answer questions about stories do alike."""

from abc import ABC, abstractmethod

from keras import Model, Variable, ops

from zoo.config import Preset
from zoo.signature import Signature, TensorSpec
from zoo.text.tokenizer import END_ID

_NO_ANSWER = -1e9  # the logit of what is no word


class StoryTask(ABC):
    """Answering with a model of stories, as the exporters and the runtimes use it.

    Args:
        model: Of the class `model_class`, built.
    """

    model_class: type[Model]

    def __init__(self, model: Model):
        self.model = model

    @classmethod
    def from_preset(cls, preset: Preset) -> "StoryTask":
        """Returns the task of `preset` with a new, untrained model."""
        model = cls.model_class(preset.model)
        model.build()
        return cls(model)

    @property
    def static_sizes(self) -> dict[str, int]:
        """The sizes of the signature's axes where they must be fixed, as in LiteRT."""
        config = self.model.config
        return {
            "B": 1,
            "M": config.max_sentences,
            "L": config.max_sentence_length,
            "Q": config.max_question_length,
        }

    @abstractmethod
    def predict(self, story, question) -> dict:
        """Returns the answer to `question` `(B, Q)` from `story` `(B, M, L)`, word ids, int32.

        Returns:
            `answer` `(B,)` int32, the id of the most probable word, the first of equals;
            `probabilities` `(B, V)` of all words, 0 for special tokens; and what `looks` names.
        """

    @abstractmethod
    def looks(self) -> dict[str, TensorSpec]:
        """Returns what `predict` gives beside the answer: where the model looked for it."""

    def keep_kernels(self) -> list[Variable]:
        """Computes once for all what answers read of the weights, where they change no more.

        Returns:
            The variables that it is kept in, none of which are the model's; here there are none.
        """
        return []

    def signatures(self) -> tuple[Signature, ...]:
        """Returns `predict`."""
        return (
            Signature(
                "predict",
                self.predict,
                {
                    "story": TensorSpec(("B", "M", "L"), "int32"),
                    "question": TensorSpec(("B", "Q"), "int32"),
                },
                {
                    "answer": TensorSpec(("B",), "int32"),
                    "probabilities": TensorSpec(("B", self.model.config.vocab_size), "float32"),
                    **self.looks(),
                },
            ),
        )


def words_alone(logits):
    """Returns logits `(..., V)` with -1e9 for special tokens, which answer nothing."""
    is_word = ops.arange(logits.shape[-1]) > END_ID
    return ops.where(is_word, logits, _NO_ANSWER)


def require_room(sentences: int | None, max_sentences: int) -> None:
    """Raises a ValueError if a story of so many sentences, None where that is open, is too long."""
    if sentences is not None and sentences > max_sentences:
        raise ValueError(
            f"A story has at most max_sentences={max_sentences} sentences. "
            f"Received: {sentences}; keep the latest."
        )


def answered(logits) -> dict:
    """Returns `answer` and `probabilities` of logits `(B, V)`; see `StoryTask.predict`."""
    _, best = ops.top_k(logits, 1)  # an argmax has no operator in LiteRT's set
    return {
        "answer": ops.cast(ops.squeeze(best, axis=-1), "int32"),
        "probabilities": ops.softmax(logits, axis=-1),
    }
