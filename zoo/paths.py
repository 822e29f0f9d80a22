"""Where things lie: the checkout, what a wheel embeds, and the cache. Standard library only."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError

_PACKAGE = Path(__file__).resolve().parent
_PARTIAL = ".partial-"
_STALE_SECONDS = 24 * 3600


def checkout() -> Path | None:
    """Returns the checkout that this package is imported from, or None when it is installed."""
    root = _PACKAGE.parent
    return root if (root / "exports").is_dir() and (root / "pyproject.toml").is_file() else None


def embedded() -> Path:
    """Returns the folder that stands for the checkout in an installed wheel."""
    return _PACKAGE / "embedded"


def datasets() -> Path:
    """Returns the folder with one folder a data set: manifest, recipe and sample."""
    return (checkout() or embedded()) / "datasets"


def cache() -> Path:
    """Returns the cache folder: `ZOO_CACHE`, or the platform's cache folder for this package."""
    if folder := os.environ.get("ZOO_CACHE"):
        return Path(folder).expanduser()
    import platformdirs  # here because most commands never ask for the cache

    return Path(platformdirs.user_cache_dir("attention-zoo"))


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside `target` that becomes `target` when the block ends well.

    The rename is atomic, so `target` is whole or absent at every moment, even under SIGKILL; what
    an error leaves is removed at once, what a kill leaves is removed by a later call. Where another
    process has made `target` in the meantime, that one stands and ours is removed: in a cache
    both hold the same bytes.

    Raises:
        ZooError: If `target` is a file or a folder with something in it, or cannot be written.
    """
    require_new_folder(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale_partials(target.parent)
        partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{target.name}-", dir=target.parent))
    except OSError as error:
        raise ZooError(f"Cannot write to {target.parent}: {error.strerror}.") from error
    try:
        yield partial
        partial.chmod(0o755)  # mkdtemp makes it 0700, which a server of another user cannot read
        try:
            partial.replace(target)
        except OSError:
            if not (target.is_dir() and any(target.iterdir())):
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` that replaces `target` when the block ends well."""
    if target.is_dir():
        raise ZooError(f"Expected a file to write to. Received: the folder {target}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ZooError(f"Cannot write to {target.parent}: {error.strerror}.") from error
    # The suffix stays: writers such as Keras and Matplotlib choose the format by it.
    partial = target.with_name(f"{_PARTIAL}{os.getpid()}-{target.name}")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def require_new_folder(target: Path) -> None:
    """Raises ZooError if `target` is a file or a folder with something in it."""
    if target.is_file():
        raise ZooError(f"Expected a folder to write to. Received: the file {target}.")
    if target.is_dir() and any(target.iterdir()):
        raise ZooError(f"The output folder {target} is not empty.")


def _remove_stale_partials(parent: Path) -> None:
    for folder in parent.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
