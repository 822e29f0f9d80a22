import math

import numpy as np
import pytest

from zoo.training.losses import TokenCrossEntropy

TOKENS = np.array([[2, 1, 0], [3, 0, 0]])  # 0 is padding
LOGITS = np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")


def _loop(smoothing):
    losses = []
    for row, token_row in zip(LOGITS.astype("float64"), TOKENS, strict=True):
        for logits, token in zip(row, token_row, strict=True):
            if token == 0:
                continue
            log_probs = logits - math.log(sum(math.exp(x) for x in logits))
            target = [smoothing / 5 + (1 - smoothing) * (v == token) for v in range(5)]
            losses.append(-sum(q * p for q, p in zip(target, log_probs, strict=True)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_it_is_the_mean_over_real_tokens(smoothing):
    loss = TokenCrossEntropy(pad_id=0, label_smoothing=smoothing)
    np.testing.assert_allclose(loss(TOKENS, LOGITS), _loop(smoothing), rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_uniform_model_loses_the_logarithm_of_the_vocabulary(smoothing):
    loss = TokenCrossEntropy(pad_id=0, label_smoothing=smoothing)
    np.testing.assert_allclose(loss(TOKENS, np.full((2, 3, 5), 7.0)), math.log(5), rtol=1e-6)


def test_the_smoothed_loss_is_at_least_the_entropy_of_its_target():
    smoothing, vocab_size = 0.1, 5
    target = np.full(vocab_size, smoothing / vocab_size)
    target[2] += 1 - smoothing
    loss = TokenCrossEntropy(pad_id=0, label_smoothing=smoothing)
    best = loss(np.array([[2]]), np.log(target)[None, None])
    np.testing.assert_allclose(best, -(target * np.log(target)).sum(), rtol=1e-5)


def test_a_batch_of_padding_loses_nothing():
    assert TokenCrossEntropy(pad_id=0)(np.zeros((2, 3), "int32"), LOGITS) == 0
