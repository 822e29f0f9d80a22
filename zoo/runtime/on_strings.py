"""Models whose engine reads and writes strings itself: a SavedModel, or a server."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.data.stories import Story
from zoo.runtime.inputs import as_stories, as_texts
from zoo.runtime.result import Answer, Result
from zoo.runtime.story_model import StoryModel
from zoo.runtime.text_model import TextModel, warn_if_cut

_SIGNATURE = "serving_default"


class TextOnStrings(TextModel):
    """A model from text to text: call it with texts.

    `n_best` asks the signature on token ids, because `serving_default` gives the best alone.
    """

    def __call__(self, texts: Iterable[str], *, first_line: int = 1) -> list[Result]:
        """Returns one result a text, in order; see `TextModel`."""
        texts = as_texts(texts)
        for line, ids in enumerate(self.tokenizer.encode(texts), start=first_line):
            warn_if_cut(line, len(ids), self.max_source_length)
        size = self.engine.batch_size
        batches = [text_inputs(texts[x : x + size]) for x in range(0, len(texts), size)]
        outputs = self.engine.run_all(_SIGNATURE, batches)
        return [result for found in outputs for result in results(found)]


class StoryOnStrings(StoryModel):
    """A model that answers: call it with stories."""

    def __call__(
        self, stories: Iterable[Story | Mapping[str, Any]], *, first_line: int = 1
    ) -> list[Answer]:
        """Returns one answer a story, in order; see `StoryModel`."""
        stories = as_stories(stories)
        for line, story in enumerate(stories, start=first_line):
            self.warn_if_cut(line, story)
        size = self.engine.batch_size
        batches = [stories[x : x + size] for x in range(0, len(stories), size)]
        outputs = self.engine.run_all(_SIGNATURE, [story_inputs(batch) for batch in batches])
        return [
            answer
            for batch, found in zip(batches, outputs, strict=True)
            for answer in answers(found, batch)
        ]


# By a preset's modality.
ON_STRINGS = {"text": TextOnStrings, "story": StoryOnStrings}


def text_inputs(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the inputs of `serving_default` for texts."""
    return {"text": np.array([text.encode() for text in texts], dtype=object)}


def story_inputs(stories: Sequence[Story]) -> dict[str, np.ndarray]:
    """Returns the inputs of `serving_default` for stories."""
    longest = max(len(story.sentences) for story in stories)
    told = np.full((len(stories), longest), b"", dtype=object)
    for row, story in zip(told, stories, strict=True):
        row[: len(story.sentences)] = [sentence.encode() for sentence in story.sentences]
    asked = np.array([story.question.encode() for story in stories], dtype=object)
    return {"story": told, "question": asked}


def results(outputs: Mapping[str, np.ndarray]) -> list[Result]:
    """Returns the result of each row of what `serving_default` gives for texts."""
    found = []
    for row in range(len(outputs["text"])):
        tokens = _strings(outputs["tokens"][row])
        source_tokens = _strings(outputs["source_tokens"][row])
        alignment = outputs.get("alignment")
        if alignment is not None:
            alignment = alignment[row, : len(tokens), ..., : len(source_tokens)]
        found.append(
            Result(
                text=outputs["text"][row].decode(),
                score=float(outputs["score"][row]),
                tokens=tokens,
                source_tokens=source_tokens,
                alignment=alignment,
            )
        )
    return found


def answers(outputs: Mapping[str, np.ndarray], stories: Sequence[Story]) -> list[Answer]:
    """Returns the answer to each of `stories` of what `serving_default` gives for them."""
    found = []
    for row, story in enumerate(stories):
        sentences = _strings(outputs["sentences"][row])
        found.append(
            Answer(
                text=outputs["answer"][row].decode(),
                probability=float(outputs["probability"][row]),
                sentences=sentences,
                question=story.question,
                alignment=outputs["alignment"][row, :, : len(sentences)],
                reads=outputs["reads"][row] if "reads" in outputs else None,
            )
        )
    return found


def _strings(pieces: np.ndarray) -> tuple[str, ...]:
    return tuple(piece.decode() for piece in pieces if piece)
