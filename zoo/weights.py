"""Weights in a file: Keras's format, read strictly."""

import tempfile
from pathlib import Path

import h5py
import keras

from zoo.errors import ZooError


def save(model: keras.Model, path: Path) -> None:
    """Writes the weights of `model`, without the optimizer's, to `path` (`.weights.h5`)."""
    optimizer = getattr(model, "optimizer", None)  # a model never compiled has no such attribute
    if optimizer is not None:
        model.optimizer = None
    try:
        model.save_weights(path)
    finally:
        if optimizer is not None:
            model.optimizer = optimizer


def load(model: keras.Model, path: Path) -> None:
    """Sets every weight of the built `model` from `path`.

    Raises:
        ZooError: If the file is no weights file, or lacks a weight, has one too many, or has one of
            another shape. `model` is unchanged then.
    """
    with tempfile.TemporaryDirectory() as folder:
        example = Path(folder) / "expected.weights.h5"
        save(model, example)
        expected = _shapes(example)
    actual = _shapes(path)
    for name in sorted(expected | actual):
        if expected.get(name) != actual.get(name):
            raise ZooError(
                f"Expected weight {name!r} of shape {expected.get(name)} in {path.name}. "
                f"Received: {actual.get(name)}."
            )
    model.load_weights(path)


def _shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every array in an HDF5 file, by its path inside."""
    shapes = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            shapes[name] = item.shape

    try:
        with h5py.File(path) as file:
            file.visititems(visit)
    except OSError as error:
        raise ZooError(f"Expected a weights file at {path}. It cannot be read: {error}.") from error
    return shapes
