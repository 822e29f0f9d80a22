"""Every train script runs on its real data for two steps and writes a report and a model."""

import json

import pytest
from cases import COSTLIEST_TINY, run_python, two_steps

import zoo
from zoo import models
from zoo.data.dataset import read_manifest
from zoo.registry import Artefact


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COSTLIEST_TINY)
def test_two_steps_write_a_report_and_a_model(tmp_path, name, backend):
    report, printed = two_steps(name, tmp_path / "run", backend=backend)
    metric = read_manifest(models.preset(name).data.name)["metric"]
    assert report["epochs"][0][metric] >= 0
    assert " -> " in printed  # a sample to read
    assert list((tmp_path / "run" / "logs").rglob("events.*"))
    artefact = Artefact.open(tmp_path / "run")
    assert zoo.load(artefact, runtime="keras")(["", ""])[0].text == ""


def test_a_training_may_start_from_a_published_model(tmp_path):
    code = "import sys; from zoo.models.seq2seq.train import main; main(sys.argv[1:])"
    name = "seq2seq_attention_dates"
    changes = {"start_from": name, "steps": 1, "learning_rate": 1e-6}
    words = [f"--set=train.{field}={value}" for field, value in changes.items()]
    run_python(code, "--preset", name, *words, "--set=data.rows=2000", "--output", tmp_path / "run")
    [epoch] = json.loads((tmp_path / "run" / "report.json").read_text())["epochs"]
    assert epoch["loss"] < 0.01
    assert epoch["exact_match"] > 0.99
