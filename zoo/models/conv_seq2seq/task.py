"""What `conv_seq2seq` does: source tokens in, target tokens out, one step at a time."""

from keras import ops

from zoo.decoding import GenerationTask
from zoo.models.conv_seq2seq.model import ConvSeq2Seq
from zoo.signature import TensorSpec


class Task(GenerationTask):
    """Decoding with a `ConvSeq2Seq`; the state keeps what a convolution still has to read."""

    model_class = ConvSeq2Seq

    @property
    def constants(self) -> tuple[str, ...]:
        """The entries of the state that no step changes."""
        return ("source_keys", "source_values", "source_mask")

    @property
    def state_specs(self) -> dict[str, TensorSpec]:
        """Every entry of the state."""
        config = self.model.config
        width = config.embedding_width
        kept = TensorSpec(("B", config.decoder_kernel_width - 1, config.width), "float32")
        return {
            "source_keys": TensorSpec(("B", width, "S"), "float32"),
            "source_values": TensorSpec(("B", "S", width), "float32"),
            "source_mask": TensorSpec(("B", "S"), "bool"),
            **{f"layer_{index}_inputs": kept for index in range(config.num_decoder_layers)},
        }

    @property
    def alignment_spec(self) -> TensorSpec:
        """One step's weights over the source, the mean of all layers."""
        return TensorSpec(("B", "S"), "float32")

    def start(self, source) -> dict:
        """Returns the state before the first step: the encoded source, and nothing read."""
        state = self.model.encode(source)
        for name, spec in self.state_specs.items():
            if name not in state:
                state[name] = ops.zeros((ops.shape(source)[0], *spec.shape[1:]), spec.dtype)
        return state
