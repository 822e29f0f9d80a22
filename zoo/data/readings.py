"""Stories read once and asked several times, or read for each question, in batches of one length.

Most stories of bAbI have five questions. Taken one by one, the first sentences of a story are read
for every question that comes after them; taken together, once. Shapes: B stories, M sentences, L
words of a sentence, K questions of a story, Q words of a question.
"""

from dataclasses import dataclass

import keras
import numpy as np

from zoo.data.feed import let_first_two_differ
from zoo.data.stories import EncodedStories
from zoo.text.tokenizer import PAD_ID


@dataclass(frozen=True)
class Readings:
    """Stories with questions on them, as rows of `EncodedStories`.

    Attributes:
        examples: Where the questions stand.
        rows: `(N, K)` int32, the questions of each story in the order of asking, then -1.
        lengths: `(N,)` int32, how many sentences a story has at its last question.
    """

    examples: EncodedStories
    rows: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, stories: np.ndarray, *, sentences: int) -> tuple[dict, np.ndarray]:
        """Returns the inputs and answers of `stories` `(B,)`, indices, or -1 for one of padding.

        The inputs are `story` `(B, M, L)`, `question` `(B, K, Q)` and `told` `(B, K)`, after how
        many sentences it was asked; answers are `(B, K)`, the padding id where nothing was asked.
        All int32.

        Args:
            stories: Which.
            sentences: M, at least that of the longest.
        """
        examples = self.examples
        rows = np.where(stories[:, None] >= 0, self.rows[stories], -1)  # (B, K)
        asked = rows >= 0
        last = np.max(rows, axis=1)
        places = np.where(last[:, None] >= 0, examples.places[last, :sentences], 0)
        inputs = {
            "story": examples.sentences[places],
            "question": np.where(asked[..., None], examples.question[rows], PAD_ID),
            "told": np.where(asked, (examples.places[rows] > 0).sum(axis=-1), 0),
        }
        answers = np.where(asked, examples.answer[rows], PAD_ID)
        return {name: x.astype(np.int32) for name, x in inputs.items()}, answers.astype(np.int32)


def readings(
    examples: EncodedStories, rows: np.ndarray | None = None, *, apart: bool = False
) -> Readings:
    """Returns the stories of `examples`, each with the questions that follow each other on it.

    A story that has lost its oldest sentences between two questions is read anew.

    Args:
        examples: Questions; those of a story follow each other.
        rows: Which of them, all if it is not given.
        apart: Read a story for each of its questions, up to where it was asked.
    """
    lengths = (examples.places > 0).sum(axis=1)
    found: list[list[int]] = []
    for row in np.arange(len(examples)) if rows is None else rows:
        before = found[-1][-1] if found else None
        if before is not None and not apart and _goes_on(examples, before, row, lengths):
            found[-1].append(row)
        else:
            found.append([row])
    width = max(map(len, found), default=0)
    padded = np.full((len(found), width), -1, np.int32)
    for index, questions in enumerate(found):
        padded[index, : len(questions)] = questions
    last = [questions[-1] for questions in found]
    return Readings(examples, padded, lengths[last].astype(np.int32))


def _goes_on(examples: EncodedStories, before: int, row: int, lengths: np.ndarray) -> bool:
    told = lengths[before]
    return (
        examples.task[before] == examples.task[row]
        and 0 < told <= lengths[row]
        and np.array_equal(examples.places[before, :told], examples.places[row, :told])
    )


class ReadingBatches(keras.utils.PyDataset):
    """Batches of `Readings`, all of them once an epoch, in an order that the seed decides.

    A batch has stories of about one length, which is a round number, so that there are few shapes
    to compile. The last of each length is filled with stories of padding.

    Args:
        stories: What to feed.
        batch_size: B.
        seed: Of the order; None leaves it as it is.
    """

    def __init__(self, stories: Readings, *, batch_size: int, seed: tuple[int, ...] | None):
        super().__init__()
        self._stories = stories
        self._batch_size = batch_size
        self._seed = seed
        self._room = stories.examples.places.shape[1]
        self._epoch = 0
        self._begin_epoch()

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, index: int):
        sentences, stories = self._batches[index]
        return self._stories.batch(stories, sentences=sentences)

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self._epoch += 1
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        order = np.arange(len(self._stories))
        generator = None
        if self._seed is not None:
            generator = np.random.default_rng((*self._seed, self._epoch))
            generator.shuffle(order)
        lengths = np.minimum(rounded(self._stories.lengths[order]), self._room)
        self._batches = []
        for length in np.unique(lengths):
            group = order[lengths == length]
            group = np.append(group, np.full(-len(group) % self._batch_size, -1))
            for start in range(0, len(group), self._batch_size):
                self._batches.append((int(length), group[start : start + self._batch_size]))
        if generator is not None:
            generator.shuffle(self._batches)
        let_first_two_differ(self._batches)


def rounded(lengths: np.ndarray) -> np.ndarray:
    """Returns lengths, at least 1, rounded up to multiples of about an eighth of themselves."""
    lengths = np.maximum(lengths, 1)
    step = 2 ** np.maximum(np.ceil(np.log2(lengths)) - 3, 0).astype(int)
    return -(-lengths // step) * step
