"""A story and a question in, an answer out, over an engine that runs signatures."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.batches import pad
from zoo.data.stories import Story
from zoo.errors import ZooError
from zoo.runtime.engine import Engine
from zoo.runtime.inputs import as_stories, as_story
from zoo.runtime.result import Answer
from zoo.text.tokenizer import Tokenizer

_LOG = logging.getLogger("zoo")


class StoryModel:
    """A loaded model: call it with stories.

    Args:
        engine: What runs its signatures.
        tokenizer: The tokenizer it was trained with, of whole words.
        config: That of the model. Of a longer story the oldest sentences are dropped, and a longer
            sentence or question is cut, with a warning.
    """

    signature = "predict"  # the one that it calls

    def __init__(self, engine: Engine, tokenizer: Tokenizer, config):
        self.engine = engine
        self.tokenizer = tokenizer
        self.config = config

    @staticmethod
    def read(line: str) -> Story:
        """Returns the story in a line of JSON: `{"story": ["...", ...], "question": "..."}`.

        Raises:
            ZooError: If the line is something else.
        """
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ZooError(
                'Expected JSON with "story", a list of sentences, and "question". '
                f"Received: {line[:80]!r}."
            ) from error
        return as_story(found)

    def __call__(
        self, stories: Iterable[Story | Mapping[str, Any]], *, first_line: int = 1
    ) -> list[Answer]:
        """Returns one answer a story, in order.

        Args:
            stories: What to read, and what is asked: `{"story": ["...", ...], "question": "..."}`.
            first_line: The line number of the first story, for warnings.

        Raises:
            ZooError: If `stories` holds something other than stories.
        """
        stories = as_stories(stories)
        for line, story in enumerate(stories, start=first_line):
            self.warn_if_cut(line, story)
        size = self.engine.batch_size
        batches = [stories[start : start + size] for start in range(0, len(stories), size)]
        inputs = [encode_stories(batch, self.tokenizer, self.config) for batch in batches]
        outputs = self.engine.run_all(self.signature, inputs)
        return [
            self._answer(story, answer, row)
            for batch, answer in zip(batches, outputs, strict=True)
            for row, story in enumerate(batch)
        ]

    def warn_if_cut(self, line: int, story: Story) -> None:
        """Logs a warning of what the model does not read of the story on `line`."""
        config = self.config
        if (told := len(story.sentences)) > config.max_sentences:
            _LOG.warning(
                "Line %d has %d sentences; the model remembers %d, the oldest are dropped.",
                line,
                told,
                config.max_sentences,
            )
        read = dict.fromkeys(story.sentences[-config.max_sentences :])  # each once
        limits = [(sentence, config.max_sentence_length) for sentence in read]
        limits.append((story.question, config.max_question_length))
        ids = self.tokenizer.encode([text for text, _ in limits])
        for (text, limit), words in zip(limits, ids, strict=True):
            if len(words) > limit:
                _LOG.warning("Line %d: the model reads %d words of %r.", line, limit, text)

    def _answer(self, story: Story, outputs: Mapping[str, np.ndarray], row: int) -> Answer:
        answer = int(outputs["answer"][row])
        sentences = story.sentences[-self.config.max_sentences :]
        return Answer(
            text=self.tokenizer.decode([answer]),
            probability=float(outputs["probabilities"][row, answer]),
            sentences=sentences,
            question=story.question,
            alignment=outputs["alignment"][row, :, : len(sentences)],
            reads=outputs["reads"][row] if "reads" in outputs else None,
        )


def encode_stories(stories: Sequence[Story], tokenizer: Tokenizer, config) -> dict[str, np.ndarray]:
    """Returns `story` `(B, M, L)` and `question` `(B, Q)`, int32, at the sizes of `config`.

    Of a longer story the latest sentences are kept; sentences and questions are cut at their end.
    """
    told = [story.sentences[-config.max_sentences :] for story in stories]
    sentences = np.zeros((len(stories), config.max_sentences, config.max_sentence_length), np.int32)
    for row, texts in zip(sentences, told, strict=True):
        words = tokenizer.encode(texts)
        row[: len(texts)] = pad(words, config.max_sentence_length, pad_id=tokenizer.pad_id)
    questions = tokenizer.encode([story.question for story in stories])
    return {
        "story": sentences,
        "question": pad(questions, config.max_question_length, pad_id=tokenizer.pad_id),
    }
