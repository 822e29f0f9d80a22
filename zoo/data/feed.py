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


class LengthBatches(keras.utils.PyDataset):
    """Batches of pairs of about one length, cut to that length; shuffled anew in each epoch.

    Lengths are rounded up to a few widths, and a width's batches all have as many rows, filled up
    with rows of padding: a compiler that compiles every shape meets few.

    Args:
        inputs: Arrays of token ids `(N, length)` by name, padded at the end.
        targets: The same for what is predicted.
        batch_tokens: Rows times width of a batch, at most, but at least one row.
        pad_id: Of padding.
        seed: Of the order.
        epoch: The first epoch to feed, counted from 0.
    """

    def __init__(
        self,
        inputs: dict[str, np.ndarray],
        targets: np.ndarray,
        *,
        batch_tokens: int,
        pad_id: int,
        seed: int,
        epoch: int = 0,
    ):
        super().__init__()
        arrays = {**inputs, "targets": targets}
        longest = max(array.shape[1] for array in arrays.values())
        # A row of padding for the last batches; its index is N.
        self._arrays = {
            name: np.pad(array, ((0, 1), (0, longest - array.shape[1])), constant_values=pad_id)
            for name, array in arrays.items()
        }
        lengths = np.max([(array != pad_id).sum(axis=1) for array in arrays.values()], axis=0)
        widths = np.minimum(_rounded_up(lengths), longest)
        self._rows = {int(width): np.flatnonzero(widths == width) for width in np.unique(widths)}
        self._sizes = {width: max(batch_tokens // width, 1) for width in self._rows}
        self._padding_row = len(targets)
        self._seed = seed
        self._epoch = epoch
        self._shuffle()

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int):
        width, rows = self._batches[index]
        batch = {name: array[rows, :width] for name, array in self._arrays.items()}
        targets = batch.pop("targets")
        return batch, targets

    def on_epoch_end(self) -> None:
        """Shuffles for the next epoch."""
        self._epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        generator = np.random.default_rng((self._seed, self._epoch))
        batches = []
        for width, rows in self._rows.items():
            size = self._sizes[width]
            order = generator.permutation(rows)
            order = np.pad(order, (0, -len(order) % size), constant_values=self._padding_row)
            batches += [(width, batch) for batch in order.reshape(-1, size)]
        self._batches = [batches[index] for index in generator.permutation(len(batches))]
        # Keras (3.15) takes a length that the first two batches share for that of all.
        first_width = self._batches[0][0]
        for index, (width, _) in enumerate(self._batches):
            if width != first_width:
                self._batches.insert(1, self._batches.pop(index))
                break


def _rounded_up(lengths: np.ndarray) -> np.ndarray:
    """Returns the widths for lengths: by 4 to 32, where most sentences are, and by 16 above."""
    return np.where(lengths <= 32, -(-lengths // 4) * 4, -(-lengths // 16) * 16)
