"""Requests in the queue of a version, and how their rows come together and part again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.serving.signatures import DEFAULT

Arrays = dict[str, np.ndarray]

# Of `serving_default` on strings, the last axis of these is as long as the longest source, or
# story, among the rows of a call. A request sees that of its own rows, whatever they ran with.
_LONGEST_OF = {
    "source_tokens": ("source_tokens", "alignment"),
    "sentences": ("sentences", "alignment"),
}


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

    def outputs(self) -> Arrays:
        """Returns the outputs of all rows in order, once each is answered."""
        parts = [self.parts[start] for start in sorted(self.parts)]
        for counted, names in _LONGEST_OF.items():
            if self.signature != DEFAULT or counted not in parts[0]:
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


def joined(slices: Sequence[Slice]) -> Arrays:
    """Returns the inputs of all rows of `slices`, one after the other."""
    parts = [part.inputs() for part in slices]
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
