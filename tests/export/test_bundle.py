"""`zoo export --format litert --bundle` writes what an app needs, and it can be checked."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import ai_edge_litert
import numpy as np
import pytest
from cases import PUBLISHED_SEQUENCES, ROOT, STORIES_TINY, run_python

from zoo import registry
from zoo.export.bundle import export_bundle
from zoo.layout import TFLITE
from zoo.registry import Artefact
from zoo.runtime.litert_engine import LiteRTEngine

NAME = "seq2seq_attention_dates"
LIGHT = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None; "
COMMAND = LIGHT + "from zoo.cli import main; main(sys.argv[1:])"


def arguments(*options: object) -> tuple[str, ...]:
    return ("export", NAME, "--format", "litert", "--bundle", *map(str, options))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """Returns a bundle that the command wrote without TensorFlow."""
    folder = tmp_path_factory.mktemp("bundles")
    done = run_python(COMMAND, *arguments("--to", folder))
    assert done == f"{folder / NAME / '1'}\n"
    return folder / NAME / "1"


@pytest.fixture
def changeable(bundle, tmp_path):
    """Returns a copy of the bundle."""
    return shutil.copytree(bundle, tmp_path / "copy")


def check(folder: Path) -> subprocess.CompletedProcess:
    """Runs a bundle's own check, away from the zoo."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import sys, runpy; sys.modules['zoo'] = None; runpy.run_path(sys.argv[1])"
    return subprocess.run(
        [sys.executable, "-c", code, folder / "check.py"],
        capture_output=True,
        text=True,
        cwd=folder.parent,
        env=environment,
    )


def facts_of(folder: Path) -> dict:
    return json.loads((folder / "signature.json").read_text())


def test_bundle_holds_what_an_app_needs(bundle):
    assert {path.name for path in bundle.iterdir()} == {
        "README.md", "card.md", "check.py", "golden", "manifest.json", "model.tflite",
        "signature.json", "tokenizer.model", "vocabulary.txt",
    }  # fmt: skip
    source = registry.resolve(NAME)
    assert (bundle / TFLITE).read_bytes() == source.read(TFLITE)


def test_manifest_lists_every_file(bundle):
    artefact = Artefact.open(bundle)
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {*artefact.manifest["files"], "manifest.json"}
    for file in artefact.manifest["files"]:
        artefact.read(file)


def test_check_of_a_bundle_passes_without_the_zoo(bundle):
    done = check(bundle)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{NAME}: 8 golden examples are right\n"


@pytest.mark.parametrize(("tensor", "change"), [("tokens", 1), ("scores", 0.01)])
def test_check_notices_another_answer(changeable, tensor, change):
    path = changeable / "golden" / f"{tensor}.npy"
    array = np.load(path)
    array.flat[-1] += array.dtype.type(change)
    np.save(path, array)
    done = check(changeable)
    assert done.returncode == 1 and tensor in done.stderr


def test_golden_outputs_are_those_of_keras(bundle):
    """Of the date model, whose 8-bit weights give the same tokens."""
    with np.load(ROOT / "exports" / NAME / "1" / "golden.npz") as published:
        for name in facts_of(bundle)["signatures"]["generate"]["outputs"]:
            actual = np.load(bundle / "golden" / f"{name}.npy")
            np.testing.assert_allclose(actual, published[name][:8], atol=0.1, err_msg=name)


def test_vocabulary_reads_golden_ids_as_the_examples(bundle):
    pieces = (bundle / "vocabulary.txt").read_text().split("\n")[:-1]
    examples = json.loads((bundle / "golden" / "examples.json").read_text())
    sources = np.load(bundle / "golden" / "source.npy")
    tokens = np.load(bundle / "golden" / "tokens.npy")[:, 0]
    special = facts_of(bundle)["special_ids"]
    assert len(pieces) == facts_of(bundle)["vocab_size"]
    for ids, written, example in zip(sources, tokens, examples, strict=True):
        read = "".join(pieces[x] for x in ids if x != special["pad"])
        assert read.replace("▁", " ") == example["input"]
        text = "".join(pieces[x] for x in written[: list(written).index(special["end"])])
        assert text == example["output"]


def test_signature_is_that_of_the_file(bundle):
    facts = facts_of(bundle)
    assert facts["signatures"] == LiteRTEngine((bundle / TFLITE).read_bytes()).signatures()
    assert facts["main"] == "generate"
    assert facts["limits"] == {"max_source_length": 32, "max_target_length": 12}
    readme = (bundle / "README.md").read_text()
    for name, spec in facts["signatures"]["generate"]["outputs"].items():
        assert f"| `{name}` | {spec['dtype']} | {' x '.join(map(str, spec['shape']))} |" in readme


