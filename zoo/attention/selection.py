"""Hard attention: all of the weight on one position, drawn in training, the best in inference.

Xu et al., 2015 (arXiv:1502.03044), section 4.1. Weights are `(..., S)`, probabilities over the last
axis, zeros in a row that may attend to nothing; what is selected has the same shape and holds a
single 1 a row, none in a row of zeros.
"""

import keras
from keras import ops

_TINY = 1e-9  # below every weight that matters; keeps logarithms finite
_NEVER = -1e9  # below the logarithm of every weight and its noise


def most_probable(weights):
    """Returns 1 at each row's largest weight, the first of equals, and 0 elsewhere."""
    return _largest(weights, weights)


def gumbel_noise(shape, *, seed):
    """Returns the noise of draws, in `shape`, for `sampled` and `straight_through_sampled`.

    The draws of a loop take theirs from noise made before it: a loop's body is no place for a
    generator, whose state would have to leave the loop.

    Args:
        shape: That of the weights to draw from.
        seed: A `keras.random.SeedGenerator` or an int.
    """
    uniform = keras.random.uniform(shape, minval=1e-7, maxval=1.0, seed=seed)
    return -ops.log(-ops.log(uniform))


def sampled(weights, *, noise):
    """Returns 1 at a position drawn with the probability of its weight; no gradient passes.

    Args:
        weights: Probabilities.
        noise: `gumbel_noise` of the shape of `weights`.

    Source: equation 8.
    """
    weights = ops.stop_gradient(weights)
    return _largest(_noisy(weights, noise), weights)


def straight_through_sampled(weights, *, temperature, noise):
    """Returns what `sampled` draws, with the gradient of a softened draw.

    Args:
        weights: Probabilities.
        temperature: Above 0; the lower, the nearer the gradient is to that of the hard choice, and
            the more it varies.
        noise: `gumbel_noise` of the shape of `weights`.

    Source: Jang, Gu and Poole, 2017 (arXiv:1611.01144), section 2.2.
    """
    noisy = _noisy(weights, noise)
    soft = ops.softmax(noisy / temperature, axis=-1)
    hard = ops.stop_gradient(_largest(noisy, weights))
    # A row of zeros draws nothing, and gives no gradient.
    soft = ops.where(ops.sum(weights, axis=-1, keepdims=True) > 0, soft, 0.0)
    return hard + (soft - ops.stop_gradient(soft))  # exactly `hard`: the difference is 0


def entropy(weights):
    """Returns each row's entropy in nats, `(...)`; a row of zeros has none."""
    return -ops.sum(weights * _log(weights), axis=-1)


def reinforce_loss(cost, log_probs, entropies, *, baseline, reward_weight, entropy_weight):
    """Returns the loss whose gradient trains attention that draws its positions, `(B,)`.

        cost + stop(reward_weight (cost - baseline)) sum(log_probs) - entropy_weight sum(entropies)

    Args:
        cost: `(B,)`, the cross-entropy of each row, summed over its target positions (nats).
        log_probs: `(B, T)`, of the drawn positions; 0 at padding.
        entropies: `(B, T)`, of the weights; 0 at padding.
        baseline: A running mean of past costs; whatever it is, the expected gradient is the same,
            and near the mean cost it varies least.
        reward_weight: lambda_r in the paper; 1 is the gradient of the expected cost.
        entropy_weight: lambda_e in the paper.

    Source: equations 11 to 13. A cost is a negative log likelihood, hence the signs.
    """
    reward = ops.stop_gradient(reward_weight * (cost - baseline))
    drawn = reward * ops.sum(log_probs, axis=-1)
    return cost + drawn - entropy_weight * ops.sum(entropies, axis=-1)


def log_prob(weights, selected):
    """Returns the log probability (nats) of what was selected, `(...)`; 0 where nothing was."""
    return ops.sum(selected * _log(weights), axis=-1)


def _log(weights):
    return ops.log(ops.maximum(weights, _TINY))


def _noisy(weights, noise):
    """Returns what a draw takes the largest of; what has no weight is out of reach."""
    return ops.where(weights > 0, _log(weights) + noise, _NEVER)


def _largest(x, weights):
    """Returns 1 at the first of each row's largest `x`, in the rows of `weights` not all 0.

    By comparing, not by sorting: an open number of positions, and none at all, is no trouble then.
    """
    is_largest = ops.cast(ops.equal(x, ops.max(x, axis=-1, keepdims=True)), "float32")
    is_first = ops.cumsum(is_largest, axis=-1) * is_largest == 1.0
    chosen = ops.logical_and(is_first, ops.sum(weights, axis=-1, keepdims=True) > 0)
    return ops.cast(chosen, weights.dtype)
