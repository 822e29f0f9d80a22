"""Where a model's name resolves to its files: folders, registries, and the cache between.

A registry is a folder, or any URL that fsspec opens, with `index.json` and
`<name>/<version>/manifest.json`. The index holds the sha256 of every manifest, a manifest that of
every file, and no byte is used before it is checked. Standard library only; fsspec and tqdm are
imported where a URL is read.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zoo import paths
from zoo.config import unknown_name
from zoo.errors import ZooError

FORMAT = 1  # of manifests and indexes; raised when an older zoo could not read a newer one
INDEX = "index.json"
MANIFEST = "manifest.json"
# What a model's folder may hold beside its manifest.
CARD = "card.md"
GOLDEN = "golden.npz"
SAVED_MODEL = "saved_model.pb"
TFLITE = "model.tflite"
TOKENIZER = "tokenizer.model"
WEIGHTS = "model.weights.h5"

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Artefact:
    """A folder with a manifest: a published model, an exported one, or a finished training."""

    folder: Path
    manifest: dict

    @classmethod
    def open(cls, folder: Path, *, manifest_sha256: str | None = None) -> "Artefact":
        """Returns the artefact in `folder`; its files are checked when they are read.

        Raises:
            ZooError: If there is no manifest, it is not the one of `manifest_sha256`, or its format
                is newer than this zoo's, or a file of it lies outside the folder.
        """
        path = folder / MANIFEST
        if not path.is_file():
            if (folder / "checkpoints").is_dir():
                raise ZooError(f"The training in {folder} is not finished; go on with --resume.")
            raise ZooError(f"Expected a model in {folder}. It has no {MANIFEST}.")
        content = path.read_bytes()
        if manifest_sha256 is not None:
            check_sha256(content, manifest_sha256, path)
        return cls(folder, parse_manifest(content, path))

    @property
    def name(self) -> str:
        """The preset's name."""
        return self.manifest["name"]

    @property
    def version(self) -> int:
        """The version, from 1."""
        return self.manifest["version"]

    def holds(self, file: str) -> bool:
        """True if the manifest lists `file`."""
        return file in self.manifest["files"]

    def read(self, file: str) -> bytes:
        """Returns the bytes of a file, checked against the manifest.

        Raises:
            ZooError: If the manifest does not list it, it is missing, or a bit of it is wrong.
        """
        if not self.holds(file):
            raise ZooError(f"{self.folder} holds no {file}. It holds: {self._listing()}.")
        path = self.folder / file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ZooError(f"Cannot read {path}: {error.strerror}.") from error
        check_sha256(content, self.manifest["files"][file]["sha256"], path)
        return content

    def path(self, file: str) -> Path:
        """Returns where a file lies, after checking it as `read` does."""
        self.read(file)
        return self.folder / file

    def _listing(self) -> str:
        return ", ".join(sorted(self.manifest["files"]))


