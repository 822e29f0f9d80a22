"""Manifests, and data sets of parallel files or of one table, compressed or not."""

import gzip
import hashlib
import tomllib

import pytest
from cases import ROOT

from zoo import paths
from zoo.config import ConfigError, DataConfig
from zoo.data.dataset import (
    manifest_names,
    open_dataset,
    read_manifest,
    read_parallel_files,
    sample_pairs,
)
from zoo.errors import ZooError

MULTI30K = DataConfig(name="multi30k", source="en", target="de")


@pytest.mark.parametrize("name", manifest_names())
def test_a_manifest_says_what_the_data_set_is(name):
    manifest = read_manifest(name)
    assert manifest["name"] == name
    for field in ("title", "source", "license", "citation", "metric"):
        assert manifest[field]
    assert manifest["rows"] == sum(facts["rows"] for facts in manifest["splits"].values())
    assert {"train", "test"} <= manifest["splits"].keys()


@pytest.mark.parametrize("name", manifest_names())
def test_a_sample_is_the_manifests(name):
    facts = read_manifest(name)["sample"]
    content = (ROOT / "datasets" / name / facts["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]


@pytest.mark.parametrize("name", [x for x in manifest_names() if "columns" in read_manifest(x)])
def test_pairs_are_read_in_every_direction(name):
    facts = read_manifest(name)["sample"]
    source, target = read_manifest(name)["columns"][:2]
    there = sample_pairs(DataConfig(name=name, source=source, target=target))
    back = sample_pairs(DataConfig(name=name, source=target, target=source))
    assert len(there) == facts["rows"]
    assert back == [(right, left) for left, right in there]
    assert all(left and right for left, right in there)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Returns a function that writes a data set and its manifest, and opens it."""
    datasets = tmp_path / "datasets"
    monkeypatch.setattr(paths, "datasets", lambda: datasets)

    def make(files, manifest, **config):
        (datasets / "made").mkdir(parents=True)
        (datasets / "made" / "manifest.toml").write_text(manifest)
        folder = tmp_path / "data" / "made"
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        assert tomllib.loads(manifest)["name"] == "made"
        return open_dataset(DataConfig(name="made", rows=10, **config), data_dir=tmp_path / "data")

    return make


PARALLEL = """
name = "made"
columns = ["en", "de", "fr"]
rows = 99
[splits.train]
files.en = { file = "train.en.gz", sha256 = "" }
files.de = { file = "train.de", sha256 = "" }
files.fr = { file = "train.fr", sha256 = "" }
"""
TABLE = """
name = "made"
columns = ["en", "zh", "note"]
several_references = true
rows = 99
[splits.train]
file = "train.tsv"
sha256 = ""
"""


def _lines(word, count=10):
    return "".join(f"{word} {number}\n" for number in range(count)).encode()


def test_parallel_files_are_read_line_by_line(make):
    files = {"train.en.gz": gzip.compress(_lines("one")), "train.de": _lines("eins")}
    dataset = make(files, PARALLEL, source="de", target="en")  # French is not asked for
    assert dataset.pairs("train")[9] == ("eins 9", "one 9")
    assert dataset.references("train")[9] == ("one 9",)


def test_parallel_files_of_other_lengths_are_refused(make):
    files = {"train.en.gz": gzip.compress(_lines("one")), "train.de": _lines("eins", 9)}
    with pytest.raises(ZooError, match=r"as many lines of en as of de.*Received: 10 and 9"):
        make(files, PARALLEL, source="en", target="de")


@pytest.mark.parametrize(
    "content", [b"no gzip", gzip.compress(_lines("one"))[:-12]], ids=["another", "cut"]
)
def test_a_broken_gzip_file_is_refused(make, content):
    files = {"train.en.gz": content, "train.de": _lines("eins")}
    with pytest.raises(ZooError, match=r"Expected a gzip file at .*train\.en\.gz"):
        make(files, PARALLEL, source="en", target="de")


def test_every_translation_of_a_source_is_a_reference(make):
    rows = [("hi", "嗨"), ("yes", "是"), ("hi", "你好")] + [(f"x{i}", f"y{i}") for i in range(7)]
    content = "".join(f"{en}\t{zh}\tsomebody\n" for en, zh in rows).encode()
    dataset = make({"train.tsv": content}, TABLE, source="en", target="zh")
    assert dataset.pairs("train") == rows
    assert dataset.references("train")[:3] == [["嗨", "你好"], ["是"], ["嗨", "你好"]]


def test_a_column_that_the_data_set_does_not_have_is_refused():
    with pytest.raises(ConfigError, match="Unknown column of multi30k 'es'"):
        open_dataset(DataConfig(name="multi30k", source="en", target="es"))


def test_data_that_nobody_made_is_asked_for(monkeypatch):
    monkeypatch.delenv("ZOO_DATA", raising=False)
    with pytest.raises(ZooError, match=r"'multi30k' needs --data DIR or ZOO_DATA.*github\.com"):
        open_dataset(MULTI30K)


def test_files_of_ones_own_have_several_references(tmp_path):
    for name, lines in {"en": "a\nb\n", "de": "A\nB\n", "fr": "x\r\ny"}.items():
        (tmp_path / name).write_text(lines)
    files = read_parallel_files(MULTI30K, tmp_path / "en", (tmp_path / "de", tmp_path / "fr"))
    assert files.pairs("any") == [("a", "A"), ("b", "B")]
    assert files.references("any") == [("A", "x"), ("B", "y")]
    assert files.manifest["metric"] == "bleu"
