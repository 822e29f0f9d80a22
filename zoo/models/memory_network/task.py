"""What `memory_network` does: a story and a question in, an answer out."""

import keras

from zoo.models.memory_network.model import MemoryNetwork
from zoo.models.story_task import StoryTask, answered
from zoo.signature import TensorSpec


class Task(StoryTask):
    """Answering with a `MemoryNetwork`; see the base class."""

    model_class = MemoryNetwork

    def __init__(self, model: MemoryNetwork):
        super().__init__(model)
        self._row_tables = None

    def predict(self, story, question) -> dict:
        """Returns what the base class says, and `alignment` `(B, hops, M)`.

        That is each hop's weights over the sentences, 0 at padding.
        """
        inputs = {"story": story, "question": question}
        logits, alignment = self.model.answer(inputs, self._row_tables)
        return answered(logits) | {"alignment": alignment}

    def looks(self) -> dict[str, TensorSpec]:
        """Returns `alignment`."""
        return {"alignment": TensorSpec(("B", self.model.config.hops, "M"), "float32")}

    def keep_kernels(self) -> list[keras.Variable]:
        """Computes the tables of rows once for all; see the base class."""
        self._row_tables = keras.tree.map_structure(
            lambda table: keras.Variable(table, trainable=False), self.model.row_tables()
        )
        return keras.tree.flatten(self._row_tables)
