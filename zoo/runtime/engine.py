"""What runs the signatures of one export, whatever the runtime."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np


class Engine(Protocol):
    """Runs named signatures; arrays in, arrays out."""

    batch_size: int  # the most rows of one call
    # Sequences are padded to a multiple of this, or, where it is None, to the longest there may be.
    length_step: int | None

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name."""

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, in order."""
