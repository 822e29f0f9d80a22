"""What `entity_network` does: a story and a question in, an answer out."""

from zoo.models.entity_network.model import EntityNetwork
from zoo.models.story_task import StoryTask, answered
from zoo.signature import TensorSpec


class Task(StoryTask):
    """Answering with an `EntityNetwork`; see the base class."""

    model_class = EntityNetwork

    def predict(self, story, question) -> dict:
        """Returns what the base class says, `alignment` `(B, slots, M)` and `reads` `(B, slots)`.

        They are how far each slot opened to each sentence, 0 to 1, 0 at padding; and how much of
        the answer was read from each slot, of sum 1.
        """
        found = self.model.answer({"story": story, "question": question})
        return answered(found["logits"]) | {"alignment": found["gates"], "reads": found["reads"]}

    def looks(self) -> dict[str, TensorSpec]:
        """Returns `alignment` and `reads`."""
        slots = self.model.config.slots
        return {
            "alignment": TensorSpec(("B", slots, "M"), "float32"),
            "reads": TensorSpec(("B", slots), "float32"),
        }
