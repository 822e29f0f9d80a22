"""Sequences of vectors in, vectors of bits out, over an engine that runs signatures."""

from collections.abc import Iterable, Sequence

import numpy as np

from zoo.config import Preset
from zoo.data.algorithmic import TASKS, Sequences
from zoo.errors import ZooError
from zoo.runtime.engine import Engine
from zoo.runtime.inputs import as_sequences
from zoo.runtime.result import Written


def encode_sequences(sequences: Sequence[Sequences], length: int) -> dict[str, np.ndarray]:
    """Returns `inputs` `(N, length, input_width)` and `length` `(N,)` of sequences of one each."""
    inputs = [np.pad(x.inputs[0], [(0, length - x.inputs.shape[1]), (0, 0)]) for x in sequences]
    lengths = [x.inputs.shape[1] for x in sequences]
    return {"inputs": np.stack(inputs).astype("float32"), "length": np.array(lengths, "int32")}


class SequenceModel:
    """A loaded model: call it with sequences of the task that it learned.

    Args:
        engine: What runs its signatures.
        preset: What it was trained as.
    """

    signature = "predict"  # the one that it calls

    def __init__(self, engine: Engine, preset: Preset):
        self.engine = engine
        self._task = TASKS[preset.data.name]()
        self._max_length = preset.model.max_length

    def read(self, line: str) -> Sequences:
        """Returns the sequence that a line says, in the form of the task.

        Raises:
            ZooError: If the line has another form; the message shows one that is right.
        """
        return self._task.encode(line)

    def __call__(
        self, sequences: Iterable[Sequences | str], *, first_line: int = 1
    ) -> list[Written]:
        """Returns what the model writes for each sequence, in order.

        Args:
            sequences: What to read, one each; or as they are typed.
            first_line: The line number of the first sequence, for errors.

        Raises:
            ZooError: If a sequence has more steps than the engine takes, or is typed wrongly.
        """
        sequences = as_sequences(sequences, self._task)
        for line, sequence in enumerate(sequences, start=first_line):
            self._require_room(line, sequence)
        # Sequences of about one length share a batch, so that little of it is padding.
        order = sorted(range(len(sequences)), key=lambda index: sequences[index].inputs.shape[1])
        size = self.engine.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        inputs = [self._inputs([sequences[index] for index in batch]) for batch in batches]
        outputs = self.engine.run_all(self.signature, inputs)
        written = {
            index: self._written(sequences[index], answer, row)
            for batch, answer in zip(batches, outputs, strict=True)
            for row, index in enumerate(batch)
        }
        return [written[index] for index in range(len(sequences))]

    def _require_room(self, line: int, sequence: Sequences) -> None:
        length = sequence.inputs.shape[1]
        if self.engine.length_step is None and length > self._max_length:
            raise ZooError(
                f"Line {line} takes {length} steps. The file has room for {self._max_length}; "
                "the runtimes saved_model and keras take any."
            )

    def _inputs(self, sequences: list[Sequences]) -> dict[str, np.ndarray]:
        length = self._max_length
        if self.engine.length_step is not None:
            length = max(sequence.inputs.shape[1] for sequence in sequences)
        return encode_sequences(sequences, length)

    def _written(self, sequence: Sequences, outputs: dict[str, np.ndarray], row: int) -> Written:
        length = sequence.inputs.shape[1]
        probabilities = outputs["outputs"][row, :length]
        weights = {
            name: outputs[name][row, :length]
            for name in ("write_weights", "read_weights")
            if name in outputs
        }
        return Written(
            text=self._task.decode(probabilities[sequence.mask[0]]),
            inputs=sequence.inputs[0],
            outputs=probabilities,
            mask=sequence.mask[0],
            **weights,
        )
