"""Runs a SavedModel in TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the operators of the tokenizer)

from zoo.config import unknown_name
from zoo.errors import ZooError


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
