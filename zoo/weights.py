"""Weights in a file: Keras's format, read strictly."""

import tempfile
from pathlib import Path

import h5py
import keras
import numpy as np

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


def halve(source: Path, target: Path) -> None:
    """Writes the weights in `source` to `target` in half the bytes, rounded to float16.

    `load` reads both alike. A model made from the file has the rounded weights.

    Raises:
        ZooError: If a weight is too large for float16, whose largest number is 65504.
    """
    with h5py.File(source) as whole, h5py.File(target, "w") as half:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                values = item[()]
                if values.dtype == np.float32:
                    with np.errstate(over="ignore"):
                        values = values.astype(np.float16)
                    if not np.isfinite(values).all():
                        raise ZooError(f"Weight {name!r} has values that float16 cannot hold.")
                copied = half.create_dataset(name, data=values)
            else:
                copied = half.require_group(name)
            copied.attrs.update(item.attrs)

        half.attrs.update(whole.attrs)
        whole.visititems(copy)


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
    _require_same(expected, _shapes(path), place=path.name)
    model.load_weights(path)


def copy_trainable(source: keras.Model, target: keras.Model, *, partly: str) -> None:
    """Sets the trainable weights of `target` to those of `source`, both built.

    Args:
        source: Where they come from.
        target: Where they go.
        partly: A layer of which only those weights are set that both have in one shape; it may be
            of another kind in `target`.

    Raises:
        ZooError: If, in another layer, one of them has a weight that the other lacks, or has in
            another shape.
    """
    theirs, ours = (
        # Without the model's name, which Keras numbers.
        {weight.path.removeprefix(f"{model.name}/"): weight for weight in model.trainable_weights}
        for model in (source, target)
    )
    expected, actual = (
        {path: tuple(weight.shape) for path, weight in each.items()} for each in (ours, theirs)
    )
    common = expected.items() & actual.items()
    expected, actual = (
        {
            path: x
            for path, x in each.items()
            if (path, x) in common or not path.startswith(f"{partly}/")
        }
        for each in (expected, actual)
    )
    _require_same(expected, actual, place="the model to start from")
    for path in expected:
        ours[path].assign(theirs[path])


def _require_same(expected: dict, actual: dict, *, place: str) -> None:
    """Raises an error at the first of the weights, by name, that is not of the shape expected."""
    for name in sorted(expected | actual):
        if expected.get(name) != actual.get(name):
            raise ZooError(
                f"Expected weight {name!r} of shape {expected.get(name)} in {place}. "
                f"Received: {actual.get(name)}."
            )


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
