"""What `seq2seq` does: source tokens in, target tokens out, one step at a time."""

from zoo.decoding import GenerationTask
from zoo.models.seq2seq.model import Seq2Seq
from zoo.signature import TensorSpec


class Task(GenerationTask):
    """Decoding with a `Seq2Seq`.

    A LiteRT file takes one row: its converter takes no recurrent loop with an open batch
    (tensorflow 2.21).
    """

    model_class = Seq2Seq

    @property
    def constants(self) -> tuple[str, ...]:
        """The entries of the state that no step changes."""
        return {
            "plain": (),
            "peeky": ("summary",),
            "attention": ("source_states", "source_mask"),
        }[self.model.config.context]

    @property
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state."""
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

    @property
    def alignment_spec(self) -> TensorSpec | None:
        """One step's weights over the source, with attention."""
        if self.model.config.context != "attention":
            return None
        return TensorSpec(("B", "S"), "float32")

    def start(self, source) -> dict:
        """Returns the state before the first step for `source` `(B, S)` int32."""
        return self.model.encode(source)

    def step(self, tokens, position, state: dict):
        """Returns `(logits, changed, alignment)` after `tokens`; see `Seq2Seq.decode_step`."""
        return self.model.decode_step(tokens, position, state)
