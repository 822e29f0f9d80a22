"""How good a model is, by the metric that its data set names."""

from zoo.evaluation.evaluate import evaluate

__all__ = ["evaluate"]
