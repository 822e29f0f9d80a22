"""Runs a SavedModel in TensorFlow."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

# TensorFlow's kernels of oneDNN keep something for every shape that they meet, so that a server's
# memory grows with the variety of its requests; and they take 75 us for the small products of one
# decode step where Eigen's take 3 (tensorflow 2.21). Read when TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the operators of the tokenizer)

from zoo.config import unknown_name
from zoo.errors import ZooError

# What it raises when a graph refuses its inputs.
INPUT_ERRORS = (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError)


class SavedModelEngine:
    """Runs the signatures of a SavedModel.

    Args:
        folder: That of `saved_model.pb`.

    Raises:
        ZooError: If it cannot be loaded.
    """

    batch_size = 64
    length_step = 1

    def __init__(self, folder: Path):
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())
            raise ZooError(
                f"TensorFlow cannot load the SavedModel in {folder}: {reason}"
            ) from error

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name.

        Raises:
            ZooError: If the SavedModel has no such signature.
        """
        if signature not in self._loaded.signatures:
            raise ZooError(unknown_name("signature", signature, self._loaded.signatures))
        tensors = {
            name: tf.constant(value, tf.string if value.dtype.kind == "O" else None)
            for name, value in inputs.items()
        }
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, one after the other."""
        return [self.run(signature, **batch) for batch in batches]
