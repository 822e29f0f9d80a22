"""Stories with questions: the bAbI tasks, read from their archives and turned into arrays.

Weston et al., 2015 (arXiv:1502.05698). Shapes: N questions, M sentences of a story, L words of a
sentence, Q words of a question, U distinct sentences.
"""

import io
import logging
import os
import re
import tarfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from zoo import paths
from zoo.config import require_choice
from zoo.data.batches import pad
from zoo.data.dataset import read_manifest
from zoo.errors import ZooError
from zoo.layout import check_sha256
from zoo.text.tokenizer import PAD_ID, Tokenizer

_LOG = logging.getLogger("zoo")

TASKS = tuple(range(1, 21))
SPLITS = ("train", "validation", "test")
Size = Literal["sample", "1k", "10k"]
# Tasks of which the archive has a part of the training questions only. A mean over tasks, which is
# to stand beside others', is over the rest.
PARTIAL_TASKS = {"10k": (3,)}

_MEMBER = re.compile(
    r"(?P<folder>en|en-10k)/qa(?P<task>[1-9][0-9]?)_[a-z-]+_(?P<part>train|test)(_partial)?\.txt"
)


@dataclass(frozen=True)
class Story:
    """Sentences in reading order, and a question about them."""

    sentences: tuple[str, ...]
    question: str


@dataclass(frozen=True)
class Example(Story):
    """A story, whose sentences are those before the question, with its answer."""

    answer: str  # one word; of a list, its words joined by commas
    supports: tuple[int, ...]  # indices into `sentences` of those that give the answer
    task: int  # 1 to 20; 0 in the sample, whose stories mix the tasks


