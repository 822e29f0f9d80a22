"""Runs a `.tflite` file on LiteRT, without TensorFlow."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from zoo.config import unknown_name
from zoo.errors import ZooError


class LiteRTEngine:
    """Runs the signatures of a `.tflite` file.

    Args:
        content: The file's bytes.

    Raises:
        ZooError: If they are no LiteRT model, or one with operators that LiteRT does not have.
    """

    def __init__(self, content: bytes):
        try:
            # One thread: at these sizes a second one costs more than it brings.
            self._interpreter = Interpreter(model_content=content, num_threads=1)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ZooError(f"LiteRT cannot open the model: {reason}") from error
        self._runners = {
            name: self._interpreter.get_signature_runner(name)
            for name in self._interpreter.get_signature_list()
        }
        shape = self._runners["generate"].get_input_details()["source"]["shape"]
        self._source_shape = tuple(int(size) for size in shape)
        self.batch_size = self._source_shape[0]
        # LiteRT prepares a signature at its first call. An empty source is the cheapest one.
        self.run("generate", source=np.zeros(self._source_shape, np.int32))

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name.

        Raises:
            ZooError: If the file has no such signature.
        """
        if signature not in self._runners:
            raise ZooError(unknown_name("signature", signature, self._runners))
        return self._runners[signature](**inputs)

    def source_length(self, longest: int = 0) -> int:
        """Returns the one length that the file was exported with."""
        return self._source_shape[1]

    def signatures(self) -> dict:
        """Returns the shape and dtype of every input and output, as a manifest states them."""
        return {
            name: {
                "inputs": _specs(runner.get_input_details()),
                "outputs": _specs(runner.get_output_details()),
            }
            for name, runner in self._runners.items()
        }


def _specs(details: dict) -> dict:
    return {
        name: {
            "shape": [int(size) for size in facts["shape"]],
            "dtype": np.dtype(facts["dtype"]).name,
        }
        for name, facts in sorted(details.items())
    }
