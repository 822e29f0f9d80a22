"""What the families that answer questions about stories do alike."""

from abc import ABC, abstractmethod

from keras import Model, ops

from zoo.config import Preset
from zoo.signature import Signature, TensorSpec


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


def answered(logits) -> dict:
    """Returns `answer` and `probabilities` of logits `(B, V)`; see `StoryTask.predict`."""
    _, best = ops.top_k(logits, 1)  # an argmax has no operator in LiteRT's set
    return {
        "answer": ops.cast(ops.squeeze(best, axis=-1), "int32"),
        "probabilities": ops.softmax(logits, axis=-1),
    }
