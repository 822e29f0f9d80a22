"""Hard attention: all of the weight on one position, drawn in training, the best in inference.

Xu et al., 2015 (arXiv:1502.03044), section 4.1. Weights are `(..., S)`, probabilities over the last
axis, zeros in a row that may attend to nothing; what is selected has the same shape and holds a
single 1 a row, none in a row of zeros.
"""

import keras
from keras import ops

_TINY = 1e-9  # below every weight that matters; keeps logarithms finite


def most_probable(weights):
    """Returns 1 at each row's largest weight, the first of equals, and 0 elsewhere."""
    _, best = ops.top_k(weights, 1)
    return _one_hot(best[..., 0], weights)


def sampled(weights, *, seed):
    """Returns 1 at a position drawn with the probability of its weight; no gradient passes.

    Args:
        weights: Probabilities.
        seed: A `keras.random.SeedGenerator` or an int.

    Source: equation 8.
    """
    noisy = _gumbel_log_weights(ops.stop_gradient(weights), seed)
    _, drawn = ops.top_k(noisy, 1)
    return _one_hot(drawn[..., 0], weights)


def straight_through_sampled(weights, *, temperature, seed):
    """Returns what `sampled` draws, with the gradient of a softened draw.

    Args:
        weights: Probabilities.
        temperature: Above 0; the lower, the nearer the gradient is to that of the hard choice, and
            the more it varies.
        seed: A `keras.random.SeedGenerator` or an int.

    Source: Jang, Gu and Poole, 2017 (arXiv:1611.01144), section 2.2.
    """
    noisy = _gumbel_log_weights(weights, seed)
    soft = ops.softmax(noisy / temperature, axis=-1)
    _, drawn = ops.top_k(noisy, 1)
    hard = _one_hot(drawn[..., 0], weights)
    # A row of zeros draws nothing, and gives no gradient.
    soft = ops.where(ops.sum(weights, axis=-1, keepdims=True) > 0, soft, 0.0)
    return hard + soft - ops.stop_gradient(soft)


def entropy(weights):
    """Returns each row's entropy in nats, `(...)`; a row of zeros has none."""
    return -ops.sum(weights * ops.log(ops.maximum(weights, _TINY)), axis=-1)


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
    return ops.sum(selected * ops.log(ops.maximum(weights, _TINY)), axis=-1)


def _gumbel_log_weights(weights, seed):
    """Returns the logarithms of weights plus Gumbel noise; their largest is a draw."""
    uniform = keras.random.uniform(ops.shape(weights), minval=1e-7, maxval=1.0, seed=seed)
    return ops.log(ops.maximum(weights, _TINY)) - ops.log(-ops.log(uniform))


def _one_hot(position, weights):
    """Returns 1 at `position` in the rows of `weights` that are not all 0."""
    chosen = ops.one_hot(position, weights.shape[-1], dtype=weights.dtype)
    return ops.where(ops.sum(weights, axis=-1, keepdims=True) > 0, chosen, 0.0)
