"""The decoder's recurrence: who asks the source, and where the answer goes.

    luong         s = cell(y, before)           c = attend(s)       arXiv:1508.04025, section 3
      feeding     s = cell([y; h], before)      c = attend(s)       h = tanh(W [c; s]), section 3.3
    bahdanau      c = attend(before)            s = cell([y; c], before)      arXiv:1409.0473
    conditional   a = first_cell(y, before)     c = attend(a)       s = cell(c, a)

y is the embedding of the token before, s the new state and c the context. The conditional order is
that of Nematus (Sennrich et al., 2017, arXiv:1703.04357). Of a deep decoder the top layer's state
asks and the bottom layer reads the context; a conditional pair is the bottom layer, and the state
between its cells asks.
"""

from keras import ops

from zoo.layers import recurrent
from zoo.models.seq2seq.config import Seq2SeqConfig


class Decoder:
    """Runs a decoder's layers and its attention in the order of the configuration.

    It has no weights of its own: the layers are the model's. Its outputs are dicts of `top`, what
    the readout reads of the decoder's state, `(B, T, D)`, and the fields of `attention.Attended`
    where the decoder attends.

    Args:
        config: The model's.
        stack: The recurrent layers.
        attention: `attention.Attention`, or None where the decoder does not attend.
        first_cell: That of the conditional order.
        hidden_readout: The layer whose output is fed, with input feeding.
    """

    def __init__(
        self,
        config: Seq2SeqConfig,
        *,
        stack: recurrent.RecurrentStack,
        attention=None,
        first_cell=None,
        hidden_readout=None,
    ):
        self.config = config
        self._stack = stack
        self._attention = attention
        self._first_cell = first_cell
        self._hidden_readout = hidden_readout

    def run(self, x, state: dict, *, draws: dict | None = None, training: bool = False) -> dict:
        """Returns the outputs of all steps of teacher forcing, `(B, T, ...)` each.

        Args:
            x: `(B, T, E)`, the embeddings of the tokens before.
            state: Before the first step.
            draws: As in `Attention.call`.
            training: Whether dropout drops.
        """
        batch_size, length = ops.shape(x)[:2]
        positions = ops.arange(length, dtype="int32")
        if self.config.has_feedback:
            factors = self._stack.dropout_factors(batch_size, length) if training else []
            return self._loop(x, positions, state, factors, draws or {})
        # No context enters a cell: the layers read the whole target, then all states ask at once.
        if self.config.context == "peeky":
            summary = ops.repeat(state["summary"][:, None], length, axis=1)
            x = ops.concatenate([summary, x], axis=-1)
        top, _ = self._stack(x, initial_states=self._layer_states(state), training=training)
        if self.config.context == "peeky":
            return {"top": top, "context": summary}
        return {"top": top, **self._attend(top, positions, state, draws)}

    def step(self, x, position, state: dict, *, factors=(), draws=None):
        """Returns one step's outputs, `(B, ...)` each, and the entries of the state it changed.

        Args:
            x: `(B, E)`, what the cells read of the token before.
            position: Scalar int32, how many tokens came before that one.
            state: Before the step.
            factors: As in `RecurrentStack.step`.
            draws: As in `Attention.call`, for this step.
        """
        step = {
            "luong": self._luong_step,
            "bahdanau": self._bahdanau_step,
            "conditional": self._conditional_step,
        }[self.config.order]
        outputs, layers = step(x, self._layer_states(state), position, state, factors, draws)
        changed = self._named(layers)
        if self.config.input_feeding:
            changed["fed"] = self._hidden_readout(outputs)
        return outputs, changed

    def _luong_step(self, x, layers, position, state, factors, draws):
        outputs = {}
        if self.config.context == "peeky":
            outputs["context"] = state["summary"]
            x = ops.concatenate([state["summary"], x], axis=-1)
        if self.config.input_feeding:
            x = ops.concatenate([x, state["fed"]], axis=-1)
        top, layers = self._stack.step(x, layers, factors=factors)
        return {"top": top, **outputs, **self._attend_once(top, position, state, draws)}, layers

    def _bahdanau_step(self, x, layers, position, state, factors, draws):
        asking = layers[-1][0]
        outputs = self._attend_once(asking, position, state, draws)
        x = ops.concatenate([x, outputs["context"]], axis=-1)
        top, layers = self._stack.step(x, layers, factors=factors)
        # The maxout readout reads the state that asked (arXiv:1409.0473, A.2.2).
        return {"top": asking if self.config.readout == "maxout" else top, **outputs}, layers

    def _conditional_step(self, x, layers, position, state, factors, draws):
        asking, between = self._first_cell(x, layers[0])
        outputs = self._attend_once(asking, position, state, draws)
        layers = [list(between), *layers[1:]]
        top, layers = self._stack.step(outputs["context"], layers, factors=factors)
        return {"top": top, **outputs}, layers

    def _loop(self, x, positions, state: dict, factors: list, draws: dict) -> dict:
        """Returns the outputs of all steps, one after the other."""
        steps = {
            "x": x,
            "position": ops.ones_like(x[:, :, :1]) * ops.cast(positions, x.dtype)[:, None],
            **{f"factors_{index}": factor for index, factor in enumerate(factors)},
        }
        widths = {"top": self.config.units, "context": self.config.encoder_width}
        if "noise" in draws:
            steps["noise"] = draws["noise"]
            # For the loss; else nobody asks for the weights of teacher forcing.
            widths["weights"] = widths["probabilities"] = ops.shape(draws["noise"])[-1]

        def step(now, before):
            return self.step(
                now["x"],
                ops.cast(now["position"][0, 0], "int32"),
                {**state, **before},
                factors=[now[f"factors_{index}"] for index in range(len(factors))],
                draws={**draws, "noise": now["noise"][:, None]} if "noise" in now else {},
            )

        first = self._named(self._layer_states(state))
        if self.config.input_feeding:
            first["fed"] = state["fed"]
        return recurrent.loop(step, steps, first, widths)

    def _attend(self, query, positions, state: dict, draws) -> dict:
        """Returns what queries `(B, T, D)` get of the source, by name."""
        if self._attention is None:
            return {}
        return self._attention(
            query,
            state["source_states"],
            source_mask=state["source_mask"],
            positions=positions,
            source_keys=state.get("source_keys"),
            draws=draws,
        )._asdict()

    def _attend_once(self, query, position, state: dict, draws) -> dict:
        """Returns what one query `(B, D)` gets, `(B, ...)` each."""
        query, position = ops.expand_dims(query, 1), ops.reshape(position, (1,))
        found = self._attend(query, position, state, draws)
        return {name: ops.squeeze(value, 1) for name, value in found.items()}

    def _layer_states(self, state: dict) -> list[list]:
        names = recurrent.state_names(self.config.cell)
        return [
            [state[f"layer_{index}_{name}"] for name in names]
            for index in range(self.config.num_layers)
        ]

    def _named(self, layers: list[list]) -> dict:
        names = recurrent.state_names(self.config.cell)
        return {
            f"layer_{index}_{name}": tensor
            for index, tensors in enumerate(layers)
            for name, tensor in zip(names, tensors, strict=True)
        }