class Registry:
    """A place with published models.

    Args:
        url: A folder or any URL that fsspec opens. None is `ZOO_REGISTRY`; without that, the
            checkout's `exports/`, or what the wheel embeds.
    """

    def __init__(self, url: str | None = None):
        url = url or os.environ.get("ZOO_REGISTRY") or str(_default_folder())
        self.url = url.rstrip("/")
        self._folder = _local_folder(self.url)

    def models(self) -> dict[str, dict]:
        """Returns the index's entry of every model, by name: `latest`, `versions`, `summary`.

        Raises:
            ZooError: If the registry cannot be reached or its index is not one.
        """
        models = self._index()["models"]
        if self._folder == paths.embedded() / "exports":  # its index lists the whole zoo
            models = {
                name: facts for name, facts in models.items() if (self._folder / name).is_dir()
            }
        return dict(sorted(models.items()))

    def find(self, name: str) -> Artefact:
        """Returns a model by `name` or `name@version`, without the network where the cache has it.

        Raises:
            ZooError: If there is no such model or version, or its files are not the index's.
        """
        if self._folder is not None:
            return self._local(self._folder, *self._resolved(name, self._index()))
        cached = self._cache()
        if (cached / INDEX).is_file():
            index = parse_index((cached / INDEX).read_bytes(), cached / INDEX)
            with contextlib.suppress(ZooError):
                name_in_cache, version, sha256 = self._resolved(name, index)
                return self._local(cached, name_in_cache, version, sha256)
        return self.pull(name)

    def pull(self, name: str, *, to: Path | None = None) -> Artefact:
        """Returns a model after fetching it into the cache, or into the new folder `to`.

        What the cache already holds whole is not fetched again. Processes may pull at once: each
        fetches into a folder of its own, and the first to be done puts its folder in place.

        Raises:
            ZooError: If there is no such model, it cannot be fetched, or a file is not the index's.
        """
        index = self._index()
        name, version, sha256 = self._resolved(name, index)
        if to is None and self._folder is not None:
            return self._local(self._folder, name, version, sha256)
        target = to or self._cache() / name / str(version)
        if to is None and target.is_dir():
            with contextlib.suppress(ZooError):
                return self._checked_whole(self._local(self._cache(), name, version, sha256))
            raise ZooError(f"{target} is damaged. Remove it and pull again.")
        with paths.new_folder(target) as partial:
            self._fetch(f"{name}/{version}", partial, sha256)
        if to is None:
            with paths.new_file(self._cache() / INDEX) as path:
                path.write_text(json.dumps(index), encoding="utf-8")
        return Artefact.open(target, manifest_sha256=sha256)

    def _index(self) -> dict:
        location = f"{self.url}/{INDEX}"
        return parse_index(self._read(INDEX), location)

    def _resolved(self, name: str, index: dict) -> tuple[str, int, str]:
        """Returns the name, the version and the manifest's sha256 of `name` or `name@version`."""
        name, _, version = name.partition("@")
        if name not in index["models"]:
            raise ZooError(f"{unknown_name('model', name, index['models'])} Registry: {self.url}.")
        facts = index["models"][name]
        version = version or str(facts["latest"])
        if version not in facts["versions"]:
            raise ZooError(unknown_name(f"version of {name}", version, facts["versions"]))
        return name, int(version), facts["versions"][version]["manifest_sha256"]

    def _local(self, root: Path, name: str, version: int, sha256: str) -> Artefact:
        folder = root / name / str(version)
        if not folder.is_dir():
            raise ZooError(
                f"{name} is published, but this installation does not carry it. "
                "Set ZOO_REGISTRY to a registry that does."
            )
        return Artefact.open(folder, manifest_sha256=sha256)

    def _checked_whole(self, artefact: Artefact) -> Artefact:
        for file in artefact.manifest["files"]:
            artefact.path(file)
        return artefact

    def _cache(self) -> Path:
        """Returns this registry's folder in the cache."""
        key = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        return paths.cache() / "models" / key

    def _fetch(self, source: str, folder: Path, manifest_sha256: str) -> None:
        """Copies the manifest at `source` and its files into `folder`, each checked."""
        content = self._read(f"{source}/{MANIFEST}")
        check_sha256(content, manifest_sha256, f"{self.url}/{source}/{MANIFEST}")
        files = parse_manifest(content, f"{source}/{MANIFEST}")["files"]
        (folder / MANIFEST).write_bytes(content)
        from tqdm import tqdm

        total = sum(facts["bytes"] for facts in files.values())
        with tqdm(total=total, unit="B", unit_scale=True, desc=source, disable=None) as progress:
            for file, facts in files.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                with (folder / file).open("wb") as copy:
                    for chunk in self._chunks(f"{source}/{file}"):
                        copy.write(chunk)
                        digest.update(chunk)
                        progress.update(len(chunk))
                require_sha256(digest.hexdigest(), facts["sha256"], f"{self.url}/{source}/{file}")

    def _read(self, file: str) -> bytes:
        return b"".join(self._chunks(file))

    def _chunks(self, file: str) -> Iterator[bytes]:
        """Yields the bytes of a file of the registry.

        Raises:
            ZooError: If it is not there, cannot be reached, or the URL's scheme is unknown.
        """
        location = f"{self.url}/{file}"
        try:
            with self._open(file) as stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk
        except FileNotFoundError as error:
            raise ZooError(f"There is no {location}.") from error
        except ImportError as error:
            raise ZooError(f"{self.url} needs a package: {_one_line(error)}") from error
        # Every backend of fsspec raises errors of its own library; all of them mean this.
        except Exception as error:
            raise ZooError(f"Cannot read {location}: {_one_line(error)}") from error

    def _open(self, file: str) -> contextlib.AbstractContextManager[Any]:
        if self._folder is not None:
            return (self._folder / file).open("rb")
        import fsspec

        return fsspec.open(f"{self.url}/{file}", "rb")


