"""Feeds arrays to `keras.Model.fit`, in an order that a resumed training repeats."""

import keras
import numpy as np


class ShuffledBatches(keras.utils.PyDataset):
    """Batches of arrays, shuffled anew in each epoch as a function of seed and epoch alone.

    Args:
        inputs: Arrays by name, one row an example.
        targets: One array, as many rows.
        batch_size: Rows a batch; the last batch of an epoch may have fewer.
        seed: Of the order.
        epoch: The first epoch to feed, counted from 0.
    """

    def __init__(
        self,
        inputs: dict[str, np.ndarray],
        targets: np.ndarray,
        *,
        batch_size: int,
        seed: int,
        epoch: int = 0,
    ):
        super().__init__()
        self._inputs = inputs
        self._targets = targets
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._shuffle()

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __getitem__(self, index: int):
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return {name: array[rows] for name, array in self._inputs.items()}, self._targets[rows]

    def on_epoch_end(self) -> None:
        """Shuffles for the next epoch."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        generator = np.random.default_rng((self._seed, self._epoch))
        self._order = generator.permutation(len(self._targets))
