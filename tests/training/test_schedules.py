import numpy as np
import pytest

from zoo.config import TrainConfig
from zoo.training.schedules import Schedule


def _rates(updates, total_steps=8000, **settings):
    schedule = Schedule(TrainConfig(**settings), total_steps=total_steps)
    return [float(schedule(update - 1)) for update in updates]  # Keras counts updates from 0


def test_inverse_square_root():
    # Wu et al., 2021: linear to 0.005 over 2,000 updates, then 0.005 sqrt(2000 / update).
    rates = _rates([1, 2000, 8000], learning_rate=0.005, schedule="inverse_sqrt", warmup_steps=2000)
    np.testing.assert_allclose(rates, [2.5e-6, 0.005, 0.0025], rtol=1e-5)


def test_cosine_ends_at_zero():
    rates = _rates(
        [50, 100, 600, 1100], 1100, learning_rate=1.0, schedule="cosine", warmup_steps=100
    )
    np.testing.assert_allclose(rates, [0.5, 1.0, 0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("warmup_steps", [0, 10])
def test_constant(warmup_steps):
    rates = _rates([10, 11, 7000], learning_rate=0.25, warmup_steps=warmup_steps)
    np.testing.assert_allclose(rates, 0.25)
