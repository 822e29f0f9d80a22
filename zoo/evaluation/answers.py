"""Answers about stories as word ids: asked for in batches, and scored task by task."""

from collections.abc import Collection

import numpy as np

from zoo.data.stories import EncodedStories, scored_tasks
from zoo.runtime.engine import Engine

FAILED = 0.05  # an error above it counts as a failed task (Weston et al., 2015)


def answers(engine: Engine, examples: EncodedStories) -> np.ndarray:
    """Returns the ids of the answers that `engine` gives with `predict`, `(N,)` int32."""
    found = []
    for start in range(0, len(examples), engine.batch_size):
        rows = slice(start, start + engine.batch_size)
        found.append(
            engine.run("predict", story=examples.story(rows), question=examples.question[rows])
        )
    return np.concatenate([outputs["answer"] for outputs in found])


def scores(answers: np.ndarray, examples: EncodedStories, *, partial: Collection[int] = ()) -> dict:
    """Returns how often answers `(N,)` are right.

    `exact_match` and `mean_error` are means over the tasks, fractions, 0 to 1; `error_by_task` has
    a number for each, and `failed_tasks` says how many of them are above `FAILED`.

    Args:
        answers: Word ids.
        examples: What was asked.
        partial: Tasks that stand in `error_by_task` alone.
    """
    wrong = answers != examples.answer
    errors = {
        int(task): float(wrong[examples.task == task].mean()) for task in np.unique(examples.task)
    }
    scored = [errors[task] for task in scored_tasks(errors, partial)]
    mean_error = sum(scored) / len(scored)
    return {
        "exact_match": round(1 - mean_error, 4),
        "mean_error": round(mean_error, 4),
        "failed_tasks": sum(error > FAILED for error in scored),
        "error_by_task": {str(task): round(error, 4) for task, error in errors.items()},
    }
