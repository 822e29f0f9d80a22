import numpy as np
import pytest
import reference

from zoo.layers.gated_convolution import GatedConvolution, gated_linear_unit

X = np.random.default_rng(0).normal(size=(2, 7, 5)).astype("float32")


def _convolution(**options):
    """Returns a convolution from 5 to 3 channels whose every weight was drawn anew."""
    convolution = GatedConvolution(3, **{"kernel_width": 3, "causal": True} | options)
    convolution.build((None, None, 5))
    generator = np.random.default_rng(1)
    convolution.set_weights(
        [
            generator.normal(size=weight.shape).astype(weight.dtype)
            for weight in convolution.get_weights()
        ]
    )
    return convolution


def _linear(convolution, left):
    """The convolution before its gate, `(B, T, 6)`, in a loop."""
    kernel, bias = np.asarray(convolution.kernel()), np.asarray(convolution.dense.bias)
    outputs = np.zeros((*X.shape[:2], 6))
    for b, t, u in np.ndindex(outputs.shape):
        outputs[b, t, u] = bias[u]
        for i in range(convolution.kernel_width):
            if 0 <= t - left + i < X.shape[1]:
                row = X[b, t - left + i]
                outputs[b, t, u] += reference.dot(row, kernel[5 * i : 5 * (i + 1), u])
    return outputs


def test_half_of_the_channels_gate_the_other_half():
    x = np.array([[1.0, -2.0, 0.0, np.log(3)]], "float32")
    np.testing.assert_allclose(gated_linear_unit(x), [[0.5, -1.5]], atol=1e-6)


@pytest.mark.parametrize(
    ("causal", "kernel_width", "left"),
    [(True, 3, 2), (True, 2, 1), (True, 4, 3), (False, 3, 1), (False, 5, 2), (False, 1, 0)],
)
def test_outputs_are_those_of_the_slow_loop(causal, kernel_width, left):
    convolution = _convolution(causal=causal, kernel_width=kernel_width)
    linear = _linear(convolution, left)
    expected = linear[..., :3] * reference.sigmoid(linear[..., 3:])
    np.testing.assert_allclose(convolution(X), expected, atol=1e-5)


def test_with_open_gates_it_is_the_linear_convolution():
    convolution = _convolution()
    direction, gain, bias, *rest = convolution.get_weights()
    gain[3:], bias[3:] = 0, 20
    convolution.set_weights([direction, gain, bias, *rest])
    np.testing.assert_allclose(convolution(X), _linear(convolution, 2)[..., :3], atol=1e-5)


def test_a_causal_output_knows_no_later_input():
    convolution = _convolution()
    later = X.copy()
    later[:, 4] += 1
    before, after = np.asarray(convolution(X)), np.asarray(convolution(later))
    np.testing.assert_array_equal(after[:, :4], before[:, :4])
    assert (np.abs(after[:, 4:] - before[:, 4:]).max(axis=(0, 2)) > 1e-3).all()


@pytest.mark.parametrize("kernel_width", [2, 3, 5])
@pytest.mark.parametrize("precomputed", [True, False])
def test_steps_are_the_whole_sequence(kernel_width, precomputed):
    convolution = _convolution(kernel_width=kernel_width)
    whole = convolution(X)
    kernel = convolution.kernel() if precomputed else None
    before = np.zeros((2, kernel_width - 1, 5), "float32")
    for t in range(X.shape[1]):
        y, before = convolution.step(X[:, t : t + 1], before, kernel=kernel)
        np.testing.assert_allclose(y[:, 0], whole[:, t], atol=1e-5)
    np.testing.assert_array_equal(before, X[:, -(kernel_width - 1) :])


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_small_inputs_keep_their_variance_from_the_start(dropout):
    convolution = GatedConvolution(256, kernel_width=3, causal=False, dropout=dropout)
    convolution.build((None, None, 256))
    x = 0.1 * np.random.default_rng(0).normal(size=(4, 100, 256)).astype("float32")
    outputs = np.asarray(convolution(x, training=True))
    # At the two ends of a sequence a kernel sees zeros.
    np.testing.assert_allclose(outputs[:, 1:-1].var(), 0.01, rtol=0.1)


def test_dropout_acts_in_training_only():
    convolution = _convolution(dropout=0.5)
    np.testing.assert_array_equal(convolution(X), convolution(X))
    assert not np.allclose(convolution(X, training=True), convolution(X))


def test_a_kernel_without_a_middle_is_refused():
    with pytest.raises(ValueError, match="kernel_width=4"):
        GatedConvolution(3, kernel_width=4, causal=False)