@dataclass(frozen=True)
class Stories:
    """An opened data set of stories: `files` holds the text of each (split, task)."""

    files: dict[tuple[str, int], str]
    size: Size

    @property
    def partial_tasks(self) -> tuple[int, ...]:
        """The tasks that a mean over tasks leaves out."""
        return PARTIAL_TASKS.get(self.size, ())

    def examples(self, split: str) -> list[Example]:
        """Returns the questions of `split`, task by task, in the order of their files.

        `validation` is the last tenth of the stories of each training file, at least one, and
        `train` is the others: no story is in both. The sample has no tests of its own; its `test`
        is all of it.

        Raises:
            ZooError: If there is no such split, or a file is not in the format.
        """
        self.require_split(split)
        part = "test" if split == "test" else "train"
        examples = []
        for (of, task), text in sorted(self.files.items()):
            if of != part:
                continue
            stories = read_stories(text, task=task, location=f"task {task}, {part}")
            held_out = max(len(stories) // 10, 1)
            if split == "train":
                stories = stories[:-held_out]
            elif split == "validation":
                stories = stories[-held_out:]
            examples += [example for story in stories for example in story]
        return examples

    def require_split(self, split: str) -> None:
        """Raises ZooError if there is no such split."""
        require_choice("split", split, SPLITS)

    def training_texts(self) -> list[str]:
        """Returns all sentences, questions and answers of the training files, validation's too.

        What a vocabulary is made of: a word is known if it may be learned or validated, and no word
        is known from the tests.
        """
        texts: dict[str, None] = {}  # each once: a vocabulary asks for no more
        for split in ("train", "validation"):
            for example in self.examples(split):
                texts |= dict.fromkeys((*example.sentences, example.question, example.answer))
        return list(texts)


def open_stories(
    name: str, *, size: Size, tasks: Sequence[int] = TASKS, data_dir: Path | None = None
) -> Stories:
    """Returns the data set from `data_dir` or `ZOO_DATA`; the sample needs neither.

    Archives are checked against the manifest's sha256 and read in memory; nothing is unpacked.

    Args:
        name: Of the data set.
        size: `1k` or `10k` training questions a task, or the project's own `sample`.
        tasks: Which of the 20; the sample has no tasks.
        data_dir: Folder of data sets.

    Raises:
        ZooError: If an argument is wrong, there are no files, or a file is not the manifest's.
    """
    manifest = read_manifest(name)
    require_choice("size", size, get_args(Size))
    for task in tasks:
        require_choice("task", str(task), map(str, TASKS))
    if size == "sample":
        text = _sample_text(name)
        return Stories({("train", 0): text, ("test", 0): text}, size)
    if data_dir is None and os.environ.get("ZOO_DATA"):
        data_dir = Path(os.environ["ZOO_DATA"])
    if data_dir is None:
        raise ZooError(
            f"The data set {name!r} needs --data DIR or ZOO_DATA: a folder that holds "
            f"{name}/. {manifest['source']}"
        )
    files = {}
    for part, split in (("train", "train" if size == "1k" else "train_10k"), ("test", "test")):
        facts = manifest["splits"][split]
        path = data_dir / name / facts["file"]
        if not path.is_file():
            raise ZooError(f"Expected the {part} split of {name!r} at {path}.")
        content = path.read_bytes()
        check_sha256(content, facts["sha256"], path)
        texts = read_archive(content, location=path)
        for task in tasks:
            if (part, task) not in texts:
                raise ZooError(f"Expected the {part} file of task {task} in {path}.")
            files[part, task] = texts[part, task]
    return Stories(files, size)


def scored_tasks(tasks: Collection[int], partial: Collection[int]) -> list[int]:
    """Returns those of `tasks` that a mean is over: all but the partial ones, if there are any."""
    return [task for task in tasks if task not in partial] or list(tasks)


def sample_examples(name: str) -> list[Example]:
    """Returns the questions that the project carries for tests and golden outputs."""
    stories = read_stories(_sample_text(name), task=0, location=f"the sample of {name}")
    return [example for story in stories for example in story]


def read_archive(content: bytes, *, location: object) -> dict[tuple[str, int], str]:
    """Returns the text of each part (`train` or `test`) and task of a `.tar.gz`.

    Raises:
        ZooError: If it is no such archive, or holds anything but files with the set's names: none
            of another name, and no link.
    """
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                name = _MEMBER.fullmatch(member.name)
                if name is None or not member.isfile():
                    raise ZooError(f"{location} holds {member.name!r}, which is no file of bAbI.")
                text = archive.extractfile(member).read().decode("utf-8")
                files[name["part"], int(name["task"])] = text
    except (tarfile.TarError, EOFError, OSError, UnicodeDecodeError) as error:
        raise ZooError(f"Expected a .tar.gz of text at {location}. Received: {error}.") from error
    return files


def read_stories(text: str, *, task: int, location: object) -> list[list[Example]]:
    """Returns the questions of each story of a file in bAbI's format.

    Raises:
        ZooError: If a line is not in the format, or there is no question.
    """
    stories: list[list[Example]] = []
    sentences: list[str] = []
    index_of: dict[int, int] = {}  # from the line's ID to the sentence's index
    last = 0
    for number, line in enumerate(text.splitlines(), start=1):
        here = f"{location}, line {number}"
        label, _, rest = line.partition(" ")
        if not (label.isascii() and label.isdigit()) or not rest.strip():
            raise ZooError(f"Expected a number, a blank and a text at {here}. Received: {line!r}.")
        if int(label) == 1:
            stories.append([])
            sentences, index_of = [], {}
        elif int(label) != last + 1 or not stories:
            raise ZooError(f"Expected ID {last + 1} or 1 at {here}. Received: {label}.")
        last = int(label)
        if "\t" not in rest:
            index_of[last] = len(sentences)
            sentences.append(rest.strip())
            continue
        fields = rest.split("\t")
        if len(fields) != 3 or not all(field.strip() for field in fields[:2]):
            raise ZooError(f"Expected question, answer and IDs at {here}. Received: {rest!r}.")
        question, answer, ids = fields
        try:
            supports = tuple(index_of[int(label)] for label in ids.split())
        except (KeyError, ValueError) as error:
            raise ZooError(f"Expected IDs of sentences at {here}. Received: {ids!r}.") from error
        stories[-1].append(
            Example(tuple(sentences), question.strip(), answer.strip(), supports, task)
        )
    if not any(stories):
        raise ZooError(f"Expected questions in {location}. There is none.")
    return stories


@dataclass(frozen=True)
class EncodedStories:
    """Questions as arrays of word ids, every distinct sentence held once.

    Attributes:
        sentences: `(U, L)` int32, padded at the end; row 0 is the empty sentence.
        places: `(N, M)` int32, the rows of `sentences` that make each story, in reading order, then
            0.
        question: `(N, Q)` int32, padded at the end.
        answer: `(N,)` int32; the unknown id for a word that the tokenizer does not know.
        task: `(N,)` int32.
    """

    sentences: np.ndarray
    places: np.ndarray
    question: np.ndarray
    answer: np.ndarray
    task: np.ndarray

    def __len__(self) -> int:
        return len(self.question)

    def story(self, rows=slice(None)) -> np.ndarray:
        """Returns the stories of `rows`, `(N, M, L)` int32: sentences in order, then padding."""
        return self.sentences[self.places[rows]]


def encode_examples(examples: Sequence[Example], tokenizer: Tokenizer, config) -> EncodedStories:
    """Returns `examples` as arrays: what a model reads, and what it is to answer.

    Sentences are in reading order, and padding stands at the end: of a story, of a sentence and of
    a question. Of a longer story the oldest sentences are dropped; a longer sentence or question is
    cut, which the log tells.

    Raises:
        ZooError: If an answer is not one word.
    """
    if longer := sum(len(example.sentences) > config.max_sentences for example in examples):
        _LOG.warning(
            "%d of %d stories have over %d sentences and lose the oldest.",
            longer,
            len(examples),
            config.max_sentences,
        )
    answers = tokenizer.encode([example.answer for example in examples])
    for example, ids in zip(examples, answers, strict=True):
        if len(ids) != 1:
            raise ZooError(f"Expected an answer of one word. Received: {example.answer!r}.")
    sentences, places = _encode_sentences(examples, tokenizer, config)
    return EncodedStories(
        sentences=sentences,
        places=places,
        question=_encode_questions(examples, tokenizer, config),
        answer=np.array([ids[0] for ids in answers], np.int32),
        task=np.array([example.task for example in examples], np.int32),
    )


def _encode_sentences(stories, tokenizer, config) -> tuple[np.ndarray, np.ndarray]:
    """Returns `sentences` and `places` of `EncodedStories`."""
    kept = [story.sentences[-config.max_sentences :] for story in stories]
    texts = dict.fromkeys(["", *(text for sentences in kept for text in sentences)])
    row_of = {text: row for row, text in enumerate(texts)}
    places = np.zeros((len(stories), config.max_sentences), np.int32)
    for place, sentences in zip(places, kept, strict=True):
        place[: len(sentences)] = [row_of[text] for text in sentences]
    return _encode(list(texts), tokenizer, config.max_sentence_length, "sentences"), places


def _encode_questions(stories, tokenizer, config) -> np.ndarray:
    questions = [story.question for story in stories]
    return _encode(questions, tokenizer, config.max_question_length, "questions")


def _encode(texts: Sequence[str], tokenizer: Tokenizer, length: int, what: str) -> np.ndarray:
    rows = tokenizer.encode(texts)
    if cut := sum(len(row) > length for row in rows):
        _LOG.warning("%d of %d %s have over %d words and are cut.", cut, len(rows), what, length)
    return pad(rows, length, pad_id=PAD_ID)


def noisy_times(
    filled: np.ndarray,
    *,
    share: float,
    generator: np.random.Generator,
    in_short_stories: bool = False,
) -> np.ndarray:
    """Returns how long ago each sentence was, with random gaps: "random noise" in training.

    A story of n sentences is read as if empty memories lay between them, any number from none to a
    share of n, so that the vectors of times beyond the usual ones are learned too. Where there is
    no gap the latest sentence has time 0, the one before it 1, and so on.

    Args:
        filled: `(B, M)` bool, True at sentences; they stand first.
        share: Of empty memories, 0 to 1.
        generator: Draws the gaps.
        in_short_stories: Their number may be ceil(share n), as in the authors' code, so that every
            story has one now and then. Without, it is less than that, and with a share of a tenth
            stories of ten sentences or fewer have none.

    Returns:
        `(B, M)` int32, below M; 0 where there is no sentence.

    Source: Sukhbaatar et al., 2015 (arXiv:1503.08895), section 4.1, "random noise", which adds a
    tenth.
    """
    index = np.arange(filled.shape[1])[None]
    count = filled.sum(axis=1, keepdims=True)  # (B, 1)
    most = np.ceil(share * count).astype(int)
    gaps = generator.integers(0, most + 1 if in_short_stories else np.maximum(most, 1))
    # Of count + gaps possible times, count drawn ones, the nearest first.
    keys = np.where(index < count + gaps, generator.random(filled.shape), np.inf)
    drawn = keys.argsort(axis=1).argsort(axis=1) < count
    nearest_first = np.sort(np.where(drawn, index, filled.shape[1]), axis=1)
    times = np.take_along_axis(nearest_first, np.maximum(count - 1 - index, 0), axis=1)
    return np.where(filled, times, 0).astype(np.int32)


def _sample_text(name: str) -> str:
    manifest = read_manifest(name)
    path = paths.datasets() / name / manifest["sample"]["file"]
    return path.read_text(encoding="utf-8")
