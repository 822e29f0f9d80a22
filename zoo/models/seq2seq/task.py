"""What `seq2seq` does: source tokens in, target tokens out, one step at a time."""

from keras import ops

from zoo import decoding
from zoo.config import DecodeConfig
from zoo.models.seq2seq.config import Seq2SeqPreset
from zoo.models.seq2seq.model import Seq2Seq
from zoo.signature import Signature, TensorSpec
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID


class Task:
    """Decoding with a `Seq2Seq`, as `zoo.decoding`, the exporters and the runtimes use it.

    Args:
        model: The model, built.
        decode: How `generate` ranks its hypotheses.
    """

    def __init__(self, model: Seq2Seq, decode: DecodeConfig):
        self.model = model
        self.decode = decode

    @classmethod
    def from_preset(cls, preset: Seq2SeqPreset) -> "Task":
        """Returns the task of `preset` with a new, untrained model."""
        model = Seq2Seq(preset.model)
        model.build()
        return cls(model, preset.decode)

    @property
    def constants(self) -> tuple[str, ...]:
        """The entries of the state that no step changes."""
        return {
            "plain": (),
            "peeky": ("summary",),
            "attention": ("source_states", "source_mask"),
        }[self.model.config.context]

    @property
    def max_source_length(self) -> int:
        """The most source tokens that the model reads."""
        return self.model.config.max_source_length

    @property
    def static_sizes(self) -> dict[str, int]:
        """The sizes of the signatures' axes where they must be fixed, as in LiteRT.

        One row: the converter takes no recurrent loop with an open batch (tensorflow 2.21).
        """
        return {"B": 1, "S": self.max_source_length}

    def start(self, source) -> dict:
        """Returns the state before the first step for `source` `(B, S)` int32."""
        return self.model.encode(source)

    def step(self, tokens, position, state: dict):
        """Returns `(logits, changed, alignment)` after `tokens`; see `Seq2Seq.decode_step`."""
        return self.model.decode_step(tokens, position, state)

    def generate(self, source, *, beam_size: int = 1) -> dict:
        """Returns the best outputs for `source` `(B, S)`; an empty source has an empty output.

        Returns:
            `tokens` `(B, K, T)`, `lengths` `(B, K)`, `scores` `(B, K)` and, with attention,
            `alignment` `(B, K, T, S)`, as in `decoding.Hypotheses`.
        """
        state = self.start(source)
        is_token = ops.not_equal(source, PAD_ID)
        hypotheses = decoding.search(
            self.step,
            state,
            start_id=START_ID,
            end_id=END_ID,
            max_length=self.model.config.max_target_length,
            finished=ops.logical_not(ops.any(is_token, axis=1)),
            beam_size=beam_size,
            length_penalty=self.decode.length_penalty,
            forbidden=(PAD_ID, START_ID),
            constants=self.constants,
            alignment_like=ops.cast(is_token, "float32") if self.has_alignment else None,
        )
        return {name: value for name, value in hypotheses._asdict().items() if value is not None}

    @property
    def has_alignment(self) -> bool:
        """True if outputs are aligned with the source."""
        return self.model.config.context == "attention"

    def signatures(self, *, beam_size: int = 1) -> tuple[Signature, ...]:
        """Returns `generate` with this beam size, `start` and `step`."""
        config = self.model.config
        source = {"source": TensorSpec(("B", "S"), "int32")}
        state = self._state_specs()
        tokens = TensorSpec(("B",), "int32")
        alignment = {"alignment": TensorSpec(("B", "S"), "float32")} if self.has_alignment else {}
        length, beams = config.max_target_length, beam_size
        generated = {
            "tokens": TensorSpec(("B", beams, length), "int32"),
            "lengths": TensorSpec(("B", beams), "int32"),
            "scores": TensorSpec(("B", beams), "float32"),
        }
        if self.has_alignment:
            generated["alignment"] = TensorSpec(("B", beams, length, "S"), "float32")

        def generate(source):
            return self.generate(source, beam_size=beam_size)

        def step(tokens, position, **state):
            logits, changed, weights = self.step(tokens, position, state)
            named = {"logits": logits, **changed}
            return named if weights is None else {**named, "alignment": weights}

        return (
            Signature("generate", generate, source, generated),
            Signature("start", self.start, source, state),
            Signature(
                "step",
                step,
                {"tokens": tokens, "position": TensorSpec((), "int32"), **state},
                {
                    "logits": TensorSpec(("B", config.vocab_size), "float32"),
                    **{name: x for name, x in state.items() if name not in self.constants},
                    **alignment,
                },
            ),
        )

    def _state_specs(self) -> dict[str, TensorSpec]:
        config = self.model.config
        vector = TensorSpec(("B", config.units), "float32")
        sizes = {
            "summary": vector,
            "source_states": TensorSpec(("B", "S", config.units), "float32"),
            "source_mask": TensorSpec(("B", "S"), "bool"),
        }
        letters = ("h", "c") if config.cell == "lstm" else ("h",)
        names = [f"layer_{i}_{letter}" for i in range(config.num_layers) for letter in letters]
        return {name: vector for name in names} | {name: sizes[name] for name in self.constants}
