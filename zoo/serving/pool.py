"""The processes of one version of a model, and the queue before them.

Each process has a thread here that takes work from the queue, hands it over and waits; a process
that dies is replaced and its work given to another. Rows that wait at the same time go together,
where the model gains by it, and rows of one request to several processes.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from zoo.errors import ZooError
from zoo.serving.job import Arrays, Job, Slice, joined
from zoo.serving.process import Died, Process
from zoo.serving.status import Code, Refusal, defect, kind_and_place
from zoo.serving.worker import Failed, Loaded, Source

_LOG = logging.getLogger("zoo")
_ATTEMPTS = 3  # to answer rows whose process dies; what kills three is likely in the rows
_LONGEST_PAUSE = 10.0  # seconds between attempts to replace a process
_LOOK_SECONDS = 0.25  # between looks for processes that do not answer
_GRACE_SECONDS = 5.0  # for a process after all that it works for is due


@dataclass(frozen=True)
class Batching:
    """How rows are put together.

    Args:
        most_rows: Of one call.
        delay: Seconds that the first row waits for others while a process is idle.
    """

    most_rows: int = 64
    delay: float = 0.0


class _Call:
    """What a process works on."""

    def __init__(self, slices: list[Slice]):
        self.slices = slices
        self.begun = time.monotonic()
        self.killed = False

    def deadline(self) -> float:
        """Returns when the last who waits for it goes; 0 where nobody does."""
        return max((part.job.deadline for part in self.slices if part.is_due), default=0.0)


class Pool:
    """The processes of one version.

    Args:
        source: What they load.
        workers: How many.
        batching: How rows are put together.
        most_waiting: Rows in the queue; past it work is refused.
        seconds: That a call may take though nobody waits for it any more.
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
        seconds: float = 30.0,
        on_batch: Callable[[int], None] = lambda rows: None,
        on_death: Callable[[], None] = lambda: None,
    ):
        self._source = source
        self._workers = [Process(source) for _ in range(workers)]
        self._batching = batching
        self._most_waiting = most_waiting
        self._seconds = seconds
        self._on_batch, self._on_death = on_batch, on_death
        self._jobs: deque[Job] = deque()
        self._waiting = 0  # rows in `_jobs` that were not taken
        self._changed = threading.Condition()
        self._closing = False  # takes no jobs any more
        self._aborted = False  # answers none any more either
        self._running: dict[Process, _Call] = {}
        self._ended = threading.Event()
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
            if self._aborted:  # before there was a process to kill
                raise ZooError("It was stopped while it was loaded.")
            for worker in self._workers:
                self.loaded = worker.ready()
        except BaseException:
            for worker in self._workers:
                worker.kill()  # it may be loading yet, and not see that this end closes
                worker.stop()
            raise
        for worker in self._workers:
            thread = threading.Thread(target=self._serve, args=(worker,), daemon=True)
            thread.start()
            self._threads.append(thread)
        threading.Thread(target=self._watch, daemon=True).start()

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
        self._ended.set()
        for worker in self._workers:
            worker.stop()

    def abort(self) -> None:
        """Ends the processes, whatever they do; `start` then raises, and what waits is refused."""
        with self._changed:
            self._closing = self._aborted = True
            for job in list(self._jobs):
                self._forget(job)
                job.end(_stopped())
            self._changed.notify_all()
        for worker in self._workers:
            worker.kill()

    def _forget(self, job: Job) -> None:
        """Takes a job out of the queue; the lock is held."""
        if job in self._jobs:
            self._jobs.remove(job)
            self._waiting -= job.rows - job.taken

    def _serve(self, worker: Process) -> None:
        """Runs one worker until the pool is closed and nothing waits."""
        while slices := self._take():
            if not worker.alive and not self._revive(worker):
                self._again(slices, _stopped())
                continue
            self._running[worker] = _Call(slices)
            try:
                self._run(worker, slices)
            except Died:
                self._on_death()
                _LOG.warning("A process of %s died; another takes its place.", self._source.folder)
                del self._running[worker]  # to load may take longer than to answer
                self._again(slices, None)
                if not self._closing:
                    self._revive(worker)
            except Exception as error:  # this thread has others to answer
                self._again(slices, defect(error))
            finally:
                self._running.pop(worker, None)

    def _watch(self) -> None:
        """Kills processes that do not answer; their threads see it, and replace them."""
        while not self._ended.wait(_LOOK_SECONDS):
            for worker, call in list(self._running.items()):
                with self._changed:
                    deadline = call.deadline()
                until = max(call.begun + self._seconds, deadline) + _GRACE_SECONDS
                # A pool that is closing answers those who wait, and stays for nobody else.
                is_left = self._aborted or (self._closing and not deadline)
                if (is_left or time.monotonic() > until) and not call.killed:
                    call.killed = True
                    _LOG.warning(
                        "A process of %s does not answer and is killed.", self._source.folder
                    )
                    worker.kill()

    def _run(self, worker: Process, slices: list[Slice]) -> None:
        found = worker.run(slices[0].job.signature, joined(slices))
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
                part.job.end(part.job.outputs())

    def _again(self, slices: list[Slice], refusal: Refusal | None) -> None:
        """Puts the jobs of `slices` back, each to run alone; or refuses them."""
        with self._changed:
            for job in [part.job for part in reversed(slices) if part.is_due]:
                self._forget(job)
                job.attempts += 1
                if self._aborted:
                    job.end(_stopped())
                    continue
                if refusal is not None or job.attempts >= _ATTEMPTS:
                    job.end(refusal or Refusal(Code.INTERNAL, "The model failed to answer."))
                    continue
                job.alone, job.taken, job.answered = True, 0, 0
                job.parts.clear()
                self._jobs.appendleft(job)
                self._waiting += job.rows
            self._changed.notify_all()

    def _revive(self, worker: Process) -> bool:
        """Returns True when the worker has a process again; False if the pool closes first."""
        for pause in _pauses():
            try:
                worker.launch()
                if self._aborted:
                    worker.kill()
                worker.ready()
                return True
            except Exception as error:  # as ZooError of a file, or OSError while files are scarce
                reason = error if isinstance(error, ZooError) else kind_and_place(error)
                _LOG.error("%s cannot be loaded again: %s", self._source.folder, reason)
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
