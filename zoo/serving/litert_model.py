"""The signatures of a SavedModel, on LiteRT.

A `.tflite` takes one row at a time, at one length, and token ids alone. Here its signatures take
any number of rows and any length up to that one, `serving_default` takes strings, and what they
give is what the SavedModel gives to the same request.
"""

from collections.abc import Mapping

import numpy as np

from zoo import layout, models
from zoo.data.stories import Story
from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.story_model import encode_stories
from zoo.serving.limits import Limits
from zoo.serving.signatures import DEFAULT, Signature, of_manifest
from zoo.serving.status import invalid
from zoo.text.tokenizer import END_ID, PAD_ID, Tokenizer

Arrays = dict[str, np.ndarray]


class LiteRTModel:
    """A `.tflite` as a server runs it.

    Args:
        artefact: A model with a `.tflite`.
        beam_size: Of the search; 1, or the one that the file holds.

    Raises:
        ZooError: If the file is missing, damaged, or of another beam size.
    """

    rows_together = False  # nothing is gained by running several rows in one call

    def __init__(self, artefact: Artefact, *, beam_size: int = 1):
        manifest = artefact.manifest
        preset = models.trained_preset(manifest)
        preset.require_beam_size(beam_size)
        if not artefact.holds(layout.TFLITE):
            raise ZooError(
                f"{artefact.folder} holds no {layout.TFLITE}. Make one with: "
                f"zoo export {artefact.folder} --format litert"
            )
        held = manifest["litert"]["beam_size"]
        if beam_size not in (1, held):
            raise ZooError(
                f"The .tflite of {artefact.name} holds the beam sizes 1 and {held}. "
                f"Received: {beam_size}."
            )
        self._config = preset.model
        self._limits = Limits(preset)
        on_default = {"text": self._text, "story": self._story, "sequence": self._sequence}
        self._on_default = on_default[preset.modality]
        self._engine = LiteRTEngine(artefact.read(layout.TFLITE))
        self._tokenizer = None
        if artefact.holds(layout.TOKENIZER):
            self._tokenizer = Tokenizer(artefact.read(layout.TOKENIZER))
        self._fixed = self._engine.signatures()
        # The axes with their letters: one letter is one size in all tensors of a signature.
        self._axes = manifest["signatures"]
        self._in_file = {name: name for name in self._axes}
        if beam_size > 1:
            self._in_file["generate"] = "generate_beam"
        self.signatures: dict[str, Signature] = of_manifest(
            manifest, modality=preset.modality, beam_size=beam_size
        )

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        """Returns the outputs of `signature` for inputs that are as it says, of at least one row.

        Raises:
            Refusal: If the model cannot read them: too long, or token ids that it does not have.
        """
        self._limits.check(signature, inputs)
        if signature == DEFAULT:
            return self._on_default(**inputs)
        return self._on_arrays(signature, inputs)

    def _text(self, text: np.ndarray) -> Arrays:
        longest = self._config.max_source_length
        sources = [ids[:longest] for ids in self._tokenizer.encode(text.tolist())]
        width = max(map(len, sources))
        source = np.full((len(sources), width), PAD_ID, np.int32)
        for row, ids in enumerate(sources):
            source[row, : len(ids)] = ids
        found = self._on_arrays("generate", {"source": source})
        best = found["tokens"][:, 0]  # (B, T)
        written = [
            [token for token in row[:length].tolist() if token not in (PAD_ID, END_ID)]
            for row, length in zip(best, found["lengths"][:, 0], strict=True)
        ]
        outputs = {
            "text": _strings([self._tokenizer.decode(ids) for ids in written]),
            "score": found["scores"][:, 0],
            "tokens": self._pieces(written, best.shape[1]),
            "source_tokens": self._pieces(sources, width),
        }
        if "alignment" in found:
            outputs["alignment"] = found["alignment"][:, 0]
        return outputs

    def _story(self, story: np.ndarray, question: np.ndarray) -> Arrays:
        told = [
            tuple(sentence for sentence in row if sentence.strip())[-self._config.max_sentences :]
            for row in story.tolist()
        ]
        asked = [Story(row, text) for row, text in zip(told, question.tolist(), strict=True)]
        encoded = encode_stories(asked, self._tokenizer, self._config)
        found = self._on_arrays("predict", encoded)
        answer = found["answer"]
        count = max(map(len, told))
        sentences = np.full((len(told), count), b"", object)
        for row, texts in enumerate(told):
            sentences[row, : len(texts)] = texts
        of_slots = {"reads": found["reads"]} if "reads" in found else {}
        return {
            "answer": _strings([self._tokenizer.decode([int(word)]) for word in answer]),
            "probability": np.take_along_axis(found["probabilities"], answer[:, None], 1)[:, 0],
            "probabilities": found["probabilities"],
            "sentences": sentences,
            "alignment": found["alignment"][..., :count],
            **of_slots,
        }

    def _sequence(self, **inputs: np.ndarray) -> Arrays:
        return self._on_arrays("predict", inputs)

    def _on_arrays(self, signature: str, inputs: Arrays) -> Arrays:
        """Returns the outputs of a signature on arrays, row by row, padded and cut to its sizes."""
        axes, name = self._axes[signature], self._in_file[signature]
        sizes = _sizes(inputs, axes["inputs"])
        fixed = self._fixed[name]
        for letter, size in sizes.items():
            if letter != "B" and size > (room := _room(letter, axes["inputs"], fixed["inputs"])):
                raise invalid(f"The file has room for {room} of axis {letter}. Received: {size}.")
        padded = {
            alias: _padded(array, axes["inputs"][alias]["shape"], fixed["inputs"][alias]["shape"])
            for alias, array in inputs.items()
        }
        rows = []
        for row in range(sizes["B"]):
            one = {
                alias: array[row : row + 1] if _has_rows(axes["inputs"][alias]) else array
                for alias, array in padded.items()
            }
            rows.append(self._engine.run(name, **one))
        return {
            alias: _cut(np.concatenate([row[alias] for row in rows]), spec["shape"], sizes)
            for alias, spec in axes["outputs"].items()
        }

    def _pieces(self, ids: list[list[int]], width: int) -> np.ndarray:
        """Returns the pieces `(B, width)` of each row's ids, "" after the last."""
        pieces = np.full((len(ids), width), b"", object)
        for row, tokens in enumerate(ids):
            pieces[row, : len(tokens)] = [
                piece.encode() for piece in self._tokenizer.pieces(tokens)
            ]
        return pieces


