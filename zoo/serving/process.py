"""A process that runs a version, as the server holds it."""

import contextlib
import multiprocessing

import numpy as np

from zoo.errors import ZooError
from zoo.serving.worker import Failed, Loaded, Source, main


class Died(Exception):
    """The process ended while it was asked."""


class Process:
    """A process, and this end of what it hears by."""

    def __init__(self, source: Source):
        self._source = source
        self._process = None
        self._connection = None
        self.alive = False

    @property
    def pid(self) -> int | None:
        """Its id, or None where it does not run."""
        return self._process.pid if self.alive else None

    def launch(self) -> None:
        """Starts a new process, and returns before it is ready.

        Raises:
            OSError: If the system has no room for one.
        """
        self.stop()
        context = _context()
        ours, theirs = context.Pipe()
        process = context.Process(target=main, args=(theirs, self._source), daemon=True)
        try:
            process.start()
        except BaseException:  # too many open files, say
            ours.close()
            raise
        finally:
            theirs.close()  # so that this end sees the process go
        self._connection, self._process = ours, process
        self.alive = True

    def ready(self) -> Loaded:
        """Returns what the process says once it has loaded the model.

        Raises:
            ZooError: If it cannot, or ended.
        """
        try:
            found = self._connection.recv()
        except (EOFError, OSError):
            found = Failed("the process that loaded it died")
        if isinstance(found, Failed):
            self.stop()
            raise ZooError(found.reason)
        return found

    def run(self, signature: str, inputs: dict[str, np.ndarray]):
        """Returns what the process answers.

        Raises:
            Died: If it ended instead.
        """
        try:
            self._connection.send((signature, inputs))
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self.stop()
            raise Died from error

    def kill(self) -> None:
        """Ends the process, whatever it does; whoever waits for it sees it go."""
        with contextlib.suppress(AttributeError, ValueError):  # it ended in the meantime
            self._process.kill()

    def stop(self) -> None:
        """Ends the process, which is idle or dead."""
        self.alive = False
        if self._process is not None:
            self._connection.close()
            self._process.join(2)  # it ends by itself when this end is closed
            if self._process.is_alive():
                self._process.kill()
                self._process.join()
            self._process.close()
            self._process = None


def _context():
    """Returns how processes are started: from one that has imported what they need, if possible."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["zoo.serving.worker", "zoo.serving.litert_model"])
    return context
