"""What `neural_turing_machine` does: a sequence in, its answer and the memory out; or by steps.

    predict   a whole sequence at once
    start     the state before the first step
    step      one step of a stream: the state goes in and comes out, the memory with it

What feeds a stream piece by piece keeps the state between its pieces, and may read the memory and
the answer so far at any time.
"""

import keras
from keras import ops

from zoo.config import Preset
from zoo.models.neural_turing_machine.model import NeuralTuringMachine
from zoo.signature import Signature, TensorSpec


class Task:
    """A `NeuralTuringMachine` as the exporters and the runtimes use it.

    Args:
        model: The model, built.
    """

    def __init__(self, model: keras.Model):
        self.model = model

    @classmethod
    def from_preset(cls, preset: Preset) -> "Task":
        """Returns the task of `preset` with a new, untrained model."""
        model = NeuralTuringMachine(preset.model)
        model.build()
        return cls(model)

    @property
    def static_sizes(self) -> dict[str, int]:
        """The sizes of the signatures' axes where they must be fixed, as in LiteRT."""
        return {"B": 1, "T": self.model.config.max_length}

    @property
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state; see `NeuralTuringMachine.start`."""
        config = self.model.config
        shapes = {}
        if config.controller == "lstm":
            shapes["controller_h"] = shapes["controller_c"] = (config.controller_units,)
        if config.memory:
            shapes["memory"] = (config.memory_rows, config.memory_width)
            shapes["read_vectors"] = (config.read_heads, config.memory_width)
            if config.addressing == "full":
                shapes |= self._weight_shapes
        return {name: TensorSpec(("B", *shape), "float32") for name, shape in shapes.items()}

    @property
    def _weight_shapes(self) -> dict[str, tuple[int, int]]:
        config = self.model.config
        if not config.memory:
            return {}
        return {
            "read_weights": (config.read_heads, config.memory_rows),
            "write_weights": (config.write_heads, config.memory_rows),
        }

    def predict(self, inputs, length) -> dict:
        """Returns the answer to whole sequences, and how the memory was used.

        Args:
            inputs: `(B, T, input_width)` float32.
            length: `(B,)` int32, the steps of each sequence. What comes after them changes
                nothing, and there all that comes out is 0.

        Returns:
            `outputs` `(B, T, output_width)`, the probability that each bit is 1; with a memory,
            `read_weights` and `write_weights` `(B, T, heads, memory_rows)` and, after the last
            step, `memory` `(B, memory_rows, memory_width)`.
        """
        found = self.model({"inputs": inputs, "length": length})
        is_step = ops.arange(ops.shape(inputs)[1], dtype="int32")[None] < length[:, None]
        logits = found.pop("logits")
        return {"outputs": ops.where(is_step[:, :, None], ops.sigmoid(logits), 0.0), **found}

    def start(self, streams) -> dict:
        """Returns the state before the first step.

        Args:
            streams: `(B,)` int32, a number for each stream to begin. Which numbers says nothing.
        """
        return self.model.start(ops.shape(streams)[0])

    def step(self, inputs, **state) -> dict:
        """Returns one step's answer, its weights, and the state after it.

        Args:
            inputs: `(B, input_width)` float32.
            **state: As `start` or the step before returned it.

        Returns:
            `outputs` `(B, output_width)`, probabilities; with a memory, `read_weights` and
            `write_weights` `(B, heads, memory_rows)`; and every entry of the state.
        """
        outputs, state = self.model.step(inputs, state)
        logits = outputs.pop("logits")
        return {"outputs": ops.sigmoid(logits), **outputs, **state}

    def signatures(self) -> tuple[Signature, ...]:
        """Returns `predict`, `start` and `step`."""
        config, state = self.model.config, self.state_specs
        weights = self._weight_shapes.items()
        predicted = {
            "outputs": TensorSpec(("B", "T", config.output_width), "float32"),
            **{name: TensorSpec(("B", "T", *shape), "float32") for name, shape in weights},
        }
        if config.memory:
            predicted["memory"] = state["memory"]
        sequences = {
            "inputs": TensorSpec(("B", "T", config.input_width), "float32"),
            "length": TensorSpec(("B",), "int32"),
        }
        stepped = {
            "outputs": TensorSpec(("B", config.output_width), "float32"),
            **{name: TensorSpec(("B", *shape), "float32") for name, shape in weights},
            **state,
        }
        piece = {"inputs": TensorSpec(("B", config.input_width), "float32")}
        return (
            Signature("predict", self.predict, sequences, predicted),
            Signature("start", self.start, {"streams": TensorSpec(("B",), "int32")}, state),
            Signature("step", self.step, {**piece, **state}, stepped),
        )
