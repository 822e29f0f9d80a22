"""Warm-up requests of every modality, and of exports with other signatures."""

import subprocess
import sys

import numpy as np
import pytest
from cases import PUBLISHED_SEQUENCES, ROOT, STORIES_TINY, published

from zoo.registry import Artefact
from zoo.runtime.saved_model_engine import SavedModelEngine
from zoo.serving import layout
from zoo.serving.warm_up import read_warm_up


@pytest.fixture(scope="module")
def source_of(tmp_path_factory):
    """Returns the model of a name: published, or trained for a few steps."""

    def made(name):
        if name in PUBLISHED_SEQUENCES or not name.endswith("_test"):
            return published(name)
        folder = tmp_path_factory.mktemp("run") / name
        module = f"zoo.models.{name.removesuffix('_test')}.train"
        command = [sys.executable, "-m", module, "--preset", name, "--output", folder]
        subprocess.run(
            [*command, "--set", "train.steps=4"], check=True, capture_output=True, cwd=ROOT
        )
        return Artefact.open(folder)

    return made


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "signatures"),
    [
        (PUBLISHED_SEQUENCES[0], {}, {"serving_default", "predict", "start", "step"}),
        (STORIES_TINY[0], {}, {"serving_default", "predict"}),
        (STORIES_TINY[0], {"ids_only": True}, {"serving_default", "predict"}),
        (
            "seq2seq_attention_dates",
            {"ids_only": True, "xla": True, "beam_size": 3},
            {"serving_default", "generate", "start", "step"},
        ),
    ],
)
def test_requests_of_every_signature_are_answered(source_of, tmp_path, name, options, signatures):
    exported = layout.add_version(source_of(name), tmp_path, **options)
    engine = SavedModelEngine(exported.folder)
    asked = set()
    for signature, inputs in read_warm_up(exported.folder):
        outputs = engine.run(signature, **inputs)
        asked.add(signature)
        assert all(x.dtype.kind != "f" or np.isfinite(x).all() for x in outputs.values())
    assert asked == signatures


@pytest.mark.slow
def test_a_compiled_model_is_asked_for_every_shape_that_its_texts_take(tmp_path):
    exported = layout.add_version(published("seq2seq_attention_dates"), tmp_path, xla=True)
    shapes = {
        (len(inputs["source"]), -(-inputs["source"].shape[1] // 16))
        for signature, inputs in read_warm_up(exported.folder)
        if signature == "generate"
    }
    assert shapes == {(size, steps) for size in (1, 4, 16, 64) for steps in (1, 2)}
