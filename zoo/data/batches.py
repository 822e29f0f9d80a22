"""Turns pairs of texts into arrays of token ids."""

import logging
from collections.abc import Sequence

import numpy as np

from zoo.text.tokenizer import Tokenizer

_LOG = logging.getLogger("zoo")


def pad(rows: Sequence[Sequence[int]], length: int, *, pad_id: int) -> np.ndarray:
    """Returns `(len(rows), length)` int32, each row cut or padded at its end."""
    array = np.full((len(rows), length), pad_id, np.int32)
    for index, row in enumerate(rows):
        array[index, : min(len(row), length)] = row[:length]
    return array


def encode_pairs(
    pairs: Sequence[tuple[str, str]],
    tokenizer: Tokenizer,
    *,
    source_length: int,
    target_length: int,
    sampling: float | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Returns the arrays of teacher forcing for pairs of source and target text.

    `source` is `(N, S)`; `target_inputs` `(N, T)` opens with the start token and `target_outputs`
    `(N, T)` closes with the end token, so that position t of the one predicts position t of the
    other. All int32, padded at the end with the padding id.

    With `sampling`, the cuts of the texts into pieces are drawn, as `Tokenizer.sample` does.
    """
    texts = [text for pair in pairs for text in pair]
    if sampling is None:
        ids = tokenizer.encode(texts)
    else:
        ids = tokenizer.sample(texts, alpha=sampling, seed=seed)
    sources, targets = ids[::2], ids[1::2]
    for name, rows, room in (
        ("sources", sources, source_length),
        ("targets", targets, target_length - 1),  # and the end token
    ):
        if cut := sum(len(row) > room for row in rows):
            _LOG.warning("%d of %d %s have over %d tokens and are cut.", cut, len(rows), name, room)
    inputs = [[tokenizer.start_id, *target] for target in targets]
    outputs = [[*target, tokenizer.end_id] for target in targets]
    return {
        "source": pad(sources, source_length, pad_id=tokenizer.pad_id),
        "target_inputs": pad(inputs, target_length, pad_id=tokenizer.pad_id),
        "target_outputs": pad(outputs, target_length, pad_id=tokenizer.pad_id),
    }
