"""The orders of the decoder against their papers' equations, one step and one row at a time."""

import dataclasses
import itertools

import numpy as np
import pytest
import reference
import tensorflow as tf

from zoo.config import AttentionConfig
from zoo.models.seq2seq.config import Seq2SeqConfig
from zoo.models.seq2seq.model import Seq2Seq
from zoo.training.losses import TokenCrossEntropy

CONFIG = Seq2SeqConfig(
    vocab_size=13,
    max_source_length=5,
    max_target_length=7,
    embedding_dim=3,
    units=4,
    cell="gru",
    attention=AttentionConfig(score="additive", units=5),
    encoder_units=6,
    bidirectional=True,
    initial_state="mean",
)
SOURCE = np.array([[4, 5, 6, 7, 0], [8, 9, 0, 0, 0]], "int32")
TARGET = np.array([[2, 10, 11], [2, 12, 4]], "int32")


def _model(**changes):
    model = Seq2Seq(dataclasses.replace(CONFIG, **changes))
    model.build()
    generator = np.random.default_rng(0)  # biases too, which would start at 0
    model.set_weights([generator.normal(0, 0.5, x.shape) for x in model.get_weights()])
    return model


def _state(model):
    return {name: np.array(array) for name, array in model.encode(SOURCE).items()}


def _gru(x, h, cell):
    """Keras's GRU: z keeps the old state, and r comes after the product (`reset_after`)."""
    kernel, recurrent, bias = (np.array(weight) for weight in cell.get_weights())
    new, old = x @ kernel + bias[0], h @ recurrent + bias[1]
    z_new, r_new, h_new = np.split(new, 3)
    z_old, r_old, h_old = np.split(old, 3)
    z, r = reference.sigmoid(z_new + z_old), reference.sigmoid(r_new + r_old)
    return z * h + (1 - z) * np.tanh(h_new + r * h_old)


def _dense(layer):
    kernel, bias = (np.array(weight) for weight in layer.get_weights())
    return lambda *parts: np.concatenate(parts) @ kernel + bias


def _additive(model, query, row, state):
    """Bahdanau et al., equations 5 and 6 and appendix A.1.2, for one query."""
    weights = {weight.name: np.array(weight) for weight in model.attention.weights}
    w, u, v = (weights[name] for name in ("query_kernel", "key_kernel", "vector"))
    length = (SOURCE[row] != 0).sum()
    scores = [v @ np.tanh(query @ w + state["source_states"][row, j] @ u) for j in range(length)]
    alpha = np.exp(scores) / np.exp(scores).sum()
    context = sum(alpha[j] * state["source_states"][row, j] for j in range(length))
    return context, alpha


def _assert_steps_are(model, step):
    """Asserts that both rows' logits and weights are those of `step(y, s, row, state)`."""
    state = _state(model)
    embed = np.array(model.target_embedding.get_weights()[0])
    s = {row: state["layer_0_h"][row] for row in (0, 1)}
    logits = np.array(model({"source": SOURCE, "target_inputs": TARGET}))
    for t in range(TARGET.shape[1]):
        actual, changed, weights = model.decode_step(
            TARGET[:, t], t, state, model.decoder_kernels()
        )
        for row in (0, 1):
            expected, s[row], alpha = step(embed[TARGET[row, t]], s[row], row, state)
            np.testing.assert_allclose(actual[row], expected, atol=1e-5)
            np.testing.assert_allclose(logits[row, t], expected, atol=1e-5)
            np.testing.assert_allclose(weights[row, : len(alpha)], alpha, atol=1e-5)
        state |= {name: np.array(array) for name, array in changed.items()}


def test_bahdanau_order_and_maxout_are_the_papers():
    model = _model(order="bahdanau", readout="maxout", readout_units=2)

    def step(y, s, row, state):
        c, alpha = _additive(model, s, row, state)  # the state before asks
        u = _dense(model.hidden_readout.dense)(c, s, y)
        t = [max(u[0], u[1]), max(u[2], u[3])]
        new = _gru(np.concatenate([y, c]), s, model.decoder.recurrent_layers[0].cell)
        return _dense(model.readout)(t), new, alpha

    _assert_steps_are(model, step)


def test_conditional_order_and_deep_readout_are_those_of_nematus():
    model = _model(order="conditional", readout="deep")

    def step(y, s, row, state):
        between = _gru(y, s, model.first_cell)
        c, alpha = _additive(model, between, row, state)
        new = _gru(c, between, model.decoder.recurrent_layers[0].cell)
        t = np.tanh(_dense(model.hidden_readout.dense)(c, new, y))
        return _dense(model.readout)(t), new, alpha

    _assert_steps_are(model, step)


def test_input_feeding_is_luongs():
    model = _model(input_feeding=True, readout="tanh", readout_units=7)
    fed = {0: np.zeros(7), 1: np.zeros(7)}

    def step(y, s, row, state):
        new = _gru(np.concatenate([y, fed[row]]), s, model.decoder.recurrent_layers[0].cell)
        c, alpha = _additive(model, new, row, state)
        fed[row] = np.tanh(_dense(model.hidden_readout.dense)(c, new))
        return _dense(model.readout)(fed[row]), new, alpha

    _assert_steps_are(model, step)