def resolve(name_or_folder: str | Path, *, registry: str | None = None) -> Artefact:
    """Returns the artefact of a name, `name@version`, or a folder.

    Raises:
        ZooError: If there is none.
    """
    text = str(name_or_folder)
    folder = Path(text).expanduser()
    if isinstance(name_or_folder, Path) or folder.name != text or text in (".", ".."):
        if not folder.is_dir():
            raise ZooError(f"There is no folder {folder}.")
        return Artefact.open(folder)
    registered = Registry(registry)
    if folder.is_dir() and text.partition("@")[0] not in registered.models():
        return Artefact.open(folder)
    return registered.find(text)


def parse_index(content: bytes, location: object) -> dict:
    """Returns an index after checking its format and that its names are names.

    Raises:
        ZooError: If it is no index, or of a newer format.
    """
    index = _parse(content, location)
    try:
        for name, facts in index["models"].items():
            versions = facts["versions"]
            well_formed = (
                _NAME.fullmatch(name)
                and str(facts["latest"]) in versions
                and all(re.fullmatch("[1-9][0-9]*", version) for version in versions)
                and isinstance(facts["summary"], str)
                and all(isinstance(x["manifest_sha256"], str) for x in versions.values())
            )
            if not well_formed:
                raise ZooError(
                    f"{location} is no index of a registry: the entry {name!r} is wrong."
                )
    except (KeyError, TypeError, AttributeError) as error:
        raise ZooError(f"{location} is no index of a registry.") from error
    return index


def parse_manifest(content: bytes, location: object) -> dict:
    """Returns a manifest after checking its format and that its files stay in their folder.

    Raises:
        ZooError: If it is no manifest, of a newer format, or names a path that climbs out.
    """
    manifest = _parse(content, location)
    try:
        if not _NAME.fullmatch(manifest["name"]) or not isinstance(manifest["version"], int):
            raise ZooError(f"{location} is no manifest: its name or version is wrong.")
        for file, facts in manifest["files"].items():
            _check_file_name(file, location)
            if not isinstance(facts["bytes"], int) or not isinstance(facts["sha256"], str):
                raise ZooError(f"{location} is no manifest: the facts of {file!r} are wrong.")
        manifest["family"], manifest["configuration"], manifest["signatures"]  # noqa: B018
    except (KeyError, TypeError, AttributeError) as error:
        raise ZooError(f"{location} is no manifest of a model.") from error
    return manifest


def check_sha256(content: bytes, expected: str, location: object) -> None:
    """Raises ZooError unless `expected` is the sha256 of `content`."""
    require_sha256(hashlib.sha256(content).hexdigest(), expected, location)


def require_sha256(actual: str, expected: str, location: object) -> None:
    """Raises ZooError unless `actual` is `expected`."""
    if actual != expected:
        raise ZooError(f"{location} is damaged: expected sha256 {expected}. Received: {actual}.")


def _parse(content: bytes, location: object) -> dict:
    try:
        parsed = json.loads(content)
        found = parsed["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ZooError(f"{location} is not a file of this zoo.") from error
    if not isinstance(found, int) or found > FORMAT:
        raise ZooError(
            f"{location} has format {found}; this zoo reads up to {FORMAT}. Upgrade attention-zoo."
        )
    return parsed


def _check_file_name(file: str, location: object) -> None:
    """Raises ZooError unless `file` stays inside its folder and is no manifest itself."""
    path = PurePosixPath(file)
    plain = re.fullmatch(r"[\w.-]+(/[\w.-]+)*", file) and ".." not in path.parts
    if not plain or "." in path.parts or file == MANIFEST:
        raise ZooError(f"{location} names the file {file!r}, which is not inside its folder.")


def _default_folder() -> Path:
    """Returns the registry used when none is named."""
    root = paths.checkout() or _installed_from()
    if root is not None and (root / "exports" / INDEX).is_file():
        return root / "exports"
    return paths.embedded() / "exports"


def _installed_from() -> Path | None:
    """Returns the checkout that `pip install .` was run in, as pip records it (PEP 610)."""
    try:
        record = importlib.metadata.distribution("attention-zoo").read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return None
    return _local_folder(json.loads(record)["url"]) if record else None


def _local_folder(url: str) -> Path | None:
    """Returns the folder that a path or a `file:` URL names, or None for another scheme."""
    if url.startswith("file:"):
        return Path(urllib.request.url2pathname(urllib.parse.urlparse(url).path))
    return None if "://" in url or "::" in url else Path(url).expanduser()


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
