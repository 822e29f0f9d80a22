import subprocess
import sys

import pytest
from cases import ROOT, published

from zoo import models
from zoo.export.litert import export_litert
from zoo.export.saved_model import export_saved_model
from zoo.registry import Artefact


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Returns a function from a tiny preset to its finished training, by the train script."""
    done = {}

    def train(name):
        if name not in done:
            folder = tmp_path_factory.mktemp("runs") / name
            module = f"zoo.models.{models.preset(name).family}.train"
            command = [sys.executable, "-m", module, "--preset", name]
            command += ["--output", folder, "--set", "train.epochs=8"]
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
            done[name] = Artefact.open(folder)
        return done[name]

    return train


@pytest.fixture(scope="session")
def source_of(trained):
    """Returns a function from a preset, tiny or published, to its trained model."""
    return lambda name: trained(name) if models.preset(name).for_tests else published(name)


@pytest.fixture(scope="session")
def exported(source_of, tmp_path_factory):
    """Returns a function from a preset and a format's options to the exported folder."""
    done = {}

    def export(name, format, **options):
        key = (name, format, *sorted(options.items()))
        if key not in done:
            exporter = {"litert": export_litert, "saved_model": export_saved_model}[format]
            target = tmp_path_factory.mktemp("exports") / name / "1"
            done[key] = exporter(source_of(name), target, **options)
        return done[key]

    return export
