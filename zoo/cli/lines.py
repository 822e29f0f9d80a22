"""Lines of text from the command line, a file or standard input."""

import contextlib
import gzip
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from zoo.errors import ZooError
from zoo.text.utf8 import require_utf8


@contextlib.contextmanager
def open_lines(
    text: Sequence[str], file: Path | None, *, progress: bool = True
) -> Iterator[Iterator[str]]:
    """Yields the lines to run on: of the command line, a file, or standard input.

    Args:
        text: Of the command line.
        file: Where there is no `text`; by gzip, if its name ends in `.gz`. None is standard input.
        progress: Show how much of the file is read, where somebody sees it.
    """
    if text:
        yield (require_utf8(value, f"TEXT {number}") for number, value in enumerate(text, start=1))
    elif file is None:
        if sys.stdin is None:
            raise ZooError("Standard input is closed. Give TEXT or --file.")
        yield _decoded(sys.stdin.buffer, "standard input")
    else:
        try:
            stream = file.open("rb")
        except OSError as error:
            raise ZooError(f"Cannot read {file}: {error.strerror}.") from error
        packed = file.suffix == ".gz"
        with stream, contextlib.closing(_with_progress(stream, progress, packed)) as read:
            yield _decoded(read, str(file))


def chunks(lines: Iterator, size: int) -> Iterator[list]:
    """Yields lists of `size` lines, the last one shorter; and what was read before an error."""
    chunk = []
    try:
        for line in lines:
            chunk.append(line)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except ZooError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _with_progress(stream: BinaryIO, shown: bool, packed: bool) -> Iterator[bytes]:
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    # A bar among answers on one terminal would garble both; None is for a terminal alone.
    shown = shown and not (sys.stdout is not None and sys.stdout.isatty())
    size = os.fstat(stream.fileno()).st_size or None  # of a pipe it is 0
    bar = tqdm(total=size, unit="B", unit_scale=True, disable=None if shown else True)
    with bar, logging_redirect_tqdm():
        try:
            for line in gzip.open(stream) if packed else stream:
                yield line
                bar.update(stream.tell() - bar.n if packed else len(line))
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise ZooError(f"Expected a gzip file at {stream.name}. Received: {error}.") from error


def _decoded(stream: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise ZooError(f"Expected UTF-8. Line {number} of {name} is not.") from error
