"""Scores a loaded model on a split of a data set."""

import time

from zoo.data.dataset import Dataset
from zoo.evaluation.exact_match import exact_match
from zoo.runtime.text_model import TextModel

METRICS = {"exact_match": exact_match}


def evaluate(model: TextModel, dataset: Dataset, *, split: str = "test") -> dict:
    """Returns `metric`, `value`, `rows`, `split` and `seconds` of `model` on `split`.

    The metric is the one that the data set's manifest names; its range is that of the metric.
    """
    sources, references = zip(*dataset.pairs(split), strict=True)
    started = time.monotonic()
    predictions = [result.text for result in model(sources)]
    seconds = time.monotonic() - started
    metric = dataset.manifest["metric"]
    return {
        "metric": metric,
        "value": METRICS[metric](predictions, references),
        "rows": len(references),
        "split": split,
        "seconds": round(seconds, 2),
    }
