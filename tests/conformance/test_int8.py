"""Published LiteRT files are judged by the score of their task on held-out data."""

import pytest
from cases import PUBLISHED, published

import zoo
from zoo import models
from zoo.data.dataset import Dataset, open_dataset
from zoo.evaluation import evaluate
from zoo.runtime.litert_engine import LiteRTEngine


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    made = {}

    def make(config):
        if config.name not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
                made[config.name] = open_dataset(config)
        return made[config.name]

    return make


@pytest.mark.parametrize("name", PUBLISHED)
def test_litert_scores_what_its_card_says(dataset, name):
    artefact = published(name)
    data: Dataset = dataset(models.preset(name).data)
    measured = evaluate(zoo.load(artefact), data)
    stated = artefact.manifest["metrics"]["runtimes"]["litert"]
    assert measured["value"] == pytest.approx(stated["value"], abs=1e-3)
    assert measured["rows"] == stated["rows"] == data.manifest["splits"]["test"]["rows"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_int8_costs_less_than_half_a_point(name):
    scores = published(name).manifest["metrics"]["runtimes"]
    assert scores["litert"]["value"] > scores["keras"]["value"] - 0.005


def test_attention_reads_held_out_dates(dataset):
    model = zoo.load(published("seq2seq_attention_dates"))
    scores = evaluate(model, dataset(models.preset("seq2seq_attention_dates").data))
    assert scores["value"] >= 0.999


@pytest.mark.parametrize("name", PUBLISHED)
def test_golden_outputs_replay(name):
    from zoo.export.golden import load_golden, replay

    artefact = published(name)
    golden = load_golden(artefact.read("golden.npz"))
    agreement = replay(golden, LiteRTEngine(artefact.read("model.tflite")), exact=False)
    assert agreement == artefact.manifest["litert"]["golden_agreement"]["generate"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_failure_on_the_card_is_one(name):
    artefact = published(name)
    failure = artefact.manifest["failure"]
    [result] = zoo.load(artefact)([failure["input"]])
    assert result.text == failure["output"] != failure["expected"]