def test_zip_holds_the_same_files(bundle, tmp_path):
    archive = tmp_path / "app.zip"
    assert run_python(COMMAND, *arguments("--to", archive)) == f"{archive}\n"
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path / "out")
    for path in bundle.rglob("*"):
        if path.is_file():
            copied = tmp_path / "out" / NAME / path.relative_to(bundle)
            assert copied.read_bytes() == path.read_bytes()


def test_a_zip_that_is_there_is_refused_and_stays(zoo):
    archive = zoo.work / "app.zip"
    archive.write_bytes(b"mine")
    zoo(*arguments("--to", archive)).refused(str(archive))
    assert archive.read_bytes() == b"mine"


def test_a_zip_of_two_models_is_refused(zoo):
    done = zoo(*arguments("--to", "app.zip"), "seq2seq_peeky_dates")
    done.refused("one model", NAME, "seq2seq_peeky_dates")


def test_a_bundle_is_a_model(bundle, zoo):
    assert zoo("run", bundle, "september 27, 1994").stdout == "1994-09-27\n"


@pytest.mark.parametrize("threads", [1, 2])
def test_benchmark_of_a_bundle_prints_its_measures(bundle, zoo, threads):
    done = zoo("benchmark", "--bundle", bundle, "--threads", str(threads), "--calls", "5", "--json")
    assert (done.status, done.stderr) == (0, "")
    measured = json.loads(done.stdout)
    assert (measured["name"], measured["threads"]) == (NAME, threads)
    for name in ("median_ms", "p95_ms", "cold_start_ms", "peak_memory_mb"):
        assert measured[name] > 0
    sizes = {path: path.stat().st_size for path in bundle.rglob("*") if path.is_file()}
    assert measured["model_mb"] == sizes[bundle / TFLITE] / 1e6
    manifest = sizes.pop(bundle / "manifest.json")
    assert manifest and measured["bundle_mb"] == pytest.approx(sum(sizes.values()) / 1e6)


def test_benchmark_of_a_damaged_bundle_is_refused(changeable, zoo):
    path = changeable / "golden" / "tokens.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    zoo("benchmark", "--bundle", changeable).refused(str(path), "damaged")


def test_benchmark_of_no_bundle_is_refused(zoo):
    folder = ROOT / "exports" / NAME / "1"
    zoo("benchmark", "--bundle", folder).refused("Expected a bundle", "signature.json")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Returns tools/run_bundle.cc, compiled against the library in ai-edge-litert's wheel."""
    folder = Path(ai_edge_litert.__file__).parent
    target = tmp_path_factory.mktemp("program") / "run_bundle"
    command = ["g++", "-std=c++17", "-Wall", "-Werror", ROOT / "tools" / "run_bundle.cc"]
    [library] = folder.glob("libLiteRt.*")
    linked = [library, f"-Wl,-rpath,{folder}"]
    done = subprocess.run([*command, "-o", target, *linked], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


def test_cpp_prints_the_golden_texts(bundle, program):
    done = subprocess.run([program, bundle], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    examples = json.loads((bundle / "golden" / "examples.json").read_text())
    expected = [example["output"] for example in examples]
    assert done.stdout.splitlines() == [*expected, "8 golden examples are right"]


def test_cpp_notices_another_answer(changeable, program):
    path = changeable / "golden" / "scores.npy"
    np.save(path, np.load(path) + np.float32(0.01))
    done = subprocess.run([program, changeable], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "Error: scores of golden example 0 is another"


def test_a_sequence_model_has_no_words(tmp_path):
    name = PUBLISHED_SEQUENCES[0]
    folder = export_bundle(registry.resolve(name), tmp_path / "bundle")
    assert not (folder / "vocabulary.txt").exists()
    assert "special_ids" not in facts_of(folder)
    done = check(folder)
    assert done.stdout == f"{name}: 8 golden examples are right\n", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAME, STORIES_TINY[0]])
def test_another_quantization_is_made(name, tmp_path):
    source = name
    if name in STORIES_TINY:
        source = str(tmp_path / "run")
        module = f"zoo.models.{name.removesuffix('_test')}.train"
        command = [sys.executable, "-m", module, "--preset", name, "--output", source]
        subprocess.run(
            [*command, "--set", "train.steps=4"], check=True, capture_output=True, cwd=ROOT
        )
    folder = export_bundle(
        registry.resolve(source), tmp_path / "bundle", quantize="float16", beam_size=None
    )
    assert facts_of(folder)["quantize"] == "float16"
    done = check(folder)
    assert done.stdout == f"{name}: 8 golden examples are right\n", done.stderr
