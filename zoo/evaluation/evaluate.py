"""Scores a loaded model on a split of a data set."""

import statistics
import time
from collections.abc import Sequence

import numpy as np

from zoo.data.algorithmic import Sequences, TestSequences, tested_sizes
from zoo.data.dataset import Dataset, ParallelFiles
from zoo.data.stories import Stories, Story, scored_tasks
from zoo.runtime.load import Model
from zoo.runtime.sequence_model import SequenceModel
from zoo.runtime.story_model import StoryModel


def evaluate(
    model: Model,
    dataset: Dataset | ParallelFiles | Stories | TestSequences,
    *,
    split: str = "test",
) -> dict:
    """Returns `metric`, `value`, `rows`, `split` and `seconds` of `model` on `split`.

    The metric is the one that the data set's manifest names; its range is that of the metric.
    Further metrics of the manifest stand in `also`, by name; BLEU comes with its `signature`, and
    such metrics with theirs in `also_signatures`; answers about stories with `error_by_task`, 0 to
    1, and sequences with `wrong_bits_by_size` or `bits_above_optimum_by_size`. The value of answers
    is the mean over the tasks that the data set has in whole, and `rows` counts theirs.
    """
    if isinstance(dataset, TestSequences):
        return _evaluate_sequences(model, dataset, split)
    if isinstance(dataset, Stories):
        return _evaluate_answers(model, dataset, split)
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

        references, language = dataset.references(split), dataset.config.target
        facts["signature"] = bleu_signature(references, language=language)
        if (other := "bleu_tokenized_lowercase") in scores:
            signature = bleu_signature(references, language=language, tokenized_lowercase=True)
            facts["also_signatures"] = {other: signature}
    return facts


def _evaluate_sequences(model: SequenceModel, tests: TestSequences, split: str) -> dict:
    """Returns the error a sequence at the longest size that the model was trained on."""
    tests.require_split(split)
    started = time.monotonic()
    by_size = {}
    for sizes in tested_sizes(tests.data):
        batch = tests.draw(sizes)
        rows = [Sequences(*(x[row : row + 1] for x in batch)) for row in range(tests.rows)]
        outputs = np.stack([written.outputs for written in model(rows)])
        shown = " x ".join(str(size) for size in sizes.values())
        by_size[shown] = round(tests.error(outputs, batch), 3)
    return {
        "metric": tests.metric,
        "value": next(iter(by_size.values())),
        "rows": tests.rows,
        "split": split,
        "seconds": round(time.monotonic() - started, 2),
        f"{tests.metric}_by_size": by_size,
    }


def _evaluate_answers(model: StoryModel, stories: Stories, split: str) -> dict:
    examples = stories.examples(split)
    started = time.monotonic()
    answers = model([Story(example.sentences, example.question) for example in examples])
    seconds = time.monotonic() - started
    by_task: dict[int, list[bool]] = {}
    for example, answer in zip(examples, answers, strict=True):
        # The model writes lower case, as its tokenizer reads; some answers are names.
        by_task.setdefault(example.task, []).append(answer.text == example.answer.lower())
    scored = scored_tasks(by_task, stories.partial_tasks)
    return {
        "metric": "exact_match",
        "value": statistics.mean(statistics.mean(by_task[task]) for task in scored),
        "rows": sum(len(by_task[task]) for task in scored),
        "split": split,
        "seconds": round(seconds, 2),
        "error_by_task": {
            str(task): round(1 - statistics.mean(right), 4) for task, right in by_task.items()
        },
    }


def score(
    predictions: Sequence[str], dataset: Dataset | ParallelFiles, *, split: str
) -> dict[str, float]:
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
