"""What `memory_network` does: a story and a question in, an answer out."""

from zoo.models.memory_network.model import MemoryNetwork
from zoo.models.story_task import StoryTask, answered
from zoo.signature import TensorSpec


class Task(StoryTask):
    """Answering with a `MemoryNetwork`; see the base class."""

    model_class = MemoryNetwork

    def predict(self, story, question) -> dict:
        """Returns what the base class says, and `alignment` `(B, hops, M)`.

        That is each hop's weights over the sentences, 0 at padding.
        """
        logits, alignment = self.model.answer({"story": story, "question": question})
        return answered(logits) | {"alignment": alignment}

    def looks(self) -> dict[str, TensorSpec]:
        """Returns `alignment`."""
        return {"alignment": TensorSpec(("B", self.model.config.hops, "M"), "float32")}
