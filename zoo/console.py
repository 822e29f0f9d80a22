"""What the command lines share: one line for an error, exit statuses, and no chatter.

Exit status: 0, 1 (it failed; one line on standard error says why), 2 (usage), 130 (interrupted).
"""

import contextlib
import errno
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence

import click

from zoo.errors import ZooError


def run(command: click.Command, arguments: Sequence[str] | None = None) -> None:
    """Runs `command` and exits on failure; `arguments` are the process's own where None."""
    logging.basicConfig(format="%(message)s", handlers=[_ToStandardError()], force=True)
    # What asyncio says of a connection to a registry that Ctrl-C left open.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's notices of how it was built
    try:
        command.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        warnings.simplefilter("ignore")  # of libraries that were in the middle of something
        sys.exit(130)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise  # but EPIPE, of a reader that has gone, as with `| head`: Click takes that one
        print(f"Error: Cannot write the output: {error.strerror}.", file=sys.stderr)
        # Python would complain again when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ZooError as error:
        print(f"Error: {one_line(str(error))}", file=sys.stderr)
        sys.exit(1)


def one_line(text: str) -> str:
    """Returns `text` without line breaks, so that n lines in are n lines out."""
    return " ".join(text.splitlines())


@contextlib.contextmanager
def native_notices_muted() -> Iterator[None]:
    """Holds back what native libraries write to standard error; shown if a defect comes out.

    TensorFlow and LiteRT announce how they were built, at the start and some only later, past every
    setting of theirs (tensorflow 2.21, ai-edge-litert 2.3). `sys.stderr` stays what it was.
    """
    if sys.stderr is None:  # closed by the caller: nothing to hold back
        yield
        return
    sys.stderr.flush()
    with (
        os.fdopen(os.dup(2), "w", buffering=1) as ours,
        contextlib.redirect_stderr(ours),
        tempfile.TemporaryFile() as held,
    ):
        os.dup2(held.fileno(), 2)
        try:
            yield
        except (ZooError, OSError, click.ClickException, KeyboardInterrupt):
            raise  # what the user or the system did
        except BaseException:
            held.seek(0)
            os.write(ours.fileno(), held.read())
            raise
        finally:
            os.dup2(ours.fileno(), 2)


class _ToStandardError(logging.StreamHandler):
    """Writes to what `sys.stderr` is when a message comes, not when the handler was made."""

    @property
    def stream(self):
        return sys.stderr

    @stream.setter
    def stream(self, value):
        pass
