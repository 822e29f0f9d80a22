"""Every train script runs on its real data for two steps and writes a report and a model."""

import pytest
from cases import COSTLY_TINY, two_steps

import zoo
from zoo import models
from zoo.data.dataset import read_manifest
from zoo.registry import Artefact


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", COSTLY_TINY)
def test_two_steps_write_a_report_and_a_model(tmp_path, name, backend):
    report, printed = two_steps(name, tmp_path / "run", backend=backend)
    metric = read_manifest(models.preset(name).data.name)["metric"]
    assert report["epochs"][0][metric] >= 0
    assert " -> " in printed  # a sample to read
    assert list((tmp_path / "run" / "logs").rglob("events.*"))
    artefact = Artefact.open(tmp_path / "run")
    assert zoo.load(artefact, runtime="keras")(["", ""])[0].text == ""
