"""Where things lie: the checkout, what a wheel embeds, and the cache. Standard library only."""

import contextlib
import errno
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from zoo.errors import ZooError

_PACKAGE = Path(__file__).resolve().parent
_PARTIAL = ".partial-"
_STALE_SECONDS = 24 * 3600
_ATTEMPTS = 10


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
        return expanded(folder)
    import platformdirs  # here because most commands never ask for the cache

    return Path(platformdirs.user_cache_dir("attention-zoo"))


def expanded(path: str) -> Path:
    """Returns `path` with `~` replaced; an unknown user's stays as it is, where pathlib raises."""
    return Path(os.path.expanduser(path))


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yields an empty folder beside `target` that becomes `target` when the block ends well.

    The rename is atomic, so `target` is whole or absent at every moment, even under SIGKILL; what
    an error leaves, new parents of `target` among it, is removed at once, what a kill leaves is
    removed by a later call. Where another process has made `target` in the meantime, that one
    stands and ours is removed: in a cache both hold the same bytes.

    Raises:
        ZooError: If `target` is a file or a folder with something in it, or cannot be written.
    """
    require_new_folder(target)
    with _removed_on_error(target.parent):
        try:
            partial = _partial_folder(target)
        except OSError as error:
            raise ZooError(f"Cannot write to {target.parent}: {error.strerror}.") from error
        try:
            yield partial
            partial.chmod(0o755)  # mkdtemp makes it 0700, which no server of another user can read
            _put_in_place(partial, target)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ZooError(f"Cannot write to {target}: {error.strerror}.") from error
            raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[Path]:
    """Yields a path beside `target` that replaces `target` when the block ends well.

    The block does nothing but write to that path.

    Raises:
        ZooError: If `target` is a folder or cannot be written.
    """
    if os.path.isdir(target):
        raise ZooError(f"Expected a file to write to. Received: the folder {target}.")
    # The suffix stays: writers such as Keras and Matplotlib choose the format by it.
    partial = target.with_name(f"{_PARTIAL}{uuid.uuid4().hex[:12]}-{target.name}")
    with _removed_on_error(target.parent):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            yield partial
            partial.replace(target)
        except OSError as error:
            raise ZooError(f"Cannot write {target}: {error.strerror or error}.") from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()


def require_new_folder(target: Path) -> None:
    """Raises ZooError if `target` is or lies in a file, or is a folder with something in it."""
    if os.path.isdir(target):
        if os.listdir(target):
            raise ZooError(f"The output folder {target} is not empty.")
    elif os.path.exists(target):
        raise ZooError(f"Expected a folder to write to. Received: the file {target}.")
    above = next(folder for folder in target.absolute().parents if os.path.exists(folder))
    if not os.path.isdir(above):
        raise ZooError(f"Cannot write to {target}: {above} is a file.")


def _partial_folder(target: Path) -> Path:
    attempts_left = _ATTEMPTS
    while True:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale_partials(target.parent)
            folder = tempfile.mkdtemp(prefix=f"{_PARTIAL}{target.name}-", dir=target.parent)
            return Path(folder)
        except FileNotFoundError:  # another process failed, and removed the parents it had made
            attempts_left -= 1
            if not attempts_left:
                raise


def _put_in_place(partial: Path, target: Path) -> None:
    try:
        partial.replace(target)
    except OSError as error:
        if not (os.path.isdir(target) and os.listdir(target)):
            raise ZooError(f"Cannot write to {target}: {error.strerror}.") from error


@contextlib.contextmanager
def _removed_on_error(folder: Path) -> Iterator[None]:
    """If the block fails, removes `folder` and its parents as far as they are new and empty."""
    new = [made for made in (folder, *folder.parents) if not os.path.exists(made)]
    try:
        yield
    except BaseException:
        for made in new:
            with contextlib.suppress(OSError):
                made.rmdir()
        raise


def _remove_stale_partials(parent: Path) -> None:
    for folder in parent.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
