"""Scores a loaded model on a split of a data set."""

import time
from collections.abc import Sequence

from zoo.data.dataset import Dataset
from zoo.runtime.text_model import TextModel


def evaluate(model: TextModel, dataset: Dataset, *, split: str = "test") -> dict:
    """Returns `metric`, `value`, `rows`, `split` and `seconds` of `model` on `split`.

    The metric is the one that the data set's manifest names; its range is that of the metric.
    Further metrics of the manifest stand in `also`, by name; BLEU comes with its `signature`.
    """
    sources = [source for source, _ in dataset.pairs(split)]
    started = time.monotonic()
    predictions = [result.text for result in model(sources)]
    seconds = time.monotonic() - started
    scores = score(predictions, dataset, split=split)
    metric = dataset.manifest["metric"]
    facts = {
        "metric": metric,
        "value": scores.pop(metric),
        "rows": len(predictions),
        "split": split,
        "seconds": round(seconds, 2),
    }
    if scores:
        facts["also"] = scores
    if metric == "bleu":
        from zoo.evaluation.bleu import bleu_signature

        facts["signature"] = bleu_signature(
            dataset.references(split), language=dataset.config.target
        )
    return facts


def score(predictions: Sequence[str], dataset: Dataset, *, split: str) -> dict[str, float]:
    """Returns the metrics that the data set's manifest names, by name, the first one first."""
    references = dataset.references(split)
    manifest = dataset.manifest
    return {
        metric: _measure(metric, predictions, references, dataset.config.target)
        for metric in (manifest["metric"], *manifest.get("also", ()))
    }


def _measure(metric: str, predictions, references, language: str) -> float:
    if metric == "exact_match":
        from zoo.evaluation.exact_match import exact_match

        return exact_match(predictions, [right[0] for right in references])
    # Here, because these libraries are not needed to run a model.
    from zoo.evaluation import bleu

    function = {"bleu": bleu.bleu, "bleu_tokenized_lowercase": bleu.bleu_tokenized_lowercase}[
        metric
    ]
    return function(predictions, references, language=language)
