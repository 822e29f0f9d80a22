"""What `evaluate` says of a translator."""

from types import SimpleNamespace

import pytest

from zoo.evaluation import evaluate
from zoo.evaluation.bleu import bleu_signature
from zoo.export.card import signatures_of

PAIRS = [("A man rides.", "Ein Mann reitet."), ("A dog runs home.", "Ein Hund rennt heim .")]


def test_both_kinds_of_bleu_come_with_their_signatures():
    references = [[target] for _, target in PAIRS]
    dataset = SimpleNamespace(
        manifest={"metric": "bleu", "also": ["bleu_tokenized_lowercase"]},
        config=SimpleNamespace(target="de"),
        pairs=lambda split: PAIRS,
        references=lambda split: references,
    )

    def model(sources):
        return [SimpleNamespace(text=dict(PAIRS)[source]) for source in sources]

    facts = evaluate(model, dataset)
    assert facts["value"] == pytest.approx(100)
    assert facts["also"]["bleu_tokenized_lowercase"] == pytest.approx(100)
    plain, tokenized = (
        bleu_signature(references, language="de", tokenized_lowercase=kind) for kind in (0, 1)
    )
    assert plain != tokenized
    assert signatures_of(facts) == {"bleu": plain, "bleu_tokenized_lowercase": tokenized}
