"""Search over a model: its scores are the model's own, and greedy is a beam of one."""

import numpy as np
import pytest
import tensorflow as tf
from cases import COSTLY_TINY, batch

import zoo
from zoo import models
from zoo.models.restore import restore_task
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID


@pytest.fixture(scope="module")
def trained_task(trained):
    return lambda name: restore_task(trained(name))


def _logits(task, source, tokens):
    """The forward pass's logits `(B, T, V)` for outputs `(B, T)`."""
    inputs = np.concatenate([np.full((len(tokens), 1), START_ID), tokens[:, :-1]], axis=1)
    return np.array(task.model({"source": source, "target_inputs": inputs.astype("int32")}))


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_greedy_takes_the_most_probable_token_each_time(trained_task, name):
    task, source = trained_task(name), batch(name)["source"]
    outputs = task.generate(source, beam_size=1)
    tokens, lengths = np.asarray(outputs["tokens"])[:, 0], np.asarray(outputs["lengths"])[:, 0]
    logits = _logits(task, source, tokens)
    logits[..., [PAD_ID, START_ID]] = -np.inf
    best = logits.argmax(axis=-1)
    for row, length in enumerate(lengths):
        np.testing.assert_array_equal(tokens[row, :length], best[row, :length])


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_scores_are_the_models_own(trained_task, name, beam_size):
    task, source = trained_task(name), batch(name)["source"]
    outputs = {k: np.asarray(v) for k, v in task.generate(source, beam_size=beam_size).items()}
    penalty = models.preset(name).decode.length_penalty
    assert penalty > 0
    for beam in range(beam_size):
        tokens, lengths = outputs["tokens"][:, beam], outputs["lengths"][:, beam]
        logits = _logits(task, source, tokens)
        log_probs = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
        for row, length in enumerate(lengths):
            total = sum(log_probs[row, t, tokens[row, t]] for t in range(length))
            expected = total / ((5 + length) / 6) ** penalty
            np.testing.assert_allclose(outputs["scores"][row, beam], expected, atol=1e-4)


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_an_output_stops_at_its_end(trained_task, name):
    task, source = trained_task(name), batch(name)["source"]
    outputs = {k: np.asarray(v) for k, v in task.generate(source, beam_size=3).items()}
    for tokens, length in zip(
        outputs["tokens"].reshape(-1, outputs["tokens"].shape[-1]),
        outputs["lengths"].ravel(),
        strict=True,
    ):
        assert END_ID not in tokens[: length - 1]
        assert (tokens[length:] == END_ID).all()
        assert tokens[length - 1] == END_ID or length == len(tokens)


@pytest.mark.parametrize("name", COSTLY_TINY)
def test_a_beam_finds_nothing_worse_than_greedy(trained_task, name):
    task, source = trained_task(name), batch(name, rows=24)["source"]
    greedy = np.asarray(task.generate(source, beam_size=1)["scores"])[:, 0]
    beam = np.asarray(task.generate(source, beam_size=8)["scores"])[:, 0]
    # A beam may lose the greedy path, but not often and not on average.
    assert beam.mean() >= greedy.mean()
    assert (beam >= greedy - 1e-5).mean() > 0.9


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_one_row_of_unknown_length_is_decoded(trained_task, name, beam_size):
    """What Keras compiles after one row of one length and then of another."""
    task = trained_task(name)
    one_row = tf.TensorSpec((1, None), "int32")
    generate = tf.function(
        lambda source: task.generate(source, beam_size=beam_size), autograph=False
    )
    source = batch(name)["source"][:1]
    actual = generate.get_concrete_function(one_row)(source=source)
    expected = task.generate(source, beam_size=beam_size)
    np.testing.assert_array_equal(actual["tokens"], expected["tokens"])


@pytest.mark.parametrize("name", ["conv_seq2seq_test", "seq2seq_test_hard", "transformer_test"])
def test_kernels_once_kept_are_read_from_then_on(name):
    task, source = zoo.build(name, seed=0), batch(name)["source"]
    computed = task.generate(source, beam_size=3)
    kernels = task.keep_kernels()
    kept = task.generate(source, beam_size=3)
    for key, array in computed.items():
        np.testing.assert_allclose(kept[key], array, atol=1e-5, err_msg=key)
    own = {id(variable) for variable in task.model.variables}
    for kernel in kernels:
        assert id(kernel) not in own
        kernel.assign(2 * np.asarray(kernel))
    assert not np.allclose(task.generate(source, beam_size=3)["scores"], computed["scores"])
