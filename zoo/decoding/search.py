"""Greedy and beam search: the only loop that generates tokens."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from zoo.decoding.top_k import top_k

# Log probabilities of what must not be chosen. Finite, so that sums and products of them stay
# numbers; an unused beam still outranks a finished one that does not repeat its end, so that a
# row's beams stay as they are however long its batch mates go on.
_UNUSED = -1e9
_FORBIDDEN = -3e9


class Hypotheses(NamedTuple):
    """The best outputs of each row, best first."""

    tokens: Any  # (B, K, T) int32, without the start token, filled up with the end token
    lengths: Any  # (B, K) int32, the end token counted; T where there was none
    scores: Any  # (B, K) float32, log probability (nats) after the length penalty
    alignment: Any  # (B, K, T, ...) weights over the source, 0 from `lengths` on; or None


def search(
    step: Callable,
    state: dict,
    *,
    start_id: int,
    end_id: int,
    max_length: int,
    finished,
    beam_size: int = 1,
    length_penalty: float = 0.0,
    forbidden: Sequence[int] = (),
    constants: Sequence[str] = (),
    alignment_like=None,
) -> Hypotheses:
    """Returns the `beam_size` best outputs that a beam finds; a beam of 1 is greedy decoding.

    A finished hypothesis keeps its slot and repeats the end token at no cost. Hypotheses are
    ranked, while they grow and at the end, by

        score = log_probability / ((5 + length) / 6) ** length_penalty

    with the end token counted in both (Wu et al., 2016, arXiv:1609.08144, equation 14).

    Args:
        step: `step(tokens, position, state) -> (logits, changed, alignment)` for `N = B * K` rows:
            tokens `(N,)` int32, position a scalar int32, logits `(N, V)`, `changed` the entries of
            the state that are not constant, alignment `(N, ...)` or None.
        state: What the first step gets; every entry has the batch as its first axis.
        start_id: The token before the first.
        end_id: The token that ends an output.
        max_length: T, the most tokens of an output, the end token counted.
        finished: `(B,)` boolean, True for rows to leave empty from the start.
        beam_size: K, at least 1.
        length_penalty: 0 ranks by log probability alone; more favors longer outputs.
        forbidden: Tokens that no output holds, as padding and the start token.
        constants: Names of the state's entries that steps only read. All beams of a row share
            them, so that they are never reordered.
        alignment_like: A tensor of the shape and dtype that `step` returns for `B` rows as
            alignment, or None where it returns None.

    Raises:
        ValueError: If `beam_size` is below 1.
    """
    if beam_size < 1:
        raise ValueError(f"beam_size must be at least 1. Received: beam_size={beam_size}.")

    def per_beam(x):  # (B, ...) -> (N, ...)
        return x if beam_size == 1 else ops.repeat(x, beam_size, axis=0)

    fixed = {name: per_beam(state[name]) for name in constants}
    carried = {name: per_beam(x) for name, x in state.items() if name not in constants}
    finished = per_beam(finished)
    rows = ops.shape(finished)[0]  # N
    # Beams start equal; only the first may win the first step, or all would stay equal.
    first = ops.one_hot(0, beam_size, dtype="float32")
    log_probs = ops.zeros_like(ops.reshape(ops.cast(finished, "float32"), (-1, beam_size)))
    loop = {
        "position": ops.zeros((), "int32"),
        "last": ops.full((rows,), start_id, dtype="int32"),
        "tokens": ops.full((rows, max_length), end_id, dtype="int32"),
        "lengths": ops.zeros((rows,), "int32"),
        "log_probs": log_probs + (1.0 - first) * _UNUSED,  # (B, K)
        "finished": finished,
        "state": carried,
    }
    if alignment_like is not None:
        blank = ops.expand_dims(ops.zeros_like(per_beam(alignment_like)), 1)
        loop["alignment"] = ops.repeat(blank, max_length, axis=1)  # (N, T, ...)
    names = tuple(loop)

    def unfinished(*values):
        return ops.any(ops.logical_not(values[names.index("finished")]))

    def advance(*values):
        old = dict(zip(names, values, strict=True))
        new = _advance(old, step, fixed, end_id, forbidden, length_penalty)
        return tuple(keras.tree.map_structure(_as_known, new[name], old[name]) for name in names)

    values = ops.while_loop(
        unfinished, advance, tuple(loop.values()), maximum_iterations=max_length
    )
    loop = dict(zip(names, values, strict=True))

    def by_row(x):  # (N, ...) -> (B, K, ...)
        return ops.reshape(x, (-1, beam_size, *ops.shape(x)[1:]))

    lengths = by_row(loop["lengths"])
    return Hypotheses(
        tokens=by_row(loop["tokens"]),
        lengths=lengths,
        scores=_penalized(loop["log_probs"], lengths, length_penalty),
        alignment=by_row(loop["alignment"]) if alignment_like is not None else None,
    )


def _advance(
    loop: dict,
    step: Callable,
    fixed: dict,
    end_id: int,
    forbidden: Sequence[int],
    length_penalty: float,
) -> dict:
    """Returns the loop's variables after one more token."""
    beam_size = loop["log_probs"].shape[1]
    position, finished = loop["position"], loop["finished"]
    logits, state, alignment = step(loop["last"], position, {**loop["state"], **fixed})
    logits = ops.cast(logits, "float32")  # (N, V)

    # The best of the whole vocabulary are looked for once, in the logits, whose order is that of
    # the scores. All that follows is done for these C continuations of each hypothesis alone.
    vocab_size = logits.shape[-1]
    continuations = min(beam_size, vocab_size)  # C
    bias = np.where(np.isin(np.arange(vocab_size), forbidden), _FORBIDDEN, 0.0).astype("float32")
    best, tokens = top_k(logits + bias, continuations)  # (N, C), best first
    step_log_probs = best - _log_sum_exp(logits)
    # A finished hypothesis has one continuation, the end token, at no cost.
    repeat_end = np.where(np.arange(continuations) == 0, 0.0, _FORBIDDEN).astype("float32")
    step_log_probs = ops.where(finished[:, None], repeat_end, step_log_probs)
    tokens = ops.where(finished[:, None], end_id, tokens)
    lengths = ops.where(finished, loop["lengths"], position + 1)  # (N,)

    log_probs = ops.reshape(loop["log_probs"], (-1, 1)) + step_log_probs  # (N, C)
    if beam_size == 1:
        last = tokens[:, 0]
    else:
        scores = _penalized(log_probs, lengths[:, None], length_penalty)
        _, chosen = ops.top_k(_by_row(scores, beam_size), beam_size)
        chosen = ops.cast(chosen, "int32")  # (B, K), best first
        log_probs = ops.take_along_axis(_by_row(log_probs, beam_size), chosen, axis=1)
        tokens = ops.take_along_axis(_by_row(tokens, beam_size), chosen, axis=1)
        last = ops.reshape(tokens, (-1,))

    tokens, aligned = loop["tokens"], loop.get("alignment")
    if beam_size > 1:
        parent = chosen // continuations  # (B, K), the beam that each new one continues
        first_row = ops.arange(ops.shape(parent)[0], dtype="int32")[:, None] * beam_size
        parent = ops.reshape(first_row + parent, (-1,))  # (N,)

        def reorder(x):
            return ops.take(x, parent, axis=0)

        tokens, lengths, finished = reorder(tokens), reorder(lengths), reorder(finished)
        state = {name: reorder(x) for name, x in state.items()}
        if aligned is not None:
            aligned, alignment = reorder(aligned), reorder(alignment)

    here = ops.equal(ops.arange(tokens.shape[1]), position)  # (T,)
    new = {
        "position": position + 1,
        "last": last,
        "tokens": ops.where(here, last[:, None], tokens),
        "lengths": lengths,
        "log_probs": log_probs,
        "finished": ops.logical_or(finished, ops.equal(last, end_id)),
        "state": state,
    }
    if aligned is not None:
        trailing = (1,) * (len(alignment.shape) - 1)
        live = ops.reshape(ops.logical_not(finished), (-1, 1, *trailing))
        write = ops.logical_and(ops.reshape(here, (1, -1, *trailing)), live)
        # A sum, several times faster in LiteRT than a choice; every position is written once.
        new["alignment"] = aligned + ops.cast(write, aligned.dtype) * alignment[:, None]
    return new


def _as_known(new, old):
    """Returns `new` with the static shape of `old`: a loop's variables must keep theirs.

    A step may know less of a shape, as where one row of unknown length is reshaped.
    """
    if tuple(new.shape) == tuple(old.shape):
        return new
    sizes = zip(old.shape, ops.shape(new), strict=True)
    return ops.reshape(new, [now if known is None else known for known, now in sizes])


def _by_row(x, beam_size: int):
    """Returns all continuations of a row's hypotheses, `(N, C)` as `(B, K * C)`."""
    return ops.reshape(x, (-1, beam_size * x.shape[1]))


def _log_sum_exp(logits):
    """Returns `(N, 1)`; few operators, all of which LiteRT has in a fast form."""
    top = ops.max(logits, axis=-1, keepdims=True)
    return top + ops.log(ops.sum(ops.exp(logits - top), axis=-1, keepdims=True))


def _penalized(log_probs, lengths, length_penalty: float):
    """Returns `log_probs` after the length penalty; all shapes broadcast."""
    if length_penalty == 0:
        return log_probs
    return log_probs / ((5.0 + ops.cast(lengths, "float32")) / 6.0) ** length_penalty
