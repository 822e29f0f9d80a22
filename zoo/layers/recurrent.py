"""Recurrent layers one above the other, run over a whole sequence or one step at a time."""

import keras
from keras import ops

LAYERS = {
    "simple": keras.layers.SimpleRNN,
    "gru": keras.layers.GRU,
    "lstm": keras.layers.LSTM,
}


def state_names(cell: str) -> tuple[str, ...]:
    """Returns the names of one layer's state tensors, the output first."""
    return ("h", "c") if cell == "lstm" else ("h",)


def loop(step, inputs: dict, states: dict, output_widths: dict) -> dict:
    """Returns what `step` gives at each time, `(B, T, width)` by name; gradients pass.

    Args:
        step: `step(inputs, states) -> (outputs, states)`, each a dict of `(B, width)` by name. It
            may read tensors from outside; it may not draw random numbers.
        inputs: `(B, T, width)` by name, float.
        states: Those of the first step.
        output_widths: Of what `step` gives.

    By `keras.layers.RNN`, which has one tensor in and one out. `ops.scan` (keras 3.15) sets no
    bound to its iterations on TensorFlow, and XLA has no gradients of such a loop.
    """
    input_widths = {name: ops.shape(value)[-1] for name, value in inputs.items()}

    def packed_step(packed, state_list):
        outputs, new = step(
            _unpacked(packed, input_widths), dict(zip(states, state_list, strict=True))
        )
        return _packed(outputs, output_widths), [new[name] for name in states]

    cell = FunctionCell(packed_step, [state.shape[-1] for state in states.values()])
    layer = keras.layers.RNN(cell, return_sequences=True)
    packed = layer(_packed(inputs, input_widths), initial_state=list(states.values()))
    return _unpacked(packed, output_widths)


class FunctionCell(keras.layers.Layer):
    """A function as the cell of `keras.layers.RNN`.

    Args:
        step: `step(inputs, states) -> (output, states)`, the states a list.
        state_size: Of each state, its last axis or all but the batch.
    """

    def __init__(self, step, state_size: list):
        super().__init__()
        self.step = step
        self.state_size = state_size
        self.built = True

    def call(self, inputs, states):
        """Returns what the function does."""
        return self.step(inputs, states)


def _packed(tensors: dict, widths: dict):
    return ops.concatenate([tensors[name] for name in widths], axis=-1)


def _unpacked(packed, widths: dict) -> dict:
    tensors, start = {}, 0
    for name, width in widths.items():
        tensors[name] = packed[..., start : start + width]
        start = start + width
    return tensors


