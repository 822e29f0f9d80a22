"""The recipe of the data set `dates`, judged by `datetime` and by its own promises."""

import datetime
import hashlib
import subprocess
import sys

import pytest
from cases import ROOT

from zoo.config import DataConfig
from zoo.data.dataset import open_dataset, read_manifest, read_rows, sample_pairs
from zoo.errors import ZooError

FORMS = ("%m/%d/%y", "%b %d, %Y", "%B %d, %Y", "%A, %B %d, %Y")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data set as its recipe makes it at full size."""
    folder = tmp_path_factory.mktemp("data") / "dates"
    script = ROOT / "datasets" / "dates" / "prepare.py"
    subprocess.run([sys.executable, script, "--output", folder], check=True)
    return folder


def _forms(source):
    """The forms in which `source` is written, as datetime reads them."""
    found = []
    for form in FORMS:
        try:
            found.append((form, datetime.datetime.strptime(source, form).date()))
        except ValueError:
            continue
    return found


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_source_is_its_target(folder, split):
    for source, target in read_rows(folder / f"{split}.tsv", 2):
        forms = _forms(source)
        assert forms, source
        for form, day in forms:
            assert day.isoformat() == target, source
            if form.startswith("%A"):  # which strptime reads but does not check
                assert source.split(",")[0].lower() == day.strftime("%A").lower()


def test_no_tested_day_was_trained_on(folder):
    trained = {target for _, target in read_rows(folder / "train.tsv", 2)}
    tested = {target for _, target in read_rows(folder / "test.tsv", 2)}
    assert len(tested) > 1500
    assert not trained & tested


@pytest.mark.parametrize(("split", "rows"), [("train", 45_000), ("test", 5_000)])
def test_forms_and_cases_are_balanced(folder, split, rows):
    sources = [source for source, _ in read_rows(folder / f"{split}.tsv", 2)]
    assert len(sources) == len(set(sources)) == rows
    short = sum("/" in source for source in sources)
    full = sum(source.count(",") == 2 for source in sources)
    assert short == full == rows // 4
    worded = [source for source in sources if "/" not in source]
    for change in (str.lower, str.upper, lambda text: text.lower().title()):
        assert sum(change(source) == source for source in worded) / len(worded) == pytest.approx(
            1 / 3, abs=0.03
        )


def test_years_run_from_1970_to_2018(folder):
    years = {target[:4] for _, target in read_rows(folder / "train.tsv", 2)}
    assert years == {str(year) for year in range(1970, 2019)}


def test_the_recipe_gives_the_manifests_bytes(folder):
    for facts in read_manifest("dates")["splits"].values():
        content = (folder / facts["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == facts["sha256"]
        assert content.count(b"\n") == facts["rows"]


def test_the_sample_is_of_held_out_days(folder):
    pairs = sample_pairs(DataConfig(name="dates"))
    assert set(pairs) <= set(read_rows(folder / "test.tsv", 2))
    facts = read_manifest("dates")["sample"]
    content = (ROOT / "datasets" / "dates" / facts["file"]).read_bytes()
    assert len(pairs) == facts["rows"]
    assert hashlib.sha256(content).hexdigest() == facts["sha256"]


def test_a_smaller_set_has_the_rows_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))
    dataset = open_dataset(DataConfig(name="dates", rows=500))
    assert [len(dataset.pairs(split)) for split in ("train", "test")] == [450, 50]


def test_files_of_the_user_are_checked(folder, tmp_path):
    data = tmp_path / "dates"
    data.mkdir()
    for split in ("train", "test"):
        (data / f"{split}.tsv").write_bytes((folder / f"{split}.tsv").read_bytes())
    assert len(open_dataset(DataConfig(name="dates"), data_dir=tmp_path).pairs("test")) == 5000
    with (data / "test.tsv").open("a") as file:
        file.write("1/1/70\t1970-01-01\n")
    with pytest.raises(ZooError, match="Expected sha256"):
        open_dataset(DataConfig(name="dates"), data_dir=tmp_path)
