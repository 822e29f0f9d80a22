"""Tasks with an algorithm for an answer: read a sequence of vectors, then write what it makes.

Every task draws as many sequences of one size as asked, from a generator alone, and reads one that
a person typed; `layout` says what its steps hold:

    task = TASKS["copy"]()
    batch = task.draw(np.random.default_rng(0), rows=32, length=20)
    typed = task.encode("10110010 01101001")

Source of the tasks: Graves, Wayne and Danihelka, 2014 (arXiv:1410.5401), section 4.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from zoo.config import require_choice
from zoo.errors import ZooError

_SAMPLES = 8  # of a task
_SHOWN = 60  # characters of a wrong input that its error repeats
_NEAREST = 2.0**-24  # to a probability of 0 or 1


class Sequences(NamedTuple):
    """What a model reads and what it should answer."""

    inputs: np.ndarray  # (B, T, in_width) float32
    targets: np.ndarray  # (B, T, out_width) float32, 0 or 1; 0 where no answer is due
    mask: np.ndarray  # (B, T) bool, True where an answer is due


@dataclass(frozen=True)
class Copy:
    """Vectors, a delimiter; then the vectors again."""

    layout: ClassVar[str] = (
        "A step's input is a vector's bits and a channel that is 1 at the delimiter, which comes "
        "after the last vector."
    )
    sizes: ClassVar[tuple[str, ...]] = ("length",)
    form: ClassVar[str] = "vectors of 8 bits, as in '10110010 01101001'"
    bits: ClassVar[int] = 8
    in_width: ClassVar[int] = 9
    out_width: ClassVar[int] = 8

    def num_steps(self, *, length: int) -> int:
        """Returns T for so many vectors."""
        return 2 * length + 1

    def draw(self, generator: np.random.Generator, *, rows: int, length: int) -> Sequences:
        """Returns `rows` sequences of `length` vectors."""
        return self._sequences(generator.integers(0, 2, (rows, length, self.bits)))

    def encode(self, line: str) -> Sequences:
        """Returns the one sequence that `line` says; a ZooError says what is wrong with it."""
        return self._sequences(_vectors(self, line)[None])

    def decode(self, answer: np.ndarray) -> str:
        """Returns an answer `(steps, out_width)`, probabilities or bits, as it is typed."""
        return " ".join(map(_word, answer))

    def _sequences(self, vectors) -> Sequences:
        rows, length, _ = vectors.shape
        presented = np.zeros((rows, length + 1, self.in_width))
        presented[:, :length, : self.bits] = vectors
        presented[:, length, self.bits] = 1
        return _asked_then_answered(presented, vectors)


@dataclass(frozen=True)
class RepeatCopy:
    """Vectors, a delimiter with a number; then the vectors so many times, and an end marker."""

    layout: ClassVar[str] = (
        "A step's input is a vector's bits, a channel that is 1 at the delimiter, which comes "
        "after the last vector, and one that is a tenth of the number of repeats there; its "
        "answer is bits and a channel that is 1 at the end marker."
    )
    sizes: ClassVar[tuple[str, ...]] = ("length", "repeats")
    form: ClassVar[str] = "a number of repeats, 1 to 99, and vectors of 8 bits, as in '3: 10110010'"
    bits: ClassVar[int] = 8
    in_width: ClassVar[int] = 10
    out_width: ClassVar[int] = 9

    def num_steps(self, *, length: int, repeats: int) -> int:
        """Returns T for so many vectors, repeated so often."""
        return length + 1 + length * repeats + 1

    def draw(
        self, generator: np.random.Generator, *, rows: int, length: int, repeats: int
    ) -> Sequences:
        """Returns `rows` sequences of `length` vectors, all to be repeated `repeats` times."""
        return self._sequences(generator.integers(0, 2, (rows, length, self.bits)), repeats)

    def encode(self, line: str) -> Sequences:
        """Returns the one sequence that `line` says; a ZooError says what is wrong with it."""
        number, colon, rest = line.partition(":")
        number = number.strip()
        if not (colon and len(number) <= 2 and number.isascii() and number.isdigit()):
            raise _wrong(self, line)
        if int(number) == 0:
            raise _wrong(self, line)
        return self._sequences(_vectors(self, rest, line)[None], int(number))

    def decode(self, answer: np.ndarray) -> str:
        """Returns an answer `(steps, out_width)`, probabilities or bits; `end` is the marker."""
        return " ".join("end" if step[-1] >= 0.5 else _word(step[:-1]) for step in answer)

    def _sequences(self, vectors, repeats) -> Sequences:
        rows, length, _ = vectors.shape
        presented = np.zeros((rows, length + 1, self.in_width))
        presented[:, :length, : self.bits] = vectors
        presented[:, length, self.bits :] = 1, repeats / 10
        answer = np.zeros((rows, length * repeats + 1, self.out_width))
        answer[:, :-1, : self.bits] = np.tile(vectors, (1, repeats, 1))
        answer[:, -1, self.bits] = 1
        return _asked_then_answered(presented, answer)


@dataclass(frozen=True)
class AssociativeRecall:
    """Items of three vectors, then one of them again; then the item that came after that one."""

    layout: ClassVar[str] = (
        "A step's input is a vector's bits, a channel that is 1 before each item and one that is 1 "
        "before and after the item that is asked about, which is never the last."
    )
    sizes: ClassVar[tuple[str, ...]] = ("items",)
    form: ClassVar[str] = (
        "two or more items of three vectors of 6 bits, separated by ';', then '?' and one of them "
        "but the last, as in '101101 011010 111000; 000111 110011 010101 ? 101101 011010 111000'"
    )
    bits: ClassVar[int] = 6
    vectors: ClassVar[int] = 3
    in_width: ClassVar[int] = 8
    out_width: ClassVar[int] = 6

    def num_steps(self, *, items: int) -> int:
        """Returns T for so many items."""
        return (1 + self.vectors) * items + (self.vectors + 2) + self.vectors

    def draw(self, generator: np.random.Generator, *, rows: int, items: int) -> Sequences:
        """Returns `rows` sequences of `items` items, at least two."""
        drawn = generator.integers(0, 2, (rows, items, self.vectors, self.bits))
        return self._sequences(drawn, generator.integers(0, items - 1, rows))

    def encode(self, line: str) -> Sequences:
        """Returns the one sequence that `line` says; a ZooError says what is wrong with it."""
        listed, _, asked = line.partition("?")
        items = [_vectors(self, item, line) for item in listed.split(";")]
        query = _vectors(self, asked, line)
        if any(len(item) != self.vectors for item in items):
            raise _wrong(self, line)
        found = [index for index, item in enumerate(items[:-1]) if np.array_equal(item, query)]
        if not found:
            raise _wrong(self, line)
        return self._sequences(np.array(items)[None], np.array(found[:1]))

    def decode(self, answer: np.ndarray) -> str:
        """Returns an answer `(steps, out_width)`, probabilities or bits, as it is typed."""
        return " ".join(map(_word, answer))

    def _sequences(self, items, asked) -> Sequences:
        rows, count = items.shape[:2]
        listed = np.zeros((rows, count, 1 + self.vectors, self.in_width))
        listed[:, :, 0, self.bits] = 1
        listed[:, :, 1:, : self.bits] = items
        query = np.zeros((rows, self.vectors + 2, self.in_width))
        query[:, [0, -1], self.bits + 1] = 1
        query[:, 1:-1, : self.bits] = items[np.arange(rows), asked]
        listed = listed.reshape(rows, -1, self.in_width)
        presented = np.concatenate([listed, query], axis=1)
        return _asked_then_answered(presented, items[np.arange(rows), asked + 1])


@dataclass(frozen=True)
class DynamicNGrams:
    """A stream of bits, each to be predicted from those before.

    How probable a 1 is depends on the 5 bits before it, by a table that is drawn anew for each
    stream from Beta(1/2, 1/2). The first 5 are even odds, and no answer.
    """

    layout: ClassVar[str] = "A step's input is a bit, and its answer the next."
    sizes: ClassVar[tuple[str, ...]] = ("length",)
    form: ClassVar[str] = "6 bits or more, as in '0110100110'"
    context: ClassVar[int] = 5
    in_width: ClassVar[int] = 1
    out_width: ClassVar[int] = 1

    def num_steps(self, *, length: int) -> int:
        """Returns T for so many bits."""
        return length - 1

    def draw(self, generator: np.random.Generator, *, rows: int, length: int) -> Sequences:
        """Returns `rows` streams of `length` bits, at least 6."""
        table = generator.beta(0.5, 0.5, (rows, 2**self.context))
        bits = generator.integers(0, 2, (rows, length))
        chances = generator.random((rows, length))
        for position in range(self.context, length):
            before = _as_number(bits[:, position - self.context : position])
            bits[:, position] = chances[:, position] < table[np.arange(rows), before]
        return self._sequences(bits)

    def encode(self, line: str) -> Sequences:
        """Returns the one stream that `line` says; a ZooError says what is wrong with it."""
        bits = line.strip()
        if len(bits) <= self.context or set(bits) - {"0", "1"}:
            raise _wrong(self, line)
        return self._sequences(np.array([list(map(int, bits))]))

    def decode(self, answer: np.ndarray) -> str:
        """Returns an answer `(steps, 1)`, probabilities or bits: the likelier bits."""
        return "".join(map(_word, answer))

    def optimal_probabilities(self, sequences: Sequences) -> np.ndarray:
        """Returns the best that can be said before each bit, that it is 1, `(B, T, 1)`.

            p = (N1 + 1/2) / (N1 + N0 + 1)

        of N1 ones and N0 zeros that came before in the same stream after the same 5 bits. It is
        1/2 where no answer is due.

        Source: equation 10, by which a Bayesian who knows how the tables are drawn would say it.
        """
        first = sequences.inputs[:, :, 0].astype(int)
        bits = np.concatenate([first, sequences.targets[:, -1:, 0].astype(int)], axis=1)
        rows = np.arange(len(bits))
        counts = np.zeros((len(bits), 2**self.context, 2))
        optimal = np.full(sequences.targets.shape, 0.5)
        for position in range(self.context, bits.shape[1]):
            before = _as_number(bits[:, position - self.context : position])
            zeros, ones = counts[rows, before].T
            optimal[:, position - 1, 0] = (ones + 0.5) / (ones + zeros + 1)
            counts[rows, before, bits[:, position]] += 1
        return optimal

    def _sequences(self, bits) -> Sequences:
        mask = np.zeros((len(bits), bits.shape[1] - 1), bool)
        mask[:, self.context - 1 :] = True
        targets = np.where(mask, bits[:, 1:], 0)
        return Sequences(
            bits[:, :-1, None].astype("float32"), targets[:, :, None].astype("float32"), mask
        )


@dataclass(frozen=True)
class PrioritySort:
    """Vectors with priorities, a delimiter; then four fifths of the vectors, highest first."""

    layout: ClassVar[str] = (
        "A step's input is a vector's bits, its priority and a channel that is 1 at the delimiter, "
        "which comes after the last vector."
    )
    sizes: ClassVar[tuple[str, ...]] = ("length",)
    form: ClassVar[str] = (
        "two or more vectors of 8 bits, each after its priority from -1 to 1, as in "
        "'0.52:10110010 -0.1:01101001'"
    )
    bits: ClassVar[int] = 8
    in_width: ClassVar[int] = 10
    out_width: ClassVar[int] = 8

    def num_steps(self, *, length: int) -> int:
        """Returns T for so many vectors."""
        return length + 1 + length * 4 // 5

    def draw(self, generator: np.random.Generator, *, rows: int, length: int) -> Sequences:
        """Returns `rows` sequences of `length` vectors, at least two."""
        vectors = generator.integers(0, 2, (rows, length, self.bits))
        return self._sequences(vectors, generator.uniform(-1, 1, (rows, length)))

    def encode(self, line: str) -> Sequences:
        """Returns the one sequence that `line` says; a ZooError says what is wrong with it."""
        pairs = [word.partition(":") for word in line.split()]
        if len(pairs) < 2:
            raise _wrong(self, line)
        vectors = _vectors(self, " ".join(vector or "none" for _, _, vector in pairs), line)
        try:
            priorities = np.array([float(priority) for priority, _, _ in pairs])
        except ValueError as error:
            raise _wrong(self, line) from error
        if not (np.abs(priorities) <= 1).all():
            raise _wrong(self, line)
        return self._sequences(vectors[None], priorities[None])

    def decode(self, answer: np.ndarray) -> str:
        """Returns an answer `(steps, out_width)`, probabilities or bits, as it is typed."""
        return " ".join(map(_word, answer))

    def _sequences(self, vectors, priorities) -> Sequences:
        rows, length, _ = vectors.shape
        presented = np.zeros((rows, length + 1, self.in_width))
        presented[:, :length, : self.bits] = vectors
        presented[:, :length, self.bits] = priorities
        presented[:, length, self.bits + 1] = 1
        order = np.argsort(-priorities, axis=1, kind="stable")[:, : length * 4 // 5]
        return _asked_then_answered(presented, np.take_along_axis(vectors, order[..., None], 1))


TASKS = {
    "copy": Copy,
    "repeat_copy": RepeatCopy,
    "associative_recall": AssociativeRecall,
    "dynamic_ngrams": DynamicNGrams,
    "priority_sort": PrioritySort,
}


def sample_sequences(data) -> list[Sequences]:
    """Returns a few sequences of one task, one each, the same ones always.

    Args:
        data: Has the `name` of the task, and the sizes `shortest` and `longest`; the sequences go
            from the one to the other.
    """
    task, generator = TASKS[data.name](), np.random.default_rng(0)
    sizes = np.linspace(data.shortest, data.longest, _SAMPLES).astype(int).tolist()
    return [task.draw(generator, rows=1, **dict.fromkeys(task.sizes, size)) for size in sizes]


@dataclass(frozen=True)
class TestSequences:
    """The sequences that a preset is tested on: the same ones always, drawn by size."""

    __test__ = False  # it is no test of pytest's

    data: Any  # the preset's
    rows: int = 192  # of each size

    @property
    def metric(self) -> str:
        """What `error` counts: `wrong_bits`, or `bits_above_optimum` where none can be right."""
        return "bits_above_optimum" if self._has_optimum else "wrong_bits"

    @property
    def _has_optimum(self) -> bool:
        return hasattr(TASKS[self.data.name], "optimal_probabilities")

    def require_split(self, split: str) -> None:
        """Raises ZooError unless `split` is `test`: all others are drawn in training."""
        require_choice("split", split, ("test",))

    def draw(self, sizes: dict[str, int]) -> Sequences:
        """Returns the sequences of one of `tested_sizes`."""
        generator = np.random.default_rng((0, 2, *sizes.values()))  # not what training draws from
        return TASKS[self.data.name]().draw(generator, rows=self.rows, **sizes)

    def error(self, probabilities: np.ndarray, sequences: Sequences) -> float:
        """Returns how wrong answers are, on average over the sequences: see `metric`.

        Args:
            probabilities: `(B, T, out_width)`, that each bit is 1.
            sequences: What was asked.
        """
        if not self._has_optimum:
            return wrong_bits_a_sequence(probabilities, sequences)
        optimal = TASKS[self.data.name]().optimal_probabilities(sequences)
        return bits_a_sequence(probabilities, sequences) - bits_a_sequence(optimal, sequences)


def tested_sizes(data) -> list[dict[str, int]]:
    """Returns the sizes that a preset is tested at: the longest trained on, then larger ones.

    Args:
        data: The preset's; of a task with several sizes, one grows at a time.
    """
    names = TASKS[data.name].sizes
    largest = dict.fromkeys(names, data.longest)
    larger = range(data.longest + data.tested_every, data.tested_longest + 1, data.tested_every)
    return [largest, *({**largest, name: size} for name in names for size in larger)]


def bits_a_sequence(probabilities: np.ndarray, sequences: Sequences) -> float:
    """Returns what an answer costs: -log2 of its probability, on average over the sequences.

    Args:
        probabilities: `(B, T, out_width)`, that each bit is 1. What is nearer to 0 or 1 than 2^-24,
            as near as float32 comes to 1, counts as that.
        sequences: What was asked.
    """
    ones = probabilities.astype("float64")
    right = np.where(sequences.targets == 1, ones, 1 - ones)
    costs = -np.log2(np.clip(right, _NEAREST, 1 - _NEAREST))
    return float(costs[sequences.mask].sum() / len(costs))


def wrong_bits_a_sequence(probabilities: np.ndarray, sequences: Sequences) -> float:
    """Returns how many bits of an answer are wrong, on average over the sequences.

    Args:
        probabilities: `(B, T, out_width)`, that each bit is 1; a half or more says 1.
        sequences: What was asked.
    """
    wrong = (probabilities >= 0.5) != (sequences.targets == 1)
    return float(wrong[sequences.mask].sum() / len(wrong))


def _asked_then_answered(presented, answer) -> Sequences:
    """Returns sequences of a question `(B, P, in_width)` and then, its input 0, an answer."""
    rows, asked, in_width = presented.shape
    steps = asked + answer.shape[1]
    inputs = np.zeros((rows, steps, in_width), "float32")
    inputs[:, :asked] = presented
    targets = np.zeros((rows, steps, answer.shape[2]), "float32")
    targets[:, asked:] = answer
    mask = np.zeros((rows, steps), bool)
    mask[:, asked:] = True
    return Sequences(inputs, targets, mask)


def _as_number(bits):
    """Returns the numbers that bits `(B, digits)` write, the first the highest."""
    return bits @ (1 << np.arange(bits.shape[1])[::-1])


def _vectors(task, text: str, line: str | None = None) -> np.ndarray:
    """Returns the vectors `(count, bits)` typed in `text`, which is all or a part of `line`."""
    words = text.split()
    if not words or any(len(word) != task.bits or set(word) - {"0", "1"} for word in words):
        raise _wrong(task, text if line is None else line)
    return np.array([list(map(int, word)) for word in words])


def _word(step) -> str:
    return "".join("1" if bit >= 0.5 else "0" for bit in step)


def _wrong(task, line: str) -> ZooError:
    shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
    return ZooError(f"Expected {task.form}. Received: {shown!r}.")
