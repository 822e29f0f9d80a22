import numpy as np
import pytest
import reference
from keras import ops

from zoo.layers import recurrent

MASK = np.array([[True] * 5, [True] * 3 + [False] * 2])  # (B, S)


def _inputs():
    return np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")


def _encoder(**options):
    encoder = recurrent.RecurrentEncoder(**{"cell": "lstm", "units": 4, "num_layers": 1} | options)
    encoder.build((None, None, 3))
    return encoder


def _weights(stack):
    return [np.asarray(weight) for weight in stack.recurrent_layers[0].get_weights()]


def test_reading_forwards_is_the_papers_lstm():
    encoder, x = _encoder(), _inputs()
    outputs, [[h, c]] = encoder(x, mask=MASK)
    for row, length in ((0, 5), (1, 3)):
        expected, cell = reference.lstm(x[row, :length], *_weights(encoder.forward_stacks[0]))
        np.testing.assert_allclose(outputs[row, :length], expected, atol=1e-5)
        np.testing.assert_allclose(h[row], expected[-1], atol=1e-5)
        np.testing.assert_allclose(c[row], cell, atol=1e-5)


def test_reading_in_reverse_keeps_outputs_in_the_order_of_the_source():
    encoder, x = _encoder(reverse=True), _inputs()
    outputs, [[h, _]] = encoder(x, mask=MASK)
    for row, length in ((0, 5), (1, 3)):
        expected, _ = reference.lstm(x[row, :length][::-1], *_weights(encoder.forward_stacks[0]))
        np.testing.assert_allclose(outputs[row, :length], expected[::-1], atol=1e-5)
        np.testing.assert_allclose(h[row], expected[-1], atol=1e-5)


def test_reading_both_ways_puts_the_halves_side_by_side():
    encoder, x = _encoder(bidirectional=True), _inputs()
    outputs, [[h, _]] = encoder(x, mask=MASK)
    assert outputs.shape == (2, 5, 4)
    for row, length in ((0, 5), (1, 3)):
        source = x[row, :length]
        ahead, _ = reference.lstm(source, *_weights(encoder.forward_stacks[0]))
        back, _ = reference.lstm(source[::-1], *_weights(encoder.backward_stacks[0]))
        expected = np.concatenate([ahead, back[::-1]], axis=-1)
        np.testing.assert_allclose(outputs[row, :length], expected, atol=1e-5)
        np.testing.assert_allclose(h[row], np.concatenate([ahead[-1], back[-1]]), atol=1e-5)


@pytest.mark.parametrize("cell", recurrent.LAYERS)
def test_stepping_is_reading(cell):
    stack = recurrent.RecurrentStack(cell=cell, units=4, num_layers=2)
    stack.build((None, None, 3))
    x = _inputs()
    outputs, last_states = stack(x)
    states = [[ops.zeros((2, 4)) for _ in recurrent.state_names(cell)] for _ in range(2)]
    for t in range(5):
        output, states = stack.step(x[:, t], states)
        np.testing.assert_allclose(output, outputs[:, t], atol=1e-6)
    for actual, expected in zip(states, last_states, strict=True):
        for tensor, reference_tensor in zip(actual, expected, strict=True):
            np.testing.assert_allclose(tensor, reference_tensor, atol=1e-6)


def test_dropout_acts_in_training_only():
    encoder, x = _encoder(dropout=0.5), _inputs()
    np.testing.assert_array_equal(encoder(x, mask=MASK)[0], encoder(x, mask=MASK)[0])
    trained = encoder(x, mask=MASK, training=True)[0]
    assert not np.allclose(trained, encoder(x, mask=MASK)[0])
