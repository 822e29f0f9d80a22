"""Slow and plain: what the papers say, in loops over single numbers."""

import itertools
import math

import numpy as np


def softmax(scores, mask):
    """Softmax of one row over the positions where `mask` is True; all zeros where none is."""
    weights = [0.0] * len(scores)
    allowed = [s for s in range(len(scores)) if mask[s]]
    if not allowed:
        return weights
    total = sum(math.exp(scores[s] - max(scores[i] for i in allowed)) for s in allowed)
    for s in allowed:
        weights[s] = math.exp(scores[s] - max(scores[i] for i in allowed)) / total
    return weights


def scores(query, keys, score):
    """`score(one query, one key)` for every pair."""
    scores = np.zeros((query.shape[0], query.shape[1], keys.shape[1]))
    for b, t, s in np.ndindex(scores.shape):
        scores[b, t, s] = score(query[b, t], keys[b, s])
    return scores


def dot(one, other):
    """The inner product of two vectors."""
    return sum(x * y for x, y in zip(one, other, strict=True))


def times(row, kernel):
    """The vector `row` times the matrix `kernel`."""
    return [dot(row, kernel[:, column]) for column in range(kernel.shape[1])]


def sparsemax(scores):
    """Martins and Astudillo, algorithm 1, for one row without a mask."""
    descending = sorted(scores, reverse=True)
    support = [
        k for k in range(1, len(scores) + 1) if 1 + k * descending[k - 1] > sum(descending[:k])
    ]
    threshold = (sum(descending[: max(support)]) - 1) / max(support)
    return [max(score - threshold, 0) for score in scores]


def attend(scores, values, mask):
    """Context and weights; `mask` is `(B, S)`."""
    context = np.zeros((*scores.shape[:2], values.shape[2]))
    weights = np.zeros(scores.shape)
    for b, t in np.ndindex(scores.shape[:2]):
        weights[b, t] = softmax(scores[b, t], mask[b])
        for s, d in np.ndindex(values.shape[1:]):
            context[b, t, d] += weights[b, t, s] * values[b, s, d]
    return context, weights


def best_sequences(log_probs_of, *, vocab_size, end_id, max_length, length_penalty):
    """Every output of up to `max_length` tokens with its score, best first.

    `log_probs_of(prefix)` gives the log probability of each next token.
    """
    found = []
    for length in range(1, max_length + 1):
        for tokens in itertools.product(range(vocab_size), repeat=length):
            ended = tokens[-1] == end_id
            if end_id in tokens[:-1] or not (ended or length == max_length):
                continue
            total = sum(log_probs_of(tokens[:t])[tokens[t]] for t in range(length))
            found.append((total / ((5 + length) / 6) ** length_penalty, tokens))
    return sorted(found, reverse=True)


def greedy_sequence(log_probs_of, *, end_id, max_length):
    """The most probable token at every step, up to the end token."""
    tokens = ()
    while len(tokens) < max_length and (not tokens or tokens[-1] != end_id):
        tokens += (int(np.argmax(log_probs_of(tokens))),)
    return tokens


def lstm(x, kernel, recurrent_kernel, bias):
    """Hochreiter and Schmidhuber's cell with a forget gate; Keras's gate order i, f, g, o.

    `x` is `(S, D)`, one row; returns the outputs `(S, units)` and the last cell state.
    """
    units = recurrent_kernel.shape[0]
    h, c = np.zeros(units), np.zeros(units)
    outputs = []
    for step in x:
        gates = step @ kernel + h @ recurrent_kernel + bias
        i, f, g, o = np.split(gates, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), c


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))