@pytest.mark.parametrize("kind", ["mean", "backward"])
def test_the_first_state_is_made_of_the_encoders(kind):
    model = _model(initial_state=kind)
    state = _state(model)
    for row, length in ((0, 4), (1, 2)):
        read = state["source_states"][row]
        # The backward half has read all of the source when it is at the first word.
        summary = read[:length].mean(axis=0) if kind == "mean" else read[0, 3:]
        expected = np.tanh(_dense(model.initial_state)(summary))
        np.testing.assert_allclose(state["layer_0_h"][row], expected, atol=1e-6)


def test_a_tied_table_embeds_and_scores():
    model = _model(tie_embeddings="all", readout="tanh", order="conditional")
    assert model.embedding is model.target_embedding is model.readout
    output_only = _model(tie_embeddings="output", readout="tanh", order="conditional")
    assert output_only.count_params() - model.count_params() == 13 * 3


@pytest.mark.parametrize("order", ["luong", "bahdanau", "conditional"])
@pytest.mark.parametrize("window", ["local_m", "local_p"])
def test_a_window_wider_than_the_source_is_global(order, window):
    wide = _model(
        order=order, attention=dataclasses.replace(CONFIG.attention, window=window, half_width=9999)
    )
    everywhere = _model(order=order)
    weights = {weight.path.split("/", 1)[1]: weight for weight in wide.weights}
    for weight in everywhere.weights:
        weight.assign(weights[weight.path.split("/", 1)[1]])
    inputs = {"source": SOURCE, "target_inputs": TARGET}
    np.testing.assert_allclose(wide(inputs), everywhere(inputs), atol=1e-5)


HARD = dataclasses.replace(
    CONFIG.attention, selection="hard", sampled_share=1.0, reward_weight=1.0, entropy_weight=0.0
)


@pytest.mark.parametrize("selection", ["hard", "gumbel"])
@pytest.mark.parametrize("order", ["luong", "conditional"])
def test_hard_weights_are_zero_or_one(order, selection):
    model = _model(order=order, attention=dataclasses.replace(HARD, selection=selection))
    _, _, weights = model.decode_step(TARGET[:, 0], 0, _state(model), model.decoder_kernels())
    assert set(np.unique(weights)) == {0, 1}
    np.testing.assert_array_equal(np.sum(weights, axis=1), [1, 1])
    inputs = {"source": SOURCE, "target_inputs": TARGET}
    different = [np.array(model(inputs, training=True)) for _ in range(5)]
    assert any(not np.array_equal(different[0], other) for other in different)
    np.testing.assert_array_equal(model(inputs), model(inputs))
    if selection == "hard":
        drawn, _, _ = model.drawn
        assert set(np.unique(drawn)) == {0, 1}
        assert not np.asarray(drawn)[1, :, 2:].any()  # padding


@pytest.mark.parametrize("order", ["luong", "bahdanau", "conditional"])
def test_hard_attention_is_trained_by_the_gradient_of_the_expected_cost(order, monkeypatch):
    """All nine pairs of positions that two steps can draw from a source of three."""
    model = _model(order=order, attention=HARD)
    loss = TokenCrossEntropy(pad_id=0)
    model.compile(loss=loss)
    inputs = {"source": SOURCE[:1, :3], "target_inputs": TARGET[:1, :2]}
    targets = TARGET[:1, 1:3]
    kernel = next(x for x in model.attention.trainable_weights if x.name == "query_kernel").value
    actual, expected_cost = 0.0, 0.0
    with tf.GradientTape() as outer:
        for path in itertools.product(range(3), repeat=2):
            noise = 1e6 * np.eye(3, dtype="float32")[list(path)][None]  # draws `path`
            draws = {"noise": noise, "is_sampled": np.array(True)}
            monkeypatch.setattr(model.attention, "draws", lambda *sizes, draws=draws: draws)
            model.baseline.assign(0.7)  # any will do, but one for all paths
            with tf.GradientTape() as tape:
                logits = model(inputs, training=True)
                weights, probabilities, _ = model.drawn
                assert np.argmax(weights, axis=-1).tolist() == [list(path)]
                trained = model.compute_loss(inputs, targets, logits, training=True)
            probability = tf.reduce_prod(tf.reduce_sum(weights * probabilities, axis=-1))
            actual += probability.numpy() * tape.gradient(trained, kernel).numpy()
            expected_cost += probability * loss(targets, logits)
    expected = outer.gradient(expected_cost, kernel).numpy()
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(actual, expected, atol=1e-6, rtol=1e-3)


def test_the_baseline_follows_the_cost_of_drawn_positions():
    model = _model(attention=HARD)
    model.compile(optimizer="sgd", loss=TokenCrossEntropy(pad_id=0))
    model.baseline.assign(0.0)
    inputs = {"source": SOURCE, "target_inputs": TARGET}
    logits = model(inputs, training=True)
    loss = model.compute_loss(inputs, TARGET, logits, training=True)
    np.testing.assert_allclose(model.baseline, 0.1 * loss, rtol=1e-5)
    np.testing.assert_allclose(loss, TokenCrossEntropy(pad_id=0)(TARGET, logits), rtol=1e-5)
    model(inputs)
    model.compute_loss(inputs, TARGET, logits, training=False)
    np.testing.assert_allclose(model.baseline, 0.1 * loss, rtol=1e-5)
