"""The processes of one version of a model, and the queue before them.

Each process has a thread here that takes work from the queue, hands it over and waits; a process
that dies is replaced and its work given to another. Rows that wait at the same time go together,
where the model gains by it, and rows of one request to several processes.
"""

import contextlib
import logging
import multiprocessing
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from zoo.errors import ZooError
from zoo.serving.signatures import DEFAULT
from zoo.serving.status import Code, Refusal, defect
from zoo.serving.worker import Failed, Loaded, Source, main

_LOG = logging.getLogger("zoo")

Arrays = dict[str, np.ndarray]
_ATTEMPTS = 3  # to answer rows whose process dies; what kills three is likely in the rows
_LONGEST_PAUSE = 10.0  # seconds between attempts to replace a process


@dataclass(frozen=True)
class Batching:
    """How rows are put together.

    Args:
        most_rows: Of one call.
        delay: Seconds that the first row waits for others while a process is idle.
    """

    most_rows: int = 64
    delay: float = 0.0


@dataclass(eq=False)
class Job:
    """A request on its way through the queue.

    Args:
        signature: Its name.
        inputs: As `tensors.check` has passed them.
        rows: How many, at least 1; they are the first axis of the inputs named in `by_rows`.
        by_rows: See `rows`.
        deadline: When nobody waits any more, by `time.monotonic`.
        done: Called once, by any thread, with the outputs or the error.
    """

    signature: str
    inputs: Arrays
    rows: int
    by_rows: frozenset[str]
    deadline: float
    done: Callable[[Arrays | Exception], None]
    attempts: int = 0
    alone: bool = False  # not to be put together with others
    taken: int = 0  # rows that were given to a process
    answered: int = 0
    parts: dict[int, Arrays] = field(default_factory=dict)  # outputs by their first row
    over: bool = False

    @property
    def key(self) -> tuple | None:
        """What rows have in common that can go together; None of rows that cannot."""
        if self.alone or len(self.by_rows) < len(self.inputs):
            return None
        return (self.signature, *((k, v.shape[1:]) for k, v in sorted(self.inputs.items())))

    def end(self, result: Arrays | Exception) -> None:
        """Tells the result, the first time."""
        if not self.over:
            self.over = True
            self.parts.clear()
            self.done(result)


@dataclass(frozen=True)
class Slice:
    """Some rows of a job."""

    job: Job
    start: int
    stop: int
    attempt: int  # of the job, when the rows were taken

    @property
    def is_due(self) -> bool:
        """True if the job still waits for these rows."""
        return not self.job.over and self.attempt == self.job.attempts

    def inputs(self) -> Arrays:
        """Returns the inputs of these rows."""
        return {
            name: array[self.start : self.stop] if name in self.job.by_rows else array
            for name, array in self.job.inputs.items()
        }


