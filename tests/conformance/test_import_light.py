"""The light modules start no framework."""

import pytest
from cases import run_python

from zoo import models

BLOCKED = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; "


@pytest.mark.parametrize(
    "module",
    [
        "zoo",
        "zoo.cli",
        "zoo.config",
        "zoo.data.dataset",
        "zoo.evaluation",
        "zoo.export.bundle",
        "zoo.export.card",
        *(f"zoo.models.{family}.config" for family in models.FAMILIES),
        "zoo.registry",
        "zoo.runtime.benchmark_bundle",
        "zoo.runtime.litert_engine",
        "zoo.runtime.load",
        "zoo.serving.client",
        "zoo.serving.deploy",
        "zoo.serving.serve",
        "zoo.serving.worker",
        "zoo.signature",
        "zoo.text.tokenizer",
    ],
)
def test_module_imports_without_keras_and_tensorflow(module):
    run_python(f"{BLOCKED}import {module}")


@pytest.mark.parametrize(
    "module",
    [
        "zoo.config",
        "zoo.layout",
        "zoo.registry",
        "zoo.signature",
        *(f"zoo.models.{family}.config" for family in models.FAMILIES),
    ],
)
def test_module_needs_the_standard_library_alone(module):
    run_python(
        "import sys; sys.modules.update(dict.fromkeys("
        "['numpy', 'tensorflow', 'keras', 'click', 'sentencepiece', 'fsspec', 'tqdm'])); "
        f"import {module}"
    )


def test_a_model_runs_without_keras_and_tensorflow():
    code = "import zoo; print(zoo.load('seq2seq_attention_dates')(['september 27, 1994'])[0].text)"
    assert run_python(BLOCKED + code) == "1994-09-27\n"
