"""What every runtime returns for a line of text."""

from dataclasses import dataclass

import numpy as np


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

    def as_dict(self) -> dict:
        """Returns the result as `json.dumps` takes it."""
        return {
            "text": self.text,
            "score": self.score,
            "tokens": list(self.tokens),
            "source_tokens": list(self.source_tokens),
            "alignment": None if self.alignment is None else self.alignment.tolist(),
        }
