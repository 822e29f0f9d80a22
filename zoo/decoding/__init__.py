"""Decoding: one loop over a model's `start` and `step`, on any backend and in any graph."""

from zoo.decoding.search import Hypotheses, search
from zoo.decoding.task import GenerationTask

__all__ = ["GenerationTask", "Hypotheses", "search"]
