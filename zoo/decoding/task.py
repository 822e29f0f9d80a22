"""What every model that generates does: source tokens in, target tokens out, a step at a time."""

import abc
from typing import ClassVar

import keras
from keras import ops

from zoo.config import DecodeConfig, Preset
from zoo.decoding.search import search
from zoo.signature import Signature, TensorSpec
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID


class GenerationTask(abc.ABC):
    """Decoding with a model, as the exporters and the runtimes use it.

    A family's task says which model it is (`model_class`, `state_specs`, `constants`,
    `alignment_spec`) and how to begin (`start`).

    Args:
        model: The model, built; its `config` has `vocab_size`, `max_source_length` and
            `max_target_length`, its `decode_step(tokens, position, state, kernels)` is one step,
            and its `decoder_kernels()` is what all steps read, a nest of tensors.
        decode: How `generate` ranks its hypotheses.
    """

    model_class: ClassVar[type[keras.Model]]

    def __init__(self, model: keras.Model, decode: DecodeConfig):
        self.model = model
        self.decode = decode
        self._kernels = None

    @classmethod
    def from_preset(cls, preset: Preset) -> "GenerationTask":
        """Returns the task of `preset` with a new, untrained model."""
        model = cls.model_class(preset.model)
        model.build()
        return cls(model, preset.decode)

    @property
    def max_source_length(self) -> int:
        """The most source tokens that the model reads."""
        return self.model.config.max_source_length

    @property
    def static_sizes(self) -> dict[str, int]:
        """The sizes of the signatures' axes where they must be fixed, as in LiteRT."""
        return {"B": 1, "S": self.max_source_length}

    @property
    @abc.abstractmethod
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state; each has the batch as its first axis."""

    @property
    @abc.abstractmethod
    def constants(self) -> tuple[str, ...]:
        """The entries of the state that no step changes."""

    @property
    @abc.abstractmethod
    def alignment_spec(self) -> TensorSpec | None:
        """One step's alignment `(B, ..., S)`, or None for a model that has none."""

    @abc.abstractmethod
    def start(self, source) -> dict:
        """Returns the state before the first step for `source` `(B, S)` int32."""

    def step(self, tokens, position, state: dict):
        """Returns `(logits, changed, alignment)` after `tokens` `(B,)` at `position`, a scalar.

        Logits `(B, V)` of the next token, the entries of the state that changed, and the alignment
        or None.
        """
        return self._stepper()(tokens, position, state)

    def _stepper(self):
        """Returns what a loop calls in place of `step`; computes the kernels, once for all."""
        kernels = self.model.decoder_kernels() if self._kernels is None else self._kernels

        def step(tokens, position, state):
            return self.model.decode_step(tokens, position, state, kernels)

        return step

    def keep_kernels(self) -> list[keras.Variable]:
        """Computes the decoder's kernels once for all, where the weights change no more.

        Returns:
            The variables that they are kept in, which are none of the model's.
        """
        self._kernels = keras.tree.map_structure(
            lambda kernel: keras.Variable(kernel, trainable=False), self.model.decoder_kernels()
        )
        return keras.tree.flatten(self._kernels)

    def generate(self, source, *, beam_size: int = 1) -> dict:
        """Returns the best outputs for `source` `(B, S)`; an empty source has an empty output.

        Returns:
            `tokens` `(B, K, T)`, `lengths` `(B, K)`, `scores` `(B, K)` and, where there is one,
            `alignment` `(B, K, T, ..., S)`, as in `decoding.Hypotheses`.
        """
        is_token = ops.not_equal(source, PAD_ID)
        alignment_like = None
        if self.alignment_spec is not None:
            alignment_like = ops.cast(is_token, "float32")
            for axis, size in enumerate(self.alignment_spec.shape[1:-1], start=1):
                alignment_like = ops.repeat(ops.expand_dims(alignment_like, axis), size, axis=axis)
        hypotheses = search(
            self._stepper(),
            self.start(source),
            start_id=START_ID,
            end_id=END_ID,
            max_length=self.model.config.max_target_length,
            finished=ops.logical_not(ops.any(is_token, axis=1)),
            beam_size=beam_size,
            length_penalty=self.decode.length_penalty,
            forbidden=(PAD_ID, START_ID),
            constants=self.constants,
            alignment_like=alignment_like,
        )
        return {name: value for name, value in hypotheses._asdict().items() if value is not None}

    def signatures(self, *, beam_size: int = 1) -> tuple[Signature, ...]:
        """Returns `generate` with this beam size, `start` and `step`."""
        config = self.model.config
        source = {"source": TensorSpec(("B", "S"), "int32")}
        state = self.state_specs
        length, beams = config.max_target_length, beam_size
        generated = {
            "tokens": TensorSpec(("B", beams, length), "int32"),
            "lengths": TensorSpec(("B", beams), "int32"),
            "scores": TensorSpec(("B", beams), "float32"),
        }
        stepped = {
            "logits": TensorSpec(("B", config.vocab_size), "float32"),
            **{name: spec for name, spec in state.items() if name not in self.constants},
        }
        if (aligned := self.alignment_spec) is not None:
            shape = ("B", beams, length, *aligned.shape[1:])
            generated["alignment"] = TensorSpec(shape, aligned.dtype)
            stepped["alignment"] = aligned

        def generate(source):
            return self.generate(source, beam_size=beam_size)

        def step(tokens, position, **state):
            logits, changed, alignment = self.step(tokens, position, state)
            named = {"logits": logits, **changed}
            return named if alignment is None else {**named, "alignment": alignment}

        asked = {
            "tokens": TensorSpec(("B",), "int32"),
            "position": TensorSpec((), "int32"),
            **state,
        }
        return (
            Signature("generate", generate, source, generated),
            Signature("start", self.start, source, state),
            Signature("step", step, asked, stepped),
        )
