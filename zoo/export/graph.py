"""A task's signatures as TensorFlow functions that own their variables."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from zoo.errors import ZooError
from zoo.signature import Signature


class Graph:
    """Functions over a Keras model's variables, ready to be saved.

    Args:
        model: A Keras model on the TensorFlow backend. Of its variables, those that the functions
            use are saved with them.
        kernels: Of the task's `keep_kernels`, as well.

    Raises:
        ZooError: If Keras was started with another backend.
    """

    def __init__(self, model, kernels: Sequence[keras.Variable] = ()):
        if keras.backend.backend() != "tensorflow":
            raise ZooError(
                "Exporting needs Keras on TensorFlow. "
                f"Received: KERAS_BACKEND={keras.backend.backend()}."
            )
        # What is saved: what a caller sets on it, and the variables that the functions use. Not the
        # functions, which would each be traced and stored a second time beside their signatures.
        self.root = tf.Module()
        self._variables = [variable.value for variable in (*model.variables, *kernels)]
        self._functions = {}

    def add(self, name: str, function: Callable, specs: Mapping[str, tf.TensorSpec]) -> None:
        """Adds `function`, called with one tensor for each of `specs` by name."""
        names = list(specs)

        def positional(*tensors):
            return function(**dict(zip(names, tensors, strict=True)))

        signature = [
            tf.TensorSpec(spec.shape, spec.dtype, name=name) for name, spec in specs.items()
        ]
        # AutoGraph turns Python's branches on tensors into TensorFlow's. Models have none, and
        # rewriting all that they call took most of the time of an export.
        self._functions[name] = tf.function(positional, input_signature=signature, autograph=False)

    def save(self, folder: Path) -> None:
        """Writes a SavedModel of the functions added, each a signature of its name."""
        concrete = {
            name: function.get_concrete_function() for name, function in self._functions.items()
        }
        used = {id(x) for function in concrete.values() for x in function.graph.variables}
        self.root.variables_used = [x for x in self._variables if id(x) in used]
        tf.saved_model.save(self.root, str(folder), signatures=concrete)


def tensor_specs(signature: Signature, sizes: Mapping[str, int | None]) -> dict[str, tf.TensorSpec]:
    """Returns the inputs of `signature` with its axes at `sizes`; None leaves an axis open."""
    return {
        name: tf.TensorSpec(spec.at(sizes), spec.dtype) for name, spec in signature.inputs.items()
    }


def add_signatures(
    graph: Graph, signatures: Sequence[Signature], sizes: Mapping[str, int | None]
) -> None:
    """Adds every signature to `graph`, its axes at `sizes`."""
    for signature in signatures:
        graph.add(signature.name, signature.function, tensor_specs(signature, sizes))
