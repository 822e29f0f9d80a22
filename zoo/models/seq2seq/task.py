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
        config = self.model.config
        if config.context == "attention":
            projects = config.attention.score in ("additive", "concat")
            return ("source_states", "source_mask") + (("source_keys",) if projects else ())
        return ("summary",) if config.context == "peeky" else ()

    @property
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state."""
        config = self.model.config

        def floats(*shape):
            return TensorSpec(("B", *shape), "float32")

        read_only = {
            "summary": floats(config.encoder_width),
            "source_states": floats("S", config.encoder_width),
            "source_mask": TensorSpec(("B", "S"), "bool"),
            "source_keys": floats("S", config.attention.units),
        }
        specs = {
            f"layer_{index}_{name}": floats(config.units)
            for index in range(config.num_layers)
            for name in (("h", "c") if config.cell == "lstm" else ("h",))
        }
        if config.input_feeding:
            specs["fed"] = floats(config.readout_width)
        return specs | {name: read_only[name] for name in self.constants}

    @property
    def alignment_spec(self) -> TensorSpec | None:
        """One step's weights over the source, with attention."""
        if self.model.config.context != "attention":
            return None
        return TensorSpec(("B", "S"), "float32")

    def start(self, source) -> dict:
        """Returns the state before the first step for `source` `(B, S)` int32."""
        return self.model.encode(source)
