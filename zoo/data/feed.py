"""Feeds arrays to `keras.Model.fit`, in an order that a resumed training repeats."""

import abc
from collections.abc import Callable

import keras
import numpy as np

Arrays = dict[str, np.ndarray]


class _Batches(keras.utils.PyDataset, abc.ABC):
    """Batches of one epoch after another.

    Args:
        examples: Returns the examples of an epoch, counted from 0: inputs by name, one row an
            example, and as many rows of targets.
        seed: Of the order.
        epoch: The first epoch to feed.
    """

    def __init__(
        self, examples: Callable[[int], tuple[Arrays, np.ndarray]], *, seed: int, epoch: int = 0
    ):
        super().__init__()
        self._examples = examples
        self._seed = seed
        self._epoch = epoch
        self._begin_epoch()

    def on_epoch_end(self) -> None:
        """Gets the next epoch's examples, in a new order."""
        self._epoch += 1
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        generator = np.random.default_rng((self._seed, self._epoch))
        self._arrange(*self._examples(self._epoch), generator)

    @abc.abstractmethod
    def _arrange(self, inputs: Arrays, targets: np.ndarray, generator: np.random.Generator) -> None:
        """Makes the batches of an epoch."""


class ShuffledBatches(_Batches):
    """Batches of examples, shuffled anew in each epoch as a function of seed and epoch alone.

    Args:
        examples, seed, epoch: As of all batches: what to feed, in which order, from where.
        batch_size: Rows a batch; the last batch of an epoch may have fewer.
    """

    def __init__(self, examples, *, batch_size: int, **order):
        self._batch_size = batch_size
        super().__init__(examples, **order)

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __getitem__(self, index: int):
        rows = self._order[index * self._batch_size : (index + 1) * self._batch_size]
        return {name: array[rows] for name, array in self._inputs.items()}, self._targets[rows]

    def _arrange(self, inputs, targets, generator):
        self._inputs = inputs
        self._targets = targets
        self._order = generator.permutation(len(targets))


class LengthBatches(_Batches):
    """Batches of pairs of about one length, cut to that length; shuffled anew in each epoch.

    Lengths are rounded up to a few widths, and a width's batches all have as many rows, filled up
    with rows of padding: a compiler that compiles every shape meets few. All epochs have as many
    batches as epoch 0, as Keras expects: where examples of other lengths make more or fewer, a few
    drawn ones are left out or come twice.

    Args:
        examples, seed, epoch: As of all batches. Inputs and targets are token ids `(N, length)`,
            padded at the end.
        batch_tokens: Rows times width of a batch, at most, but at least one row.
        pad_id: Of padding.
    """

    def __init__(self, examples, *, batch_tokens: int, pad_id: int, epoch: int = 0, **order):
        self._batch_tokens = batch_tokens
        self._pad_id = pad_id
        self._length = None
        super().__init__(examples, **order)
        self._length = len(self._batches)
        if epoch:
            self._epoch = epoch
            self._begin_epoch()

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int):
        width, rows = self._batches[index]
        batch = {name: array[rows, :width] for name, array in self._arrays.items()}
        targets = batch.pop("targets")
        return batch, targets

    def _arrange(self, inputs, targets, generator):
        arrays = {**inputs, "targets": targets}
        longest = max(array.shape[1] for array in arrays.values())
        # A row of padding for the last batches; its index is N.
        self._arrays = {
            name: np.pad(
                array, ((0, 1), (0, longest - array.shape[1])), constant_values=self._pad_id
            )
            for name, array in arrays.items()
        }
        lengths = np.max([(array != self._pad_id).sum(axis=1) for array in arrays.values()], axis=0)
        widths = np.minimum(_rounded_up(lengths), longest)
        batches = []
        for width in map(int, np.unique(widths)):
            size = max(self._batch_tokens // width, 1)
            order = generator.permutation(np.flatnonzero(widths == width))
            order = np.pad(order, (0, -len(order) % size), constant_values=len(targets))
            batches += [(width, rows) for rows in order.reshape(-1, size)]
        order = generator.permutation(len(batches))
        self._batches = [batches[index] for index in np.resize(order, self._length or len(order))]
        let_first_two_differ(self._batches)


def let_first_two_differ(batches: list[tuple[int, np.ndarray]]) -> None:
    """Moves the first batch of another length than `batches[0]` to the second place, if any is.

    Keras (3.15) on TensorFlow takes a length that the first two batches share for that of all.

    Args:
        batches: Lengths and rows; changed in place.
    """
    for index, (length, _) in enumerate(batches):
        if length != batches[0][0]:
            batches.insert(1, batches.pop(index))
            break


def _rounded_up(lengths: np.ndarray) -> np.ndarray:
    """Returns the widths for lengths: by 4 to 32, where most sentences are, and by 16 above."""
    return np.where(lengths <= 32, -(-lengths // 4) * 4, -(-lengths // 16) * 16)
