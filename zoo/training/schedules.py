"""How the learning rate moves."""

import math

import keras
from keras import ops

from zoo.config import TrainConfig


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise to the highest learning rate, then what the configuration's `schedule` says.

    `constant` stays there. `inverse_sqrt` falls as `sqrt(warmup_steps / update)` (Vaswani et al.,
    2017, arXiv:1706.03762, section 5.3, with its peak given instead of derived from the width).
    `cosine` falls to 0 at the last planned update (Loshchilov and Hutter, 2017, arXiv:1608.03983,
    without restarts).

    Args:
        config: Names the schedule, its highest value and the updates of its rise.
        total_steps: Updates that are planned.
    """

    def __init__(self, config: TrainConfig, *, total_steps: int):
        self._config = config
        self._total_steps = total_steps

    def __call__(self, step):
        """Returns the learning rate of the update after `step` others."""
        config = self._config
        update = ops.cast(step, "float32") + 1.0
        rise = ops.minimum(update / max(config.warmup_steps, 1), 1.0)
        fall = 1.0
        if config.schedule == "inverse_sqrt":
            fall = ops.sqrt(config.warmup_steps / ops.maximum(update, config.warmup_steps))
        elif config.schedule == "cosine":
            falling = max(self._total_steps - config.warmup_steps, 1)
            done = ops.clip((update - config.warmup_steps) / falling, 0.0, 1.0)
            fall = 0.5 * (1.0 + ops.cos(math.pi * done))
        return config.learning_rate * rise * fall
