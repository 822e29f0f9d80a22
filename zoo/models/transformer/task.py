"""What `transformer` does: source tokens in, target tokens out, one step at a time."""

from keras import ops

from zoo.decoding import GenerationTask
from zoo.models.transformer.model import Transformer
from zoo.signature import TensorSpec


class Task(GenerationTask):
    """Decoding with a `Transformer`, the keys and values of past positions kept in the state."""

    model_class = Transformer

    @property
    def constants(self) -> tuple[str, ...]:
        """The entries of the state that no step changes."""
        return tuple(name for name in self.state_specs if "source" in name)

    @property
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state."""
        config = self.model.config
        heads, head_width = config.num_heads, config.width // config.num_heads
        of_target = TensorSpec(("B", heads, config.max_target_length, head_width), "float32")
        source_keys = TensorSpec(("B", heads, head_width, "S"), "float32")
        source_values = TensorSpec(("B", heads, "S", head_width), "float32")
        specs = {"source_mask": TensorSpec(("B", "S"), "bool")}
        for index in range(config.num_decoder_layers):
            specs |= {
                f"layer_{index}_source_keys": source_keys,
                f"layer_{index}_source_values": source_values,
                f"layer_{index}_keys": of_target,
                f"layer_{index}_values": of_target,
            }
        return specs

    @property
    def alignment_spec(self) -> TensorSpec:
        """One step's weights over the source, by head."""
        return TensorSpec(("B", self.model.config.num_heads, "S"), "float32")

    def start(self, source) -> dict:
        """Returns the state before the first step: the encoded source, and room for the target."""
        state = self.model.encode(source)
        for name, spec in self.state_specs.items():
            if name not in state:
                state[name] = ops.zeros((ops.shape(source)[0], *spec.shape[1:]), spec.dtype)
        return state