class RecurrentStack(keras.layers.Layer):
    """Recurrent layers one above the other, reading forwards.

    States are one list a layer of `(B, units)` tensors in the order of `state_names(cell)`.

    Args:
        cell: A key of `LAYERS`.
        units: Width of every layer.
        num_layers: How many.
        dropout: Fraction of every layer's inputs dropped in training, 0 to 1.
    """

    def __init__(self, *, cell: str, units: int, num_layers: int, dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True  # `call` reads the mask
        self.recurrent_layers = [
            # use_cudnn=False: a graph traced on a GPU would else hold operators that no CPU serves.
            LAYERS[cell](
                units,
                return_sequences=True,
                return_state=True,
                name=f"layer_{index}",
                **({} if cell == "simple" else {"use_cudnn": False}),
            )
            for index in range(num_layers)
        ]
        self.dropout = keras.layers.Dropout(dropout)

    def build(self, input_shape):
        """Builds every layer at the width of the one below."""
        for layer in self.recurrent_layers:
            layer.build(input_shape)
            input_shape = (*input_shape[:-1], layer.units)

    def call(self, x, *, mask=None, initial_states=None, training=False):
        """Returns the top layer's outputs `(B, T, units)` and every layer's last states.

        A position where `mask` `(B, T)` is False leaves the state as it was.
        """
        states = []
        for index, layer in enumerate(self.recurrent_layers):
            x, *last = layer(
                self.dropout(x, training=training),
                mask=mask,
                initial_state=None if initial_states is None else initial_states[index],
                training=training,
            )
            states.append(last)
        return x, states

    def step(self, x, states, *, factors=()):
        """Returns the top output `(B, units)` for one input `(B, D)`, and the new states.

        Args:
            x: The bottom layer's input.
            states: Every layer's, as `call` returns them.
            factors: What dropout multiplies every layer's input by, `(B, width)` each: one step of
                `dropout_factors`. Empty drops nothing.
        """
        new_states = []
        for index, (layer, state) in enumerate(zip(self.recurrent_layers, states, strict=True)):
            if factors:
                x = x * factors[index]
            x, new_state = layer.cell(x, state)
            new_states.append(list(new_state))
        return x, new_states

    def dropout_factors(self, batch_size, length):
        """Returns what dropout multiplies each layer's inputs by in training, `(B, T, width)` each.

        For a loop over `step`, whose body is no place to draw in. Empty where nothing is dropped.
        """
        if not self.dropout.rate:
            return []
        return [
            self.dropout(ops.ones((batch_size, length, layer.cell.kernel.shape[0])), training=True)
            for layer in self.recurrent_layers
        ]


class RecurrentEncoder(keras.layers.Layer):
    """Reads a source forwards, backwards or both ways.

    Outputs are in the order of the source, whichever way it was read. Read both ways, a layer's
    output is its two halves side by side, `units / 2` each, and the next layer reads both; the
    state has the same width as that of an encoder that reads one way.

    Args:
        cell: A key of `LAYERS`.
        units: Width of every layer, even if `bidirectional`.
        num_layers: How many.
        bidirectional: Read both ways.
        reverse: Read from the last token to the first; nothing else for a bidirectional encoder.
        dropout: Fraction of every layer's inputs dropped in training, 0 to 1.
    """

    def __init__(
        self,
        *,
        cell: str,
        units: int,
        num_layers: int,
        bidirectional: bool = False,
        reverse: bool = False,
        dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_masking = True  # `call` reads the mask
        self.reverse = reverse
        if bidirectional:
            sizes = {"cell": cell, "units": units // 2, "num_layers": 1, "dropout": dropout}
            self.forward_stacks = [
                RecurrentStack(**sizes, name=f"forward_{index}") for index in range(num_layers)
            ]
            self.backward_stacks = [
                RecurrentStack(**sizes, name=f"backward_{index}") for index in range(num_layers)
            ]
        else:
            stack = RecurrentStack(
                cell=cell, units=units, num_layers=num_layers, dropout=dropout, name="stack"
            )
            self.forward_stacks, self.backward_stacks = [stack], []

    def build(self, input_shape):
        """Builds every stack at the width of the one below."""
        for index, stack in enumerate(self.forward_stacks):
            stack.build(input_shape)
            if self.backward_stacks:
                self.backward_stacks[index].build(input_shape)
                width = 2 * stack.recurrent_layers[-1].units
                input_shape = (*input_shape[:-1], width)

    def call(self, x, *, mask, training=False):
        """Returns the top outputs `(B, S, units)` and every layer's last states.

        Positions where `mask` `(B, S)` is False are skipped in either direction; what stands at
        them in the outputs is of no meaning.
        """
        if not self.backward_stacks:
            return _read(self.forward_stacks[0], x, mask, self.reverse, training)
        states = []
        for forward, backward in zip(self.forward_stacks, self.backward_stacks, strict=True):
            ahead, [ahead_state] = _read(forward, x, mask, False, training)
            back, [back_state] = _read(backward, x, mask, True, training)
            x = ops.concatenate([ahead, back], axis=-1)  # (B, S, units)
            states.append(
                [
                    ops.concatenate(halves, axis=-1)
                    for halves in zip(ahead_state, back_state, strict=True)
                ]
            )
        return x, states


def _read(stack: RecurrentStack, x, mask, reverse: bool, training: bool):
    """Runs `stack` over `x` in either direction, the outputs in the order of `x`.

    Reversing by hand, with the mask: padding at the end comes first and leaves the zero state as
    it is.
    """
    if not reverse:
        return stack(x, mask=mask, training=training)
    x, states = stack(ops.flip(x, axis=1), mask=ops.flip(mask, axis=1), training=training)
    return ops.flip(x, axis=1), states
