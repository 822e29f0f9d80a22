"""What `entity_network` does: a story and a question in, an answer out."""

from keras import ops

from zoo.config import Preset
from zoo.models.entity_network.model import EntityNetwork
from zoo.signature import Signature, TensorSpec


class Task:
    """Answering with an `EntityNetwork`, as the exporters and the runtimes use it.

    Args:
        model: The model, built.
    """

    def __init__(self, model: EntityNetwork):
        self.model = model

    @classmethod
    def from_preset(cls, preset: Preset) -> "Task":
        """Returns the task of `preset` with a new, untrained model."""
        model = EntityNetwork(preset.model)
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

    def predict(self, story, question) -> dict:
        """Returns the answer to `question` `(B, Q)` from `story` `(B, M, L)`, word ids, int32.

        Returns:
            `answer` `(B,)` int32, the id of the most probable word, the first of equals;
            `probabilities` `(B, V)` of all words, 0 for special tokens; `alignment` `(B, slots,
            M)`, how far each slot opened to each sentence, 0 to 1, 0 at padding; `reads` `(B,
            slots)`, how much of the answer was read from each slot, of sum 1.
        """
        found = self.model.answer({"story": story, "question": question})
        _, best = ops.top_k(found["logits"], 1)  # an argmax has no operator in LiteRT's set
        return {
            "answer": ops.cast(ops.squeeze(best, axis=-1), "int32"),
            "probabilities": ops.softmax(found["logits"], axis=-1),
            "alignment": found["gates"],
            "reads": found["reads"],
        }

    def signatures(self) -> tuple[Signature, ...]:
        """Returns `predict`."""
        config = self.model.config
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
                    "probabilities": TensorSpec(("B", config.vocab_size), "float32"),
                    "alignment": TensorSpec(("B", config.slots, "M"), "float32"),
                    "reads": TensorSpec(("B", config.slots), "float32"),
                },
            ),
        )