def _sizes(inputs: Arrays, specs: Mapping[str, dict]) -> dict[str, int]:
    """Returns the size of each axis that has a letter."""
    sizes: dict[str, int] = {}
    for alias, spec in specs.items():
        for axis, size in zip(spec["shape"], inputs[alias].shape, strict=True):
            if isinstance(axis, str) and sizes.setdefault(axis, size) != size:
                raise invalid(
                    f"Expected inputs of one size in axis {axis}. "
                    f"Received: {sizes[axis]} and {size}."
                )
    return sizes


def _room(letter: str, specs: Mapping[str, dict], fixed: Mapping[str, dict]) -> int:
    """Returns the size in the file of the axis with a letter."""
    return next(
        fixed[alias]["shape"][spec["shape"].index(letter)]
        for alias, spec in specs.items()
        if letter in spec["shape"]
    )


def _has_rows(spec: dict) -> bool:
    return spec["shape"][:1] == ["B"]


def _padded(array: np.ndarray, axes: list, fixed: list[int]) -> np.ndarray:
    """Returns `array` at the file's sizes: 0 is padding, no step, and False of a mask."""
    more = [
        (0, room - size if isinstance(axis, str) and axis != "B" else 0)
        for axis, size, room in zip(axes, array.shape, fixed, strict=True)
    ]
    return np.pad(array, more) if any(after for _, after in more) else array


def _cut(array: np.ndarray, axes: list, sizes: Mapping[str, int]) -> np.ndarray:
    return array[tuple(slice(sizes[axis] if isinstance(axis, str) else None) for axis in axes)]


def _strings(texts: list[str]) -> np.ndarray:
    array = np.empty(len(texts), object)
    array[:] = [text.encode() for text in texts]
    return array
