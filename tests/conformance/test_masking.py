"""Padding and batch mates change nothing."""

import numpy as np
import pytest
from cases import COSTLY_TINY, TINY, batch, task

TOLERANCE = 1e-5  # other shapes are summed in another order


def _call(name, arrays):
    inputs = {key: arrays[key] for key in ("source", "target_inputs")}
    return np.asarray(task(name).model(inputs))


@pytest.mark.parametrize("name", TINY)
def test_more_padding_changes_no_logits(name):
    arrays = batch(name)
    lengths = (arrays["source"] != 0).sum(axis=1)
    assert len(set(lengths)) > 2  # rows of several lengths
    assert max(lengths) < arrays["source"].shape[1]
    expected = _call(name, {**arrays, "source": arrays["source"][:, : max(lengths)]})
    actual = _call(name, arrays)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", TINY)
def test_batch_mates_change_no_logits(name):
    arrays = batch(name)
    expected = _call(name, arrays)
    order = np.array([4, 0, 2])
    actual = _call(name, {key: array[order] for key, array in arrays.items()})
    np.testing.assert_allclose(actual, expected[order], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_padding_and_batch_mates_change_no_output(name, beam_size):
    source = batch(name, rows=4)["source"]
    source[1] = 0  # an empty one
    together = task(name).generate(source, beam_size=beam_size)
    for row in range(len(source)):
        length = max(1, (source[row] != 0).sum())
        alone = task(name).generate(source[row : row + 1, :length], beam_size=beam_size)
        np.testing.assert_array_equal(together["tokens"][row], alone["tokens"][0])
        np.testing.assert_array_equal(together["lengths"][row], alone["lengths"][0])
        np.testing.assert_allclose(together["scores"][row], alone["scores"][0], atol=1e-4)
        if "alignment" in alone:
            np.testing.assert_allclose(
                together["alignment"][row, ..., :length], alone["alignment"][0], atol=TOLERANCE
            )


@pytest.mark.parametrize("name", [name for name in TINY if task(name).alignment_spec is not None])
def test_alignment_sums_to_one_over_real_tokens(name):
    source = batch(name)["source"]
    source[2] = 0
    outputs = task(name).generate(source, beam_size=2)
    weights = np.asarray(outputs["alignment"])  # (B, K, T, ..., S)
    is_padding = (source == 0).reshape(len(source), *(1,) * (weights.ndim - 2), -1)
    assert (weights[np.broadcast_to(is_padding, weights.shape)] == 0).all()
    written = np.arange(weights.shape[2]) < np.asarray(outputs["lengths"])[..., None]  # (B, K, T)
    sums = weights.sum(axis=-1)
    written = written.reshape(*written.shape, *(1,) * (sums.ndim - 3))
    np.testing.assert_allclose(sums, np.broadcast_to(written, sums.shape), atol=1e-5)


@pytest.mark.parametrize("name", TINY)
def test_empty_source_has_an_empty_output(name):
    outputs = task(name).generate(np.zeros((2, 4), "int32"))
    assert not np.asarray(outputs["lengths"]).any()
    assert not np.asarray(outputs["scores"]).any()
