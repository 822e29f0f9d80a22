"""Text in, text out, over an engine that runs signatures."""

import logging
from collections.abc import Iterable, Mapping

import numpy as np

from zoo.data.batches import pad
from zoo.errors import ZooError
from zoo.runtime.engine import Engine
from zoo.runtime.inputs import as_texts
from zoo.runtime.result import Result
from zoo.text.tokenizer import Tokenizer

_LOG = logging.getLogger("zoo")
# A beam that was never used has -1e9 over its length penalty, an output some thousands at most.
_LOWEST_SCORE = -1e6


class TextModel:
    """A loaded model: call it with texts.

    Args:
        engine: What runs its signatures.
        tokenizer: The tokenizer it was trained with.
        config: That of the model. A text of more tokens than `config.max_source_length` is cut,
            with a warning.
    """

    signature = "generate"  # the one that it calls

    def __init__(self, engine: Engine, tokenizer: Tokenizer, config):
        self.engine = engine
        self.tokenizer = tokenizer
        self.max_source_length: int = config.max_source_length

    @staticmethod
    def read(line: str) -> str:
        """Returns what the model is called with for a line of a file: the line."""
        return line

    def __call__(self, texts: Iterable[str], *, first_line: int = 1) -> list[Result]:
        """Returns one result a text, in order; an empty text has an empty result.

        Args:
            texts: What to read.
            first_line: The line number of the first text, for warnings.

        Raises:
            ZooError: If `texts` is a single string or holds something other than strings.
        """
        return [best for [best] in self.n_best(texts, 1, first_line=first_line)]

    def n_best(self, texts: Iterable[str], n: int, *, first_line: int = 1) -> list[list[Result]]:
        """Returns the `n` best results of each text, best first; fewer where there are no more.

        Args:
            texts: What to read.
            n: How many, 1 to the beam size.
            first_line: The line number of the first text, for warnings.

        Raises:
            ZooError: If `texts` is a single string or holds something other than strings, or the
                search keeps fewer than `n`.
        """
        texts = as_texts(texts)
        sources = self.tokenizer.encode(texts)
        for line, source in enumerate(sources, start=first_line):
            warn_if_cut(line, len(source), self.max_source_length)
        sources = [source[: self.max_source_length] for source in sources]
        results: list[list[Result]] = [[] for _ in sources]
        # Sources of about one length share a batch, so that little of it is padding.
        order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        size = self.engine.batch_size
        batches = [order[start : start + size] for start in range(0, len(order), size)]
        inputs = [
            {"source": self._padded([sources[index] for index in batch])} for batch in batches
        ]
        outputs = self.engine.run_all(self.signature, inputs)
        for batch, answer in zip(batches, outputs, strict=True):
            beam_size = answer["scores"].shape[1]
            if not 1 <= n <= beam_size:
                raise ZooError(f"n must be 1 to the beam size, here {beam_size}. Received: {n}.")
            for row, index in enumerate(batch):
                results[index] = [
                    self._result(sources[index], answer, row, beam)
                    for beam in range(n)
                    if answer["scores"][row, beam] > _LOWEST_SCORE
                ]
        return results

    def _padded(self, sources: list[list[int]]) -> np.ndarray:
        length, step = self.max_source_length, self.engine.length_step
        if step is not None:
            longest = max(1, *map(len, sources))
            length = min(-(-longest // step) * step, length)
        return pad(sources, length, pad_id=self.tokenizer.pad_id)

    def _result(
        self, source: list[int], outputs: Mapping[str, np.ndarray], row: int, beam: int
    ) -> Result:
        length = int(outputs["lengths"][row, beam])
        ids = outputs["tokens"][row, beam, :length].tolist()
        if ids and ids[-1] == self.tokenizer.end_id:
            ids.pop()
        alignment = outputs.get("alignment")
        if alignment is not None:
            alignment = alignment[row, beam, : len(ids), ..., : len(source)]
        return Result(
            text=self.tokenizer.decode(ids),
            score=float(outputs["scores"][row, beam]),
            tokens=tuple(self.tokenizer.pieces(ids)),
            source_tokens=tuple(self.tokenizer.pieces(source)),
            alignment=alignment,
        )


def warn_if_cut(line: int, length: int, limit: int) -> None:
    """Logs a warning if a line of `length` tokens is longer than the model's `limit`."""
    if length > limit:
        _LOG.warning(
            "Line %d has %d tokens; the model reads %d, the rest is cut.", line, length, limit
        )
