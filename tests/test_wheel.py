"""The wheel, installed away from the checkout, runs its one model and trains from its recipes."""

import os
import subprocess
import sys

import pytest
from cases import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Returns a function that runs Python with the built wheel, in a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    site = folder / "site"
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(site), "ZOO_CACHE": str(folder / "cache")}
    environment.pop("ZOO_REGISTRY", None)

    def run(*arguments):
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment,
        )

    done = run("-c", "import zoo; print(zoo.__file__)")
    assert done.stdout.startswith(str(site)), done.stderr
    return run


def test_the_embedded_model_runs(installed):
    done = installed("-m", "zoo", "run", "seq2seq_attention_dates", "september 27, 1994")
    assert (done.returncode, done.stdout) == (0, "1994-09-27\n"), done.stderr


def test_the_page_of_the_server_is_there(installed):
    code = "import importlib.resources as r; folder = r.files('zoo') / 'serving' / 'page'; "
    code += "print(*sorted(file.name for file in folder.iterdir()))"
    page = ROOT / "zoo" / "serving" / "page"
    assert installed("-c", code).stdout.split() == sorted(file.name for file in page.iterdir())


def test_only_the_embedded_model_is_listed(installed):
    names = [line.split()[0] for line in installed("-m", "zoo", "list").stdout.splitlines()]
    assert names == ["seq2seq_attention_dates"]


def test_another_model_needs_a_registry(installed):
    done = installed("-m", "zoo", "run", "seq2seq_peeky_dates", "9/27/94")
    assert done.returncode == 1
    assert "Set ZOO_REGISTRY" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_registry_brings_the_others(installed):
    code = "import os, sys; os.environ['ZOO_REGISTRY'] = sys.argv[1]; import zoo; "
    code += "print(zoo.load('seq2seq_peeky_dates')(['9/27/94'])[0].text)"
    assert installed("-c", code, ROOT / "exports").stdout == "1994-09-27\n"


def test_training_finds_its_recipe(installed):
    module = "zoo.models.seq2seq.train"
    done = installed("-m", module, "--preset", "seq2seq_test", "--set", "train.steps=1")
    assert done.returncode == 0, done.stderr
