"""What `evaluate` says of a translator."""

from types import SimpleNamespace

import numpy as np
import pytest
import sacrebleu

from zoo.data.algorithmic import DynamicNGrams, TestSequences, bits_a_sequence
from zoo.evaluation import evaluate
from zoo.evaluation.bleu import bleu_signature
from zoo.export.card import signatures_of
from zoo.models.neural_turing_machine.config import SequencesConfig

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
        return [SimpleNamespace(text=dict(PAIRS)[source].lower()) for source in sources]

    facts = evaluate(model, dataset)
    written = [target.lower() for _, target in PAIRS]
    cased = sacrebleu.corpus_bleu(written, [[target for _, target in PAIRS]]).score
    assert facts["value"] == pytest.approx(cased) and cased < 90
    assert facts["also"]["bleu_tokenized_lowercase"] == pytest.approx(100)
    plain, tokenized = (
        bleu_signature(references, language="de", tokenized_lowercase=kind) for kind in (0, 1)
    )
    assert plain != tokenized
    assert signatures_of(facts) == {"bleu": plain, "bleu_tokenized_lowercase": tokenized}


def test_ngrams_are_scored_by_bits_above_the_best_estimator():
    task = DynamicNGrams()
    tests = TestSequences(
        SequencesConfig(name="dynamic_ngrams", longest=12, tested_longest=14, tested_every=2),
        rows=5,
    )

    def scored(answer):
        return evaluate(
            lambda rows: [SimpleNamespace(outputs=answer(row)[0]) for row in rows], tests
        )

    best = scored(task.optimal_probabilities)
    assert best["metric"] == "bits_above_optimum"
    assert best["value"] == 0
    assert best["bits_above_optimum_by_size"] == {"12": 0, "14": 0}

    batch = tests.draw({"length": 12})
    optimal = bits_a_sequence(task.optimal_probabilities(batch), batch)
    # A guess costs a bit for each of the 12 that has five before it.
    guesses = scored(lambda row: np.full(row.targets.shape, 0.5))
    assert guesses["value"] == pytest.approx(7 - optimal, abs=1e-3)
