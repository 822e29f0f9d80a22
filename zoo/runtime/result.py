"""What every runtime returns for an input."""

from dataclasses import dataclass

import numpy as np

from zoo.errors import ZooError


@dataclass(frozen=True)
class HeatMap:
    """Weights as a picture, darker where larger: panels side by side, with rows in common."""

    panels: dict[str, np.ndarray]  # the title of the columns, and `(rows, columns)`, 0 to 1
    rows: tuple[str, ...]  # their labels
    columns: tuple[str, ...]
    row_title: str


@dataclass(frozen=True)
class Result:
    """A model's output for one input text."""

    text: str
    score: float  # log probability in nats, after the length penalty
    tokens: tuple[str, ...]  # the output's pieces, without the end token; a blank is `▁`
    source_tokens: tuple[str, ...]  # the input's pieces, as far as the model read them
    # `(len(tokens), len(source_tokens))`: weights over the source; `(len(tokens), H,
    # len(source_tokens))` of a model with H heads; None of one without attention.
    alignment: np.ndarray | None

    def heat_map(self) -> HeatMap:
        """Returns the alignment to draw; heads side by side, and after them their mean.

        Raises:
            ZooError: If the model has no alignment, or the result is empty.
        """
        if self.alignment is None:
            raise ZooError("The model has no attention, so there is no alignment to draw.")
        if not self.tokens:
            raise ZooError("The output is empty, so there is no alignment to draw.")
        panels = {"source": self.alignment}
        if self.alignment.ndim == 3:
            heads = range(self.alignment.shape[1])
            panels = {f"head {head + 1}: source": self.alignment[:, head] for head in heads}
            panels["mean: source"] = self.alignment.mean(axis=1)
        return HeatMap(panels, self.tokens, self.source_tokens, row_title="output")

    def as_dict(self) -> dict:
        """Returns the result as `json.dumps` takes it."""
        return {
            "text": self.text,
            "score": self.score,
            "tokens": list(self.tokens),
            "source_tokens": list(self.source_tokens),
            "alignment": None if self.alignment is None else self.alignment.tolist(),
        }


@dataclass(frozen=True)
class Answer:
    """A model's answer to a question about a story."""

    text: str
    probability: float  # 0 to 1, of this answer among all words
    sentences: tuple[str, ...]  # what of the story the model remembered
    question: str
    # `(rows, len(sentences))`, 0 to 1: what each hop looked at; of a model that keeps its memory in
    # slots, how far each of them opened to each sentence.
    alignment: np.ndarray
    reads: np.ndarray | None = None  # `(slots,)`: how much of the answer was read from each slot

    def heat_map(self) -> HeatMap:
        """Returns the sentences that each hop looked at, or those that each slot took in, to draw.

        What the question read of the slots is one more column.

        Raises:
            ZooError: If the story is empty.
        """
        if not self.sentences:
            raise ZooError("The story is empty, so there is no alignment to draw.")
        title = f"{self.question} {self.text}"
        weights, kind, columns = self.alignment, "hop", self.sentences
        if self.reads is not None:
            weights = np.column_stack([weights, self.reads])
            kind, columns = "slot", (*columns, self.question)
        rows = tuple(f"{kind} {index + 1}" for index in range(len(weights)))
        return HeatMap({title: weights}, rows, columns, row_title="")

    def as_dict(self) -> dict:
        """Returns the answer as `json.dumps` takes it."""
        return {
            "text": self.text,
            "probability": self.probability,
            "sentences": list(self.sentences),
            "question": self.question,
            "alignment": self.alignment.tolist(),
            "reads": None if self.reads is None else self.reads.tolist(),
        }


@dataclass(frozen=True)
class Written:
    """What a model wrote after it read a sequence, and how it used its memory."""

    text: str
    inputs: np.ndarray  # `(T, input_width)`, what it read
    outputs: np.ndarray  # `(T, output_width)`, the probability that each bit is 1
    mask: np.ndarray  # `(T,)` bool, True where an answer was due
    write_weights: np.ndarray | None = None  # `(T, heads, rows)`; None of a model without a memory
    read_weights: np.ndarray | None = None

    def as_dict(self) -> dict:
        """Returns what was written as `json.dumps` takes it."""
        arrays = {
            "outputs": self.outputs[self.mask],
            "write_weights": self.write_weights,
            "read_weights": self.read_weights,
        }
        listed = {name: None if x is None else x.tolist() for name, x in arrays.items()}
        return {"text": self.text, **listed}
