"""The registry is complete: families, presets, data sets and exports name each other."""

import subprocess
import sys

import pytest
from cases import PUBLISHED, ROOT

from zoo import models
from zoo.data.algorithmic import TASKS
from zoo.data.dataset import manifest_names

MODULES = {"README.md", "__init__.py", "config.py", "model.py", "task.py", "train.py"}


def _folders(path):
    return {folder.name for folder in path.iterdir() if (folder / "__init__.py").is_file()}


def test_families_are_the_folders():
    assert set(models.FAMILIES) == _folders(ROOT / "zoo" / "models")


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_family_has_the_same_files_as_every_other(family):
    files = {path.name for path in (ROOT / "zoo" / "models" / family).iterdir()}
    assert files - {"__pycache__"} >= MODULES


@pytest.mark.parametrize("family", models.FAMILIES)
def test_a_family_has_a_tiny_preset(family):
    assert models.preset(f"{family}_test").for_tests


@pytest.mark.parametrize("name", models.presets())
def test_a_preset_is_named_after_its_family_and_has_its_data(name):
    preset = models.preset(name)
    assert name.startswith(preset.family)
    assert preset.data.name in (TASKS if preset.modality == "sequence" else manifest_names())
    assert (preset.card is None) == preset.for_tests


def test_published_are_presets_with_a_card():
    assert set(PUBLISHED) <= {name for name, preset in models.presets().items() if preset.card}


def test_exports_are_whole_and_up_to_date():
    command = [sys.executable, ROOT / "tools" / "check_exports.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", ["datasets", "exports", "tools"])
def test_folders_that_are_no_packages_stay_none(folder):
    assert not list((ROOT / folder).rglob("__init__.py"))


@pytest.mark.parametrize("name", manifest_names())
def test_a_data_set_has_a_card(name):
    assert (ROOT / "datasets" / name / "card.md").is_file()
