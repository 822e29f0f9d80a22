"""Opens a data set by its name: files given by the user, or made by the data set's own recipe."""

import gzip
import hashlib
import os
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo import paths
from zoo.config import DataConfig, require_choice, unknown_name
from zoo.errors import ZooError, missing_extra


@dataclass(frozen=True)
class Dataset:
    """A data set of pairs of texts: two columns of one table, or of two parallel files, a split."""

    manifest: dict
    config: DataConfig
    folder: Path

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """Returns the pairs of `split` in the order of its file.

        Raises:
            ZooError: If there is no such split, a line is not UTF-8 or has other columns than the
                manifest says, or parallel files are not equally long.
        """
        self.require_split(split)
        return read_pairs(self.folder, self.manifest["splits"][split], self.config)

    def references(self, split: str) -> list[Sequence[str]]:
        """Returns what is right for the source of each pair of `split`, one target or several.

        Where the manifest says `several_references`, that is every target that the split has for
        the same source; elsewhere the pair's own.
        """
        pairs = self.pairs(split)
        if not self.manifest.get("several_references", False):
            return [(target,) for _, target in pairs]
        by_source: dict[str, list[str]] = {}
        for source, target in pairs:
            by_source.setdefault(source, []).append(target)
        return [by_source[source] for source, _ in pairs]

    def require_split(self, split: str) -> None:
        """Raises ZooError if there is no such split."""
        require_choice("split", split, self.manifest["splits"])


@dataclass(frozen=True)
class ParallelFiles:
    """The lines of a user's own files, measured as a data set's split is.

    `read_parallel_files` makes it. Its methods take the name of a split as those of `Dataset` do,
    and have one.
    """

    manifest: dict
    config: DataConfig
    lines: list[tuple[str, tuple[str, ...]]]  # a source, and what is right for it

    def pairs(self, split: str) -> list[tuple[str, str]]:
        """Returns each source and the first of its references."""
        return [(source, right[0]) for source, right in self.lines]

    def references(self, split: str) -> list[Sequence[str]]:
        """Returns all references of each source."""
        return [right for _, right in self.lines]


def read_parallel_files(
    config: DataConfig, source: Path, references: Sequence[Path]
) -> ParallelFiles:
    """Returns the lines of files that may be compressed by gzip.

    Args:
        config: Of the data set by whose metric they are measured.
        source: What to read.
        references: What is right for each line of it, a file or several.

    Raises:
        ZooError: If a file cannot be read, or holds no lines or not as many as the first.
    """
    sources, *rights = (list(_lines(path)) for path in (source, *references))
    if not sources:
        raise ZooError(f"Expected lines in {source}. It is empty.")
    for path, lines in zip(references, rights, strict=True):
        if len(lines) != len(sources):
            raise ZooError(
                f"Expected {len(sources)} lines in {path}, as in {source}. Received: {len(lines)}."
            )
    lines = list(zip(sources, zip(*rights, strict=True), strict=True))
    return ParallelFiles(read_manifest(config.name), config, lines)


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
    for column in (config.source, config.target):
        require_choice(f"column of {config.name}", column, manifest["columns"])
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
        raise ZooError(
            f"The data set {config.name!r} needs --data DIR or ZOO_DATA: a folder that holds "
            f"{config.name}/. {manifest['source']}"
        )
    for split, facts in manifest["splits"].items():
        for file, sha256 in _files(facts, config).items():
            path = folder / file
            if not path.is_file():
                raise ZooError(f"Expected the {split} split of {config.name!r} at {path}.")
            if whole:
                _check_sha256(path, sha256)
    dataset = Dataset(manifest, config, folder)
    if data_dir is not None and not whole:
        rows = sum(len(dataset.pairs(split)) for split in manifest["splits"])
        if rows != config.rows:
            raise ZooError(f"Expected data.rows={config.rows} pairs in {folder}. Received: {rows}.")
    return dataset


def sample_pairs(config: DataConfig) -> list[tuple[str, str]]:
    """Returns the few dozen pairs that the project carries for tests and golden outputs."""
    manifest = read_manifest(config.name)
    return read_pairs(paths.datasets() / config.name, manifest["sample"], config)


def read_pairs(folder: Path, facts: dict, config: DataConfig) -> list[tuple[str, str]]:
    """Returns the pairs of one split.

    Args:
        folder: Of the data set.
        facts: What the manifest says of the split.
        config: Names the columns.
    """
    if "files" in facts:
        sides = [list(_lines(folder / file)) for file in _files(facts, config)]
        if len(sides[0]) != len(sides[1]):
            raise ZooError(
                f"Expected as many lines of {config.source} as of {config.target} in {folder}. "
                f"Received: {len(sides[0])} and {len(sides[1])}."
            )
        pairs = list(zip(*sides, strict=True))
    else:
        path = folder / facts["file"]
        columns = read_manifest(config.name)["columns"]
        source, target = columns.index(config.source), columns.index(config.target)
        pairs = [(row[source], row[target]) for row in read_rows(path, len(columns))]
    if not pairs:
        raise ZooError(
            f"Expected pairs in {folder / next(iter(_files(facts, config)))}. It is empty."
        )
    return pairs


def read_rows(path: Path, columns: int) -> Iterator[tuple[str, ...]]:
    """Yields the lines of a tab-separated file, which may be compressed by gzip.

    Raises:
        ZooError: If a line is not UTF-8 or has another number of columns.
    """
    for number, line in enumerate(_lines(path), start=1):
        row = tuple(line.split("\t"))
        if len(row) != columns:
            raise ZooError(f"Expected {columns} columns in {path}:{number}. Received: {len(row)}.")
        yield row


def _files(facts: dict, config: DataConfig) -> dict[str, str]:
    """Returns a split's files with their sha256, source before target where there are two."""
    if "files" not in facts:
        return {facts["file"]: facts["sha256"]}
    sides = [facts["files"][column] for column in (config.source, config.target)]
    return {side["file"]: side["sha256"] for side in sides}


def _lines(path: Path) -> Iterator[str]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"Expected UTF-8 in {path}. Received: {error.reason}.") from error
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise ZooError(f"Expected a file at {path}. Received: {error.strerror}.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise ZooError(f"Expected a gzip file at {path}. Received: {error}.") from error
    # Not `splitlines`: a text may hold U+2028 and others of its line ends.
    for line in text.removesuffix("\n").split("\n") if text else ():
        yield line.removesuffix("\r")


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
                raise missing_extra(
                    module, extra="evaluate", purpose=f"Making the data set {name!r}"
                )
            raise ZooError(f"The recipe of {name!r} failed: {reason}")
        if rows == manifest["rows"]:
            for facts in manifest["splits"].values():
                _check_sha256(partial / facts["file"], facts["sha256"])
    return folder


def _check_sha256(path: Path, expected: str) -> None:
    actual = hashlib.sha256(path.read_bytes()).hexdigest()
    if actual != expected:
        raise ZooError(f"Expected sha256 {expected} of {path}. Received: {actual}.")