class Pool:
    """The processes of one version.

    Args:
        source: What they load.
        workers: How many.
        batching: How rows are put together.
        most_waiting: Rows in the queue; past it work is refused.
        on_batch: Called with the number of rows of each call, for metrics.
        on_death: Called for each process that died, for metrics.
    """

    def __init__(
        self,
        source: Source,
        *,
        workers: int,
        batching: Batching,
        most_waiting: int,
        on_batch: Callable[[int], None] = lambda rows: None,
        on_death: Callable[[], None] = lambda: None,
    ):
        self._source = source
        self._workers = [_Worker(source) for _ in range(workers)]
        self._batching = batching
        self._most_waiting = most_waiting
        self._on_batch, self._on_death = on_batch, on_death
        self._jobs: deque[Job] = deque()
        self._waiting = 0  # rows in `_jobs` that were not taken
        self._changed = threading.Condition()
        self._closing = False
        self._threads: list[threading.Thread] = []
        self.loaded: Loaded

    def start(self) -> None:
        """Starts the processes and returns when each has loaded the model.

        Raises:
            ZooError: If one cannot.
        """
        try:
            for worker in self._workers:
                worker.launch()
            for worker in self._workers:
                self.loaded = worker.ready()
        except BaseException:
            for worker in self._workers:
                worker.stop()
            raise
        for worker in self._workers:
            thread = threading.Thread(target=self._serve, args=(worker,), daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def waiting(self) -> int:
        """Rows in the queue."""
        return self._waiting

    @property
    def processes(self) -> list[int]:
        """The ids of the processes that live."""
        return [pid for worker in self._workers if (pid := worker.pid) is not None]

    def submit(self, job: Job) -> None:
        """Puts a job in the queue.

        Raises:
            Refusal: If the queue is full, or the pool closed.
        """
        with self._changed:
            if self._closing:
                raise _stopped()
            if self._waiting + job.rows > self._most_waiting:
                raise Refusal(
                    Code.RESOURCE_EXHAUSTED,
                    f"The queue has room for {self._most_waiting} rows, and {self._waiting} wait. "
                    f"Received: {job.rows}. Try again later.",
                )
            self._jobs.append(job)
            self._waiting += job.rows
            self._changed.notify()

    def abandon(self, job: Job) -> None:
        """Forgets a job that nobody waits for; what runs is not stopped, what waits never runs."""
        with self._changed:
            job.over = True
            self._forget(job)

    def close(self) -> None:
        """Answers what was accepted, then ends the processes; blocks until then."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for worker in self._workers:
            worker.stop()

    def abort(self) -> None:
        """Ends the processes while `start` waits for them, which then raises."""
        for worker in self._workers:
            worker.kill()

    def _forget(self, job: Job) -> None:
        """Takes a job out of the queue; the lock is held."""
        if job in self._jobs:
            self._jobs.remove(job)
            self._waiting -= job.rows - job.taken

    def _serve(self, worker: "_Worker") -> None:
        """Runs one worker until the pool is closed and nothing waits."""
        while slices := self._take():
            if not worker.alive and not self._revive(worker):
                self._again(slices, _stopped())
                continue
            try:
                self._run(worker, slices)
            except _Died:
                self._on_death()
                _LOG.warning("A process of %s died; another takes its place.", self._source.folder)
                self._again(slices, None)
                self._revive(worker)
            except Exception as error:  # this thread has others to answer
                self._again(slices, defect(error))

    def _run(self, worker: "_Worker", slices: list[Slice]) -> None:
        found = worker.run(slices[0].job.signature, _joined(slices))
        rows = sum(part.stop - part.start for part in slices)
        self._on_batch(rows)
        if isinstance(found, dict) and all(x.shape[:1] == (rows,) for x in found.values()):
            self._hand_out(slices, found)
        elif len(slices) > 1:  # one of them may be wrong; the others are to be answered
            self._again(slices, None)
        else:
            slices[0].job.end(self._error(found))

    def _error(self, found) -> Exception:
        if isinstance(found, Refusal):
            return found
        reason = found.reason if isinstance(found, Failed) else "outputs without rows"
        _LOG.error("%s failed to answer: %s.", self._source.folder, reason)
        return Refusal(Code.INTERNAL, "The model failed to answer.")

    def _take(self) -> list[Slice]:
        """Returns the rows to run next, those that came first and what can go with them.

        Blocks while there are none. An empty list says that the pool is closed.
        """
        with self._changed:
            while True:
                self._drop_expired()
                if not self._jobs:
                    if self._closing:
                        return []
                    self._changed.wait()
                    continue
                most, key = self._share(), self._jobs[0].key
                if self._batching.delay and self.loaded.rows_together and key is not None:
                    self._wait_for_more(key, most)
                if self._jobs:  # another thread may have taken them in the meantime
                    return self._cut(most)

    def _share(self) -> int:
        """Returns how many rows one process takes of those that wait."""
        if self.loaded.rows_together:
            return self._batching.most_rows
        # Rows cost the same one by one, so each process has its part, in calls short enough to
        # drop what nobody waits for.
        return max(1, min(self._batching.most_rows, 8, -(-self._waiting // len(self._workers))))

    def _wait_for_more(self, key: tuple, most: int) -> None:
        until = time.monotonic() + self._batching.delay
        while sum(job.rows - job.taken for job in self._jobs if job.key == key) < most:
            left = until - time.monotonic()
            if left <= 0 or self._closing:
                return
            self._changed.wait(left)

    def _cut(self, most: int) -> list[Slice]:
        """Returns up to `most` rows of the first job and those with its key, and counts them."""
        key = self._jobs[0].key
        slices = []
        for job in list(self._jobs):
            if slices and job.key != key:
                continue
            stop = job.rows if key is None else min(job.rows, job.taken + most)
            slices.append(Slice(job, job.taken, stop, job.attempts))
            most -= stop - job.taken
            self._waiting -= stop - job.taken
            job.taken = stop
            if job.taken == job.rows:
                self._jobs.remove(job)
            if key is None or not most:
                break
        return slices

    def _drop_expired(self) -> None:
        while self._jobs and self._jobs[0].deadline < time.monotonic():
            job = self._jobs[0]
            self._forget(job)
            job.end(Refusal(Code.DEADLINE_EXCEEDED, "The deadline passed in the queue."))

    def _hand_out(self, slices: list[Slice], outputs: Arrays) -> None:
        row = 0
        for part in slices:
            size = part.stop - part.start
            found = {name: array[row : row + size] for name, array in outputs.items()}
            row += size
            with self._changed:
                if not part.is_due:
                    continue
                part.job.parts[part.start] = found
                part.job.answered += size
                whole = part.job.answered == part.job.rows
            if whole:
                part.job.end(_whole(part.job))

    def _again(self, slices: list[Slice], refusal: Refusal | None) -> None:
        """Puts the jobs of `slices` back, each to run alone; or refuses them."""
        with self._changed:
            for job in [part.job for part in reversed(slices) if part.is_due]:
                self._forget(job)
                job.attempts += 1
                if refusal is not None or job.attempts >= _ATTEMPTS:
                    job.end(refusal or Refusal(Code.INTERNAL, "The model failed to answer."))
                    continue
                job.alone, job.taken, job.answered = True, 0, 0
                job.parts.clear()
                self._jobs.appendleft(job)
                self._waiting += job.rows
            self._changed.notify_all()

    def _revive(self, worker: "_Worker") -> bool:
        """Returns True when the worker has a process again; False if the pool closes first."""
        for pause in _pauses():
            try:
                worker.launch()
                worker.ready()
                return True
            except ZooError as error:
                _LOG.error("%s cannot be loaded again: %s", self._source.folder, error)
            with self._changed:
                if self._changed.wait_for(lambda: self._closing, pause):
                    return False
        return False


def _stopped() -> Refusal:
    return Refusal(Code.UNAVAILABLE, "The model is being stopped.")


def _pauses() -> Iterator[float]:
    pause = 0.1
    while True:
        yield pause
        pause = min(2 * pause, _LONGEST_PAUSE)


def _joined(slices: list[Slice]) -> Arrays:
    """Returns the inputs of all rows of `slices`, one after the other."""
    parts = [part.inputs() for part in slices]
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


# Of `serving_default` on strings, the last axis of these is as long as the longest source, or
# story, among the rows of a call. A request sees that of its own rows, whatever they ran with.
_LONGEST_OF = {
    "source_tokens": ("source_tokens", "alignment"),
    "sentences": ("sentences", "alignment"),
}


def _whole(job: Job) -> Arrays:
    """Returns the outputs of a job's rows in order."""
    parts = [job.parts[start] for start in sorted(job.parts)]
    for counted, names in _LONGEST_OF.items():
        if job.signature != DEFAULT or counted not in parts[0]:
            continue
        strings = [part[counted] for part in parts]
        if strings[0].dtype.kind != "O":
            continue
        longest = max(int((x != b"").sum(axis=1).max(initial=0)) for x in strings)
        for part in parts:
            part.update({name: _fitted(part[name], longest) for name in names if name in part})
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _fitted(array: np.ndarray, longest: int) -> np.ndarray:
    """Returns `array` with its last axis cut, or continued with nothing, to `longest`."""
    more = longest - array.shape[-1]
    if more <= 0:
        return array[..., :longest]
    padding = np.full((*array.shape[:-1], more), b"" if array.dtype.kind == "O" else 0, array.dtype)
    return np.concatenate([array, padding], axis=-1)


class _Died(Exception):
    """The process ended while it was asked."""


class _Worker:
    """A process, and this end of what it hears by."""

    def __init__(self, source: Source):
        self._source = source
        self._process = None
        self._connection = None
        self.alive = False

    @property
    def pid(self) -> int | None:
        return self._process.pid if self.alive else None

    def launch(self) -> None:
        """Starts a new process, and returns before it is ready."""
        self.stop()
        context = _context()
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(theirs, self._source), daemon=True)
        self._process.start()
        theirs.close()  # so that this end sees the process go
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

    def run(self, signature: str, inputs: Arrays):
        """Returns what the process answers.

        Raises:
            _Died: If it ended instead.
        """
        try:
            self._connection.send((signature, inputs))
            return self._connection.recv()
        except (EOFError, OSError) as error:
            self.stop()
            raise _Died from error

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
