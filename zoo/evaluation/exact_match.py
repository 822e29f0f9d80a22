"""Exact match: the fraction of outputs that are the reference, character by character."""

from collections.abc import Sequence


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> float:
    """Returns the fraction, 0 to 1, of predictions equal to their reference.

    Raises:
        ValueError: If there are none, or not as many of the one as of the other.
    """
    require_pairs(predictions, references)
    equal = sum(
        prediction == reference
        for prediction, reference in zip(predictions, references, strict=True)
    )
    return equal / len(references)


def require_pairs(predictions: Sequence, references: Sequence) -> None:
    """Returns if every prediction has its reference, and there is one; for every metric.

    Raises:
        ValueError: If there are none, or not as many of the one as of the other.
    """
    if not references or len(predictions) != len(references):
        raise ValueError(
            f"Expected as many predictions as references, at least 1. Received: "
            f"{len(predictions)} and {len(references)}."
        )
