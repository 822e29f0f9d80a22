"""Runs a model in Keras, on whichever backend Keras was started with."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from zoo.signature import Signature


class KerasEngine:
    """Runs a model's signatures, compiled by Keras; the model's weights may change in between.

    Args:
        model: The model whose weights the signatures use.
        signatures: What to run; see `zoo.signature`.
    """

    batch_size = 256
    length_step = 16  # so that few shapes are compiled

    def __init__(self, model: keras.Model, signatures: Sequence[Signature]):
        self._functions = {signature.name: _Function(model, signature) for signature in signatures}

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name."""
        outputs = self._functions[signature].predict_on_batch(inputs)
        return {name: np.asarray(value) for name, value in outputs.items()}

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, one after the other."""
        return [self.run(signature, **batch) for batch in batches]


class _Function(keras.Model):
    """A signature as a model, because `predict_on_batch` compiles for every backend."""

    def __init__(self, model: keras.Model, signature: Signature):
        super().__init__(name=signature.name)
        self.model = model  # tracked, or JAX would compile today's weights in as constants
        self._signature = signature
        self.compile(jit_compile=keras.backend.backend() == "jax")
        self.built = True

    def call(self, inputs):
        return self._signature.function(**inputs)
