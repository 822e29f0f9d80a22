"""Search over a small language whose probabilities depend on all that came before."""

import functools

import numpy as np
import pytest
import reference
from keras import ops

from zoo import decoding

VOCAB_SIZE, END, START = 4, 3, 2
TABLE = np.random.default_rng(0).normal(size=(2, 97, VOCAB_SIZE)) * 2  # two rows' languages


def _key(prefix):
    """A number for a prefix, as `_step` keeps it in the state."""
    key = 1
    for token in prefix:
        key = (key * 5 + token + 1) % 97
    return key


@functools.cache
def _log_probs_of(row, prefix):
    logits = TABLE[row, _key(prefix)]
    return logits - np.log(np.exp(logits).sum())


def _step(tokens, position, state):
    moved = ops.where(position == 0, ops.ones_like(tokens), (state["key"] * 5 + tokens + 1) % 97)
    index = state["row"] * 97 + moved
    logits = ops.take(ops.reshape(ops.cast(TABLE, "float32"), (-1, VOCAB_SIZE)), index, axis=0)
    alignment = ops.one_hot(moved % 5, 5, dtype="float32")
    return logits, {"key": moved}, alignment


def _search(rows=(0, 1), finished=None, **options):
    row = np.array(rows, "int32")
    result = decoding.search(
        _step,
        {"key": np.zeros(len(rows), "int32"), "row": row},
        start_id=START,
        end_id=END,
        finished=np.zeros(len(rows), bool) if finished is None else np.array(finished),
        constants=("row",),
        alignment_like=np.zeros((len(rows), 5), "float32"),
        **{"max_length": 5} | options,
    )
    return decoding.Hypotheses(*map(np.asarray, result))


def _sequences(result, row):
    return [
        tuple(tokens[:length].tolist())
        for tokens, length in zip(result.tokens[row], result.lengths[row], strict=True)
    ]


@pytest.mark.parametrize("row", [0, 1])
def test_beam_of_one_is_greedy(row):
    expected = reference.greedy_sequence(
        functools.partial(_log_probs_of, row), end_id=END, max_length=5
    )
    assert _sequences(_search(), row) == [expected]


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("row", [0, 1])
def test_a_wide_beam_finds_what_brute_force_finds(row, length_penalty):
    expected = reference.best_sequences(
        functools.partial(_log_probs_of, row),
        vocab_size=VOCAB_SIZE,
        end_id=END,
        max_length=4,
        length_penalty=length_penalty,
    )
    # 3 ** 4 + ... hypotheses: as wide as there are outputs, nothing can be pruned.
    result = _search(beam_size=len(expected), max_length=4, length_penalty=length_penalty)
    assert _sequences(result, row)[:20] == [tokens for _, tokens in expected[:20]]
    np.testing.assert_allclose(
        result.scores[row, :20], [score for score, _ in expected[:20]], atol=1e-4
    )


@pytest.mark.parametrize("length_penalty", [0.0, 1.0])
def test_scores_are_those_of_the_tokens(length_penalty):
    result = _search(beam_size=3, length_penalty=length_penalty)
    for row in (0, 1):
        for tokens, score in zip(_sequences(result, row), result.scores[row], strict=True):
            total = sum(_log_probs_of(row, tokens[:t])[tokens[t]] for t in range(len(tokens)))
            expected = total / ((5 + len(tokens)) / 6) ** length_penalty
            np.testing.assert_allclose(score, expected, atol=1e-5)


def test_hypotheses_come_best_first_and_differ():
    result = _search(beam_size=4, length_penalty=0.7)
    for row in (0, 1):
        assert (np.diff(result.scores[row]) <= 0).all()
        assert len(set(_sequences(result, row))) == 4


def test_alignment_follows_its_hypothesis():
    result = _search(beam_size=4)
    for row in (0, 1):
        for beam, tokens in enumerate(_sequences(result, row)):
            expected = np.zeros((5, 5))
            for t in range(len(tokens)):
                expected[t, _key(tokens[:t]) % 5] = 1
            np.testing.assert_array_equal(result.alignment[row, beam], expected)


def test_tokens_after_the_end_are_ends():
    result = _search(beam_size=3, max_length=9)
    after = np.arange(9) >= result.lengths[..., None]
    assert after.any()
    assert (result.tokens[after] == END).all()


@pytest.mark.parametrize("beam_size", [1, 3])
def test_batch_mates_change_nothing(beam_size):
    together = _search(rows=(0, 1, 0), beam_size=beam_size, max_length=8)
    for index, row in enumerate((0, 1, 0)):
        alone = _search(rows=(row,), beam_size=beam_size, max_length=8)
        for name, array in alone._asdict().items():
            # 1e-6: the log softmax of another number of rows may round otherwise.
            np.testing.assert_allclose(
                getattr(together, name)[index], array[0], rtol=0, atol=1e-6, err_msg=name
            )


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_row_finished_at_the_start_stays_empty(beam_size):
    result = _search(finished=(False, True), beam_size=beam_size)
    assert result.lengths[1].max() == 0
    assert (result.tokens[1] == END).all()
    assert result.scores[1, 0] == 0
    assert not result.alignment[1].any()
    alone = _search(rows=(1,), finished=(True,), beam_size=beam_size)
    np.testing.assert_array_equal(result.scores[1], alone.scores[0])


def test_a_beam_below_one_is_refused():
    with pytest.raises(ValueError, match="beam_size must be at least 1"):
        _search(beam_size=0)


def test_forbidden_tokens_are_in_no_output():
    free = _search(beam_size=6, max_length=6)
    assert (free.tokens == 1).any()
    bound = _search(beam_size=6, max_length=6, forbidden=(1,))
    assert not (bound.tokens == 1).any()
    assert (bound.scores[:, 0] <= free.scores[:, 0]).all()
