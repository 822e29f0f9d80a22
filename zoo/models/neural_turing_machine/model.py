"""The Neural Turing machine as a model: a whole sequence, or one step at a time."""

import math

import keras
from keras import ops

from zoo.attention import addressing
from zoo.layers.recurrent import FunctionCell
from zoo.models.neural_turing_machine.config import NeuralTuringMachineConfig

_BOUND = 20.0  # of what sets the heads, and of logits: no exponential overflows
_BLANK = 1e-6  # every number of a memory that heads find their way in by location too


class NeuralTuringMachine(keras.Model):
    """A controller that reads from a memory and writes to it.

    Called with a dict of `inputs` `(B, T, input_width)` float32 and, where sequences are padded at
    their end, `length` `(B,)` int32, it returns a dict:

        logits          (B, T, output_width)
        read_weights    (B, T, read_heads, memory_rows)
        write_weights   (B, T, write_heads, memory_rows)
        memory          (B, memory_rows, memory_width), after the last step

    Steps from `length` on leave the memory as it is; their logits and weights are 0. A model
    without memory returns the logits alone.

    Source: Graves, Wayne and Danihelka, 2014 (arXiv:1410.5401). What the paper leaves open is as in
    Collier and Beel, 2018 (arXiv:1807.08518): the memory begins as one constant, from which they
    found it to learn fastest; a step reads before it writes; the heads' settings are bounded.
    The memory begins as learned numbers, as in the first paper, where `first_memory` says so, and
    where heads go by content alone: rows that are alike would get the same weights for ever.

    Args:
        config: Its sizes and choices.
    """

    def __init__(self, config: NeuralTuringMachineConfig, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        units = config.controller_units
        if config.controller == "lstm":
            self.controller = keras.layers.LSTMCell(units, name="controller")
        else:
            self.controller = keras.layers.Dense(units, activation="tanh", name="controller")
        linear = {"kernel_initializer": "lecun_normal"}
        self.head_settings = None
        if config.memory:
            width = sum(map(math.prod, _setting_shapes(config).values()))
            self.head_settings = keras.layers.Dense(width, name="head_settings", **linear)
        self.readout = keras.layers.Dense(config.output_width, name="readout", **linear)

    def build(self, input_shape=None):
        """Builds every layer, and the state before the first step; the configuration decides."""
        config = self.config
        read_width = config.read_heads * config.memory_width if config.memory else 0
        self.controller.build((None, config.input_width + read_width))
        self.readout.build((None, config.controller_units + read_width))
        if config.controller == "lstm":
            self.first_h = self._add_first("first_h", config.controller_units)
            self.first_c = self._add_first("first_c", config.controller_units)
        if config.memory:
            self.head_settings.build((None, config.controller_units))
            self.first_read_vectors = self._add_first(
                "first_read_vectors", config.read_heads, config.memory_width
            )
            if config.learns_first_memory:
                self.first_memory = self._add_first(
                    "first_memory", config.memory_rows, config.memory_width
                )
            if config.addressing == "full":
                # Drawn wide: rows of one constant differ by nothing else, and heads that begin
                # everywhere at once never part them.
                heads = config.read_heads + config.write_heads
                self.first_focus = self._add_first(
                    "first_focus", heads, config.memory_rows, stddev=1.0
                )
        self.built = True

    def _add_first(self, name: str, *shape: int, stddev: float = 0.1):
        initializer = keras.initializers.RandomNormal(stddev=stddev)
        return self.add_weight(name=name, shape=shape, initializer=initializer)

    def call(self, inputs, training=False):
        """Returns what every step gives, and the memory at the end; see the class."""
        x, length = inputs["inputs"], inputs.get("length")
        batch_size, num_steps = ops.shape(x)[:2]
        is_step = None
        if length is not None:
            is_step = ops.arange(num_steps, dtype="int32")[None] < length[:, None]
        step = self.step
        if training and keras.backend.backend() == "jax":
            # To compute a step again for its gradient takes less time than to keep its dozen
            # memories until then. TensorFlow (2.21) cannot: its loops lose the weights. A function
            # of this call alone, for JAX remembers a function with the weights that it saw.
            step = keras.remat(lambda x, state: self.step(x, state))
        outputs, state = _loop(
            step, x, self.start(batch_size), is_step, _output_shapes(self.config)
        )
        if self.config.memory:
            outputs["memory"] = state["memory"]
        return outputs

    def start(self, batch_size) -> dict:
        """Returns the state before the first step of `batch_size` sequences, by name.

        controller_h, controller_c    (B, controller_units), of an LSTM
        memory                        (B, memory_rows, memory_width)
        read_vectors                  (B, read_heads, memory_width)
        read_weights, write_weights   (B, heads, memory_rows), where addressing goes on from them
        """
        config = self.config
        state = {}
        if config.controller == "lstm":
            state["controller_h"] = ops.tanh(self.first_h)
            state["controller_c"] = ops.convert_to_tensor(self.first_c)
        if config.memory:
            state["read_vectors"] = ops.tanh(self.first_read_vectors)
            if config.learns_first_memory:
                state["memory"] = ops.convert_to_tensor(self.first_memory)
            else:
                state["memory"] = ops.full((config.memory_rows, config.memory_width), _BLANK)
            if config.addressing == "full":
                weights = ops.softmax(self.first_focus, axis=-1)
                state["read_weights"] = weights[: config.read_heads]
                state["write_weights"] = weights[config.read_heads :]
        return {
            name: ops.broadcast_to(first, (batch_size, *first.shape))
            for name, first in state.items()
        }

    def step(self, x, state: dict):
        """Returns what one step gives, and the state after it.

        Args:
            x: `(B, input_width)`.
            state: As `start` or the step before returned it.

        Returns:
            The dict of `logits` `(B, output_width)` and, with a memory, `read_weights` and
            `write_weights` `(B, heads, memory_rows)`; and the new state.
        """
        memory = self.config.memory
        hidden, new = self._control(_beside(x, state["read_vectors"]) if memory else x, state)
        weights = {}
        if memory:
            weights, changed = self._use_memory(hidden, state)
            new |= changed
            hidden = _beside(hidden, new["read_vectors"])
        logits = ops.clip(self.readout(hidden), -_BOUND, _BOUND)
        return {"logits": logits, **weights}, new

    def _control(self, x, state: dict):
        """Returns the controller's output `(B, controller_units)` and its new state."""
        if self.config.controller == "feedforward":
            return self.controller(x), {}
        hidden, (h, c) = self.controller(x, [state["controller_h"], state["controller_c"]])
        return hidden, {"controller_h": h, "controller_c": c}

    def _use_memory(self, hidden, state: dict):
        """Returns the weights of the heads, and the entries of the state that they change."""
        config, memory = self.config, state["memory"]
        settings = self._settings(hidden)
        by_content = {
            "keys": ops.tanh(settings["keys"]),
            "strengths": ops.softplus(settings["strengths"]),
        }
        if config.addressing == "content":
            weights = addressing.content_weights(memory, **by_content)
        else:
            weights = addressing.address(
                memory,
                ops.concatenate([state["read_weights"], state["write_weights"]], axis=1),
                **by_content,
                gates=ops.sigmoid(settings["gates"]),
                shifts=ops.softmax(settings["shifts"], axis=-1),
                sharpness=1.0 + ops.softplus(settings["sharpness"]),
            )
        read_weights = weights[:, : config.read_heads]
        write_weights = weights[:, config.read_heads :]
        changed = {
            "memory": addressing.write(
                memory,
                write_weights,
                erase_vectors=ops.sigmoid(settings["erase_vectors"]),
                add_vectors=ops.tanh(settings["add_vectors"]),
            ),
            "read_vectors": addressing.read(memory, read_weights),
        }
        by_head = {"read_weights": read_weights, "write_weights": write_weights}
        if config.addressing == "full":
            changed |= by_head
        return by_head, changed

    def _settings(self, hidden) -> dict:
        """Returns what the controller says to the heads, `(B, heads, ...)` by name."""
        values = ops.clip(self.head_settings(hidden), -_BOUND, _BOUND)
        return _unpacked(values, _setting_shapes(self.config))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the cross-entropy (nats) of a sequence's answer, on average over the batch.

        Args:
            x: Not read.
            y: The bits to answer, `(B, T, output_width)`.
            y_pred: What the model returned.
            sample_weight: `(B, T)`, 1 at steps of the answer, 0 at the others.
            training: Not read.
        """
        logits = y_pred["logits"]
        costs = ops.softplus(logits) - y * logits  # -log p of each bit
        return ops.mean(ops.sum(costs * sample_weight[:, :, None], axis=(1, 2)))


def _setting_shapes(config: NeuralTuringMachineConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of what the controller says to the heads, those that read first."""
    heads = config.read_heads + config.write_heads
    shapes = {"keys": (heads, config.memory_width), "strengths": (heads,)}
    if config.addressing == "full":
        shapes["gates"] = (heads,)
        shapes["shifts"] = (heads, 2 * config.shift_radius + 1)
        shapes["sharpness"] = (heads,)
    shapes["erase_vectors"] = shapes["add_vectors"] = (config.write_heads, config.memory_width)
    return shapes


def _output_shapes(config: NeuralTuringMachineConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of what one step gives."""
    shapes = {"logits": (config.output_width,)}
    if config.memory:
        shapes["read_weights"] = (config.read_heads, config.memory_rows)
        shapes["write_weights"] = (config.write_heads, config.memory_rows)
    return shapes


def _loop(step, x, state: dict, is_step, output_shapes: dict):
    """Returns what `step` gives at each time, `(B, T, ...)` by name, and the last state.

    Args:
        step: `step(x, state) -> (outputs, state)` for one time.
        x: `(B, T, width)`.
        state: That of the first time.
        is_step: `(B, T)`, False at times that leave the state as it is and give zeros; or None.
        output_shapes: Of what `step` gives, without the batch.

    By `keras.layers.RNN`, which has one tensor in and one out. `is_step` goes along as a column of
    the one in: the layer's own masks (keras 3.15) do not fit a state of three axes on JAX.
    """
    width = x.shape[-1]
    if is_step is not None:
        x = ops.concatenate([x, ops.cast(is_step, x.dtype)[:, :, None]], axis=-1)

    def packed_step(packed, states):
        before = dict(zip(state, states, strict=True))
        outputs, after = step(packed[:, :width], before)
        outputs = _beside(*(outputs[name] for name in output_shapes))
        if is_step is not None:
            goes_on = packed[:, width:] > 0  # (B, 1)
            outputs = ops.where(goes_on, outputs, 0.0)
            for name, value in before.items():
                condition = ops.reshape(goes_on, (-1,) + (1,) * (len(value.shape) - 1))
                after[name] = ops.where(condition, after[name], value)
        return outputs, [after[name] for name in state]

    cell = FunctionCell(packed_step, [value.shape[-1] for value in state.values()])
    layer = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    packed, *last = layer(x, initial_state=list(state.values()))
    return _unpacked(packed, output_shapes), dict(zip(state, last, strict=True))


def _beside(*tensors):
    """Returns tensors `(B, ...)` side by side, `(B, width)`."""
    flat = [ops.reshape(tensor, (-1, math.prod(tensor.shape[1:]))) for tensor in tensors]
    return ops.concatenate(flat, axis=-1)


def _unpacked(packed, shapes: dict) -> dict:
    """Returns the parts of the last axis of `packed` `(..., width)`, each `(..., *shape)`."""
    leading = ops.shape(packed)[:-1]
    tensors, start = {}, 0
    for name, shape in shapes.items():
        width = math.prod(shape)
        tensors[name] = ops.reshape(packed[..., start : start + width], (*leading, *shape))
        start += width
    return tensors
