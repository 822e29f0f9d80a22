"""What exporters and runtimes say to each other: named functions of named tensors.

Standard library only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TensorSpec:
    """A tensor's axes and dtype.

    An axis is a number where its size is fixed and a letter where it is not; one letter is one
    size in all tensors of a signature.
    """

    shape: tuple[int | str, ...]
    dtype: str

    def at(self, sizes: Mapping[str, int | None]) -> tuple[int | None, ...]:
        """Returns the shape with each letter replaced by its size; None is a size left open."""
        return tuple(sizes[axis] if isinstance(axis, str) else axis for axis in self.shape)


@dataclass(frozen=True)
class Signature:
    """A named function of a model.

    `function` takes the inputs as keyword arguments and returns a dict of the outputs.
    """

    name: str
    function: Callable
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
