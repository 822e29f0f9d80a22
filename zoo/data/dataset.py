"""Opens a data set by its name: files given by the user, or made by the data set's own recipe."""

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo import paths
from zoo.config import DataConfig, require_choice, unknown_name
from zoo.errors import ZooError, missing_extra


@dataclass(frozen=True)
class Dataset:
    """A data set of pairs: one tab-separated file a split, source then target."""

    manifest: dict
    files: dict[str, Path]  # by split

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """Returns the pairs of `split` in the order of its file.

        Raises:
            ZooError: If there is no such split, or a line is not UTF-8 or not two columns.
        """
        self.require_split(split)
        pairs = read_pairs(self.files[split])
        if not pairs:
            raise ZooError(f"Expected pairs in {self.files[split]}. It is empty.")
        return pairs

    def require_split(self, split: str) -> None:
        """Raises ZooError if there is no such split."""
        require_choice("split", split, self.files)


def manifest_names() -> list[str]:
    """Returns the names of all data sets that have a manifest."""
    return sorted(path.parent.name for path in paths.datasets().glob("*/manifest.toml"))


def read_manifest(name: str) -> dict:
    """Returns `datasets/<name>/manifest.toml`."""
    path = paths.datasets() / name / "manifest.toml"
    if not path.is_file():
        raise ZooError(unknown_name("data set", name, manifest_names()))
    return tomllib.loads(path.read_text(encoding="utf-8"))


def open_dataset(config: DataConfig, *, data_dir: Path | None = None) -> Dataset:
    """Returns the data set, from `data_dir`, from `ZOO_DATA`, or made by its recipe in the cache.

    Files are checked against the manifest's sha256; a smaller number of rows has none to check.

    Raises:
        ZooError: If there are no files and no recipe, or a file is not the manifest's.
    """
    manifest = read_manifest(config.name)
    if data_dir is None and os.environ.get("ZOO_DATA"):
        data_dir = Path(os.environ["ZOO_DATA"])
    whole = config.rows in (None, manifest["rows"])
    if data_dir is not None:
        folder = data_dir / config.name
        if not folder.is_dir():
            raise ZooError(f"Expected the data set {config.name!r} at {folder}. Nothing is there.")
    elif "recipe" in manifest:
        folder = _made_by_recipe(manifest, config.rows)
    else:
        raise ZooError(f"The data set {config.name!r} needs --data DIR or ZOO_DATA.")
    files = {split: folder / facts["file"] for split, facts in manifest["splits"].items()}
    for split, path in files.items():
        if not path.is_file():
            raise ZooError(f"Expected the {split} split of {config.name!r} at {path}.")
        if whole:
            _check_sha256(path, manifest["splits"][split]["sha256"])
    dataset = Dataset(manifest, files)
    if data_dir is not None and not whole:
        rows = sum(len(dataset.pairs(split)) for split in files)
        if rows != config.rows:
            raise ZooError(f"Expected data.rows={config.rows} pairs in {folder}. Received: {rows}.")
    return dataset


def sample_pairs(name: str) -> list[tuple[str, str]]:
    """Returns the few dozen pairs that the project carries for tests and golden outputs."""
    return read_pairs(paths.datasets() / name / read_manifest(name)["sample"]["file"])


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Returns the two columns of a tab-separated file."""
    return list(_parsed(path))


def _parsed(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"Expected UTF-8 in {path}. Received: {error.reason}.") from error
    # Not `splitlines`: a text may hold U+2028 and others of its line ends.
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        columns = line.removesuffix("\r").split("\t")
        if len(columns) != 2:
            raise ZooError(f"Expected 2 columns in {path}:{number}. Received: {len(columns)}.")
        yield columns[0], columns[1]


def _made_by_recipe(manifest: dict, rows: int | None) -> Path:
    rows = rows or manifest["rows"]
    name = manifest["name"]
    folder = paths.cache() / "datasets" / f"{name}-{manifest['version']}-{rows}"
    if folder.is_dir():
        return folder
    script = paths.datasets() / name / manifest["recipe"]
    with paths.new_folder(folder) as partial:
        command = [sys.executable, script, "--rows", str(rows), "--output", partial]
        done = subprocess.run(
            command, capture_output=True, text=True
        )  # its own imports, its own exit
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
            if reason.startswith("ModuleNotFoundError"):
                module = reason.split("'")[1]
                raise missing_extra(module, extra="train", purpose=f"Making the data set {name!r}")
            raise ZooError(f"The recipe of {name!r} failed: {reason}")
        if rows == manifest["rows"]:
            for facts in manifest["splits"].values():
                _check_sha256(partial / facts["file"], facts["sha256"])
    return folder


def _check_sha256(path: Path, expected: str) -> None:
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != expected:
        raise ZooError(f"Expected sha256 {expected} of {path}. Received: {actual}.")
