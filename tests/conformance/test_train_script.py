"""Every train script runs on its real data for two steps and writes a report and a model."""

import json
import os
import subprocess
import sys

import pytest
from cases import COSTLY_TINY, ROOT

import zoo
from zoo import models
from zoo.data.dataset import read_manifest
from zoo.registry import Artefact


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_two_steps_write_a_report_and_a_model(tmp_path, name, backend):
    module = f"zoo.models.{models.preset(name).family}.train"
    command = [sys.executable, "-m", module, "--preset", name, "--set", "train.steps=2"]
    done = subprocess.run(
        [*command, "--output", tmp_path / "run"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["backend"] == backend
    assert [epoch["steps"] for epoch in report["epochs"]] == [2]
    assert report["epochs"][0]["loss"] > 0
    metric = read_manifest(models.preset(name).data.name)["metric"]
    assert report["epochs"][0][metric] >= 0
    assert report["configuration"]["train"]["steps"] == 2
    assert report["versions"]["keras"] and report["device"] and report["command"]
    assert " -> " in done.stdout  # a sample to read
    assert list((tmp_path / "run" / "logs").rglob("events.*"))
    artefact = Artefact.open(tmp_path / "run")
    assert zoo.load(artefact, runtime="keras")(["", ""])[0].text == ""
