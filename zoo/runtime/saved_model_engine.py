"""Runs a SavedModel in TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401 (registers the operators of the tokenizer)

from zoo.config import unknown_name
from zoo.errors import ZooError
from zoo.runtime.result import Answer, Result
from zoo.runtime.story_model import Story, StoryModel
from zoo.runtime.text_model import TextModel, check_texts, warn_if_cut


class SavedModelEngine:
    """Runs the signatures of a SavedModel.

    Args:
        folder: That of `saved_model.pb`.

    Raises:
        ZooError: If it cannot be loaded.
    """

    batch_size = 64
    length_step = 1

    def __init__(self, folder: Path):
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except (OSError, ValueError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())
            raise ZooError(
                f"TensorFlow cannot load the SavedModel in {folder}: {reason}"
            ) from error

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name.

        Raises:
            ZooError: If the SavedModel has no such signature.
        """
        if signature not in self._loaded.signatures:
            raise ZooError(unknown_name("signature", signature, self._loaded.signatures))
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: value.numpy() for name, value in outputs.items()}

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, one after the other."""
        return [self.run(signature, **batch) for batch in batches]


class SavedTextModel(TextModel):
    """A loaded SavedModel that reads and writes text itself: call it with texts.

    `n_best` asks its signature on token ids, because `serving_default` gives the best alone.
    """

    engine: SavedModelEngine

    def __call__(self, texts: Sequence[str], *, first_line: int = 1) -> list[Result]:
        """Returns one result a text, in order; see `TextModel`."""
        check_texts(texts)
        for line, ids in enumerate(self.tokenizer.encode(texts), start=first_line):
            warn_if_cut(line, len(ids), self.max_source_length)
        results = []
        for start in range(0, len(texts), self.engine.batch_size):
            batch = np.array(texts[start : start + self.engine.batch_size], dtype=object)
            outputs = self.engine.run("serving_default", text=batch)
            results += [_result(outputs, row) for row in range(len(batch))]
        return results


class SavedStoryModel(StoryModel):
    """A loaded SavedModel that reads and writes strings itself: call it with stories."""

    engine: SavedModelEngine

    def __call__(self, stories: Sequence[Story], *, first_line: int = 1) -> list[Answer]:
        """Returns one answer a story, in order; see `StoryModel`."""
        answers = []
        for start in range(0, len(stories), self.engine.batch_size):
            batch = stories[start : start + self.engine.batch_size]
            for line, story in enumerate(batch, start=first_line + start):
                self.warn_if_cut(line, story)
            longest = max(len(story.sentences) for story in batch)
            told = [[*story.sentences, *[""] * (longest - len(story.sentences))] for story in batch]
            outputs = self.engine.run(
                "serving_default",
                story=np.array(told, dtype=object).reshape(len(batch), longest),
                question=np.array([story.question for story in batch], dtype=object),
            )
            for row, story in enumerate(batch):
                sentences = _strings(outputs["sentences"][row])
                answers.append(
                    Answer(
                        text=outputs["answer"][row].decode(),
                        probability=float(outputs["probability"][row]),
                        sentences=sentences,
                        question=story.question,
                        alignment=outputs["alignment"][row, :, : len(sentences)],
                        reads=outputs["reads"][row] if "reads" in outputs else None,
                    )
                )
        return answers


# The models that read and write strings themselves, by a preset's modality.
ON_STRINGS = {"text": SavedTextModel, "story": SavedStoryModel}


def _result(outputs: dict[str, np.ndarray], row: int) -> Result:
    tokens = _strings(outputs["tokens"][row])
    source_tokens = _strings(outputs["source_tokens"][row])
    alignment = outputs.get("alignment")
    return Result(
        text=outputs["text"][row].decode(),
        score=float(outputs["score"][row]),
        tokens=tokens,
        source_tokens=source_tokens,
        alignment=None
        if alignment is None
        else alignment[row, : len(tokens), ..., : len(source_tokens)],
    )


def _strings(pieces: np.ndarray) -> tuple[str, ...]:
    return tuple(piece.decode() for piece in pieces if piece)
