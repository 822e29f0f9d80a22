"""The cases over which tests/conformance runs, and what they share."""

import dataclasses
import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import zoo
from zoo import models, registry
from zoo.data.batches import encode_pairs
from zoo.data.dataset import sample_pairs
from zoo.layout import WEIGHTS
from zoo.text.tokenizer import Tokenizer, train_tokenizer

ROOT = Path(__file__).resolve().parent.parent


def _names(modality: str) -> list[str]:
    return [name for name, preset in models.presets().items() if preset.modality == modality]


# Presets for tests: those from text to text, which most promises are about, and others.
TINY = [name for name in _names("text") if models.preset(name).for_tests]
STORIES_TINY = [name for name in _names("story") if models.preset(name).for_tests]
SEQUENCES_TINY = [name for name in _names("sequence") if models.preset(name).for_tests]
FIRST_TINY = [name for name in TINY if name == f"{models.preset(name).family}_test"]
# Where a case takes long, the default suite has one preset a family, where it takes longest one in
# all; `-m slow` has the others.


def costly(names: list[str]) -> list:
    """Returns `names` as parameters, all but the first of each family marked slow."""
    firsts = {models.preset(name).family: name for name in reversed(names)}.values()
    return [x if x in firsts else pytest.param(x, marks=pytest.mark.slow) for x in names]


def costliest(cases: list) -> list:
    """Returns `cases` as parameters, all but the first marked slow."""
    return [cases[0], *(pytest.param(x, marks=pytest.mark.slow) for x in cases[1:])]


COSTLY_TINY = costly(TINY)
COSTLIEST_TINY = costliest(TINY)
COSTLY_STORIES_TINY = costly(STORIES_TINY)
COSTLY_SEQUENCES_TINY = costly(SEQUENCES_TINY)
COSTLIEST_QUANTIZATIONS = costliest(["none", "int8", "float16"])
# A beam, XLA and no tokenizer in one export: each by itself is the slow suite's.
COMPILED = {"beam_size": 3, "ids_only": True, "xla": True}
PUBLISHED = list(registry.Registry(str(ROOT / "exports")).models())
PUBLISHED_TEXT = [name for name in PUBLISHED if name in _names("text")]
COSTLIEST_PUBLISHED_TEXT = costliest(PUBLISHED_TEXT)
PUBLISHED_STORIES = [name for name in PUBLISHED if name in _names("story")]
PUBLISHED_SEQUENCES = [name for name in PUBLISHED if name in _names("sequence")]


@functools.cache
def task(name: str):
    """Returns the task of a preset, its weights drawn with seed 0."""
    return zoo.build(name, seed=0)


@functools.cache
def tokenizer(name: str) -> Tokenizer:
    """Returns a tokenizer of as many pieces as the preset's model has."""
    preset = models.preset(name)
    characters = [text for pair in sample_pairs(preset.data) for text in pair]
    alphabet = "ABCDEFGHIJLMNOPRSTUVWYabcdefghijlmnoprstuvwy"  # a sample may lack a letter
    texts = [*characters, alphabet]
    return train_tokenizer(texts, kind="char", vocab_size=preset.model.vocab_size)


def batch(name: str, rows: int = 6) -> dict[str, np.ndarray]:
    """Returns `source`, `target_inputs` and `target_outputs` of the first pairs of the sample."""
    preset = models.preset(name)
    return encode_pairs(
        sample_pairs(preset.data)[:rows],
        tokenizer(name),
        source_length=preset.model.max_source_length,
        target_length=preset.model.max_target_length,
    )


def published(name: str) -> registry.Artefact:
    """Returns a published model's artefact."""
    return registry.Registry(str(ROOT / "exports")).find(name)


def run_python(code: str, *arguments: str, **environment: str) -> str:
    """Returns what `code` prints in a fresh process, which must end well."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def operator_names(content: bytes) -> set[str]:
    """Returns the operators of all subgraphs of a `.tflite`, as the file's schema names them."""
    from tensorflow.lite.python import schema_py_generated as schema

    names = {value: key for key, value in vars(schema.BuiltinOperator).items()}
    model = schema.ModelT.InitFromPackedBuf(content)
    return {
        names[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes
    }


def two_steps(name: str, folder: Path, *, backend: str) -> tuple[dict, str]:
    """Runs the train script of a preset for two updates, to `folder`; what it wrote is checked.

    Returns:
        Its report and what it printed.
    """
    module = f"zoo.models.{models.preset(name).family}.train"
    command = [sys.executable, "-m", module, "--preset", name, "--set", "train.steps=2"]
    done = subprocess.run(
        [*command, "--output", folder],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text())
    assert report["backend"] == backend
    assert [epoch["steps"] for epoch in report["epochs"]] == [2]
    assert report["epochs"][0]["loss"] > 0
    assert report["configuration"]["train"]["steps"] == 2
    assert report["versions"]["keras"] and report["device"] and report["command"]
    return report, done.stdout


def weights_in(folder: Path) -> dict[str, np.ndarray]:
    """Returns the weights that a training wrote; the file itself holds times of day as well."""
    arrays = {}
    with h5py.File(folder / WEIGHTS) as file:
        file.visititems(
            lambda name, item: (
                arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        )
    return arrays


def on_jax(model, inputs: dict[str, np.ndarray], folder: Path, *, method: str = "__call__"):
    """Returns what a model of the same configuration and weights answers on JAX, as lists."""
    code = """
import importlib, json, sys
import keras, numpy as np
arrays, (module, name, method) = np.load(sys.argv[1]), sys.argv[3:]
family = importlib.import_module(module)
model = getattr(family, name)(getattr(family, f"{name}Config")(**json.loads(sys.argv[2])))
model.build()
for index, weight in enumerate(model.weights):
    weight.assign(arrays[f"weight_{index}"])
inputs = {x: arrays[x] for x in arrays.files if not x.startswith("weight_")}
found = keras.tree.map_structure(lambda x: np.asarray(x).tolist(), getattr(model, method)(inputs))
print(json.dumps([keras.backend.backend(), found]))
"""
    weights = {f"weight_{index}": np.asarray(weight) for index, weight in enumerate(model.weights)}
    np.savez(folder / "arrays.npz", **inputs, **weights)
    config = json.dumps(dataclasses.asdict(model.config))
    kind = type(model)
    arguments = (folder / "arrays.npz", config, kind.__module__, kind.__name__, method)
    backend, found = json.loads(run_python(code, *arguments, KERAS_BACKEND="jax"))
    assert backend == "jax"
    return found
