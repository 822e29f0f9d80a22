"""What a model's signatures on arrays take: lengths and ids, whichever the runtime.

The same limits, in the same words, as `guarded` of `zoo.export.serve_*` puts into a graph. They are
checked again here because `.tflite` files have no assertions, and because a graph may come to an
operator that refuses in words of its own before it comes to its assertions.
"""

from collections.abc import Mapping

import numpy as np

from zoo.config import Preset
from zoo.serving.signatures import DEFAULT
from zoo.serving.status import invalid


class Limits:
    """What the model of a preset takes."""

    def __init__(self, preset: Preset):
        self._config = preset.model
        self._checks = {
            "text": {"generate": self._source},
            "story": {"predict": self._story},
            "sequence": {"predict": _lengths, DEFAULT: _lengths},
        }[preset.modality]

    def check(self, signature: str, inputs: Mapping[str, np.ndarray]) -> None:
        """Raises Refusal if the model cannot read `inputs` of `signature`."""
        # A SavedModel without its tokenizer has token ids in `serving_default` too.
        if signature == DEFAULT and any(array.dtype.kind == "O" for array in inputs.values()):
            return
        if signature == DEFAULT and DEFAULT not in self._checks:
            signature = next(iter(self._checks))
        if check := self._checks.get(signature):
            check(**inputs)

    def _source(self, source: np.ndarray) -> None:
        longest = self._config.max_source_length
        if source.shape[1] > longest:
            raise invalid(f"A source has at most {longest} tokens.")
        self._ids(source, "token")

    def _story(self, story: np.ndarray, question: np.ndarray) -> None:
        config = self._config
        for size, limit, said in (
            (story.shape[1], config.max_sentences, "A story has at most {} sentences."),
            (story.shape[2], config.max_sentence_length, "A sentence has at most {} words."),
            (question.shape[1], config.max_question_length, "A question has at most {} words."),
        ):
            if size > limit:
                raise invalid(said.format(limit))
        self._ids(story, "word")
        self._ids(question, "word")

    def _ids(self, ids: np.ndarray, kind: str) -> None:
        if (ids < 0).any():
            raise invalid(f"A {kind} id is at least 0.")
        if (ids >= self._config.vocab_size).any():
            raise invalid(f"A {kind} id is below {self._config.vocab_size}.")


def _lengths(inputs: np.ndarray, length: np.ndarray) -> None:
    if (length < 0).any():
        raise invalid("A length is at least 0.")
    if (length > inputs.shape[1]).any():
        raise invalid("A length is at most the number of steps.")
