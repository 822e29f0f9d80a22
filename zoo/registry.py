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
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo import paths
from zoo.config import unknown_name
from zoo.errors import ZooError, missing_extra
from zoo.layout import (
    INDEX,
    MANIFEST,
    check_sha256,
    parse_index,
    parse_manifest,
    require_sha256,
)

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
        content = _bytes_of(path)
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
        content = _bytes_of(path)
        check_sha256(content, self.manifest["files"][file]["sha256"], path)
        return content

    def path(self, file: str) -> Path:
        """Returns where a file lies, after checking it as `read` does."""
        self.read(file)
        return self.folder / file

    def manifest_sha256(self) -> str:
        """Returns what tells this model from every other, its files included."""
        return hashlib.sha256(_bytes_of(self.folder / MANIFEST)).hexdigest()

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
        self.url = url if url.endswith("://") else url.rstrip("/") or "/"
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

    def has(self, name: str) -> bool:
        """Returns True if it publishes `name`, without the network where the cache has it.

        Raises:
            ZooError: If the registry cannot be reached or its index is not one.
        """
        return self._cached(name) is not None or name in self.models()

    def find(self, name: str) -> Artefact:
        """Returns a model by `name` or `name@version`, without the network where the cache has it.

        Raises:
            ZooError: If there is no such model or version, or its files are not the index's.
        """
        if self._folder is not None:
            return self._opened(self._folder, *self._resolved(name, self._index()))
        return self._cached(name) or self.pull(name)

    def pull(self, name: str, *, to: Path | None = None) -> Artefact:
        """Returns a model after fetching it into the cache, or into `to`/NAME/VERSION.

        What the cache already holds whole is not fetched again. Processes may pull at once: each
        fetches into a folder of its own, and the first to be done puts its folder in place.

        Raises:
            ZooError: If there is no such model, it cannot be fetched or written, or a file is not
                the index's.
        """
        index = self._index()
        name, version, sha256 = self._resolved(name, index)
        if self._folder is not None:
            artefact = _checked_whole(self._opened(self._folder, name, version, sha256))
            if to is None:
                return artefact
        root = self._cache() if to is None else to
        target = root / name / str(version)
        if to is None and target.is_dir():
            try:
                _checked_whole(self._opened(root, name, version, sha256))
            except ZooError as error:
                raise ZooError(f"{error} Remove {target} and pull again.") from error
        else:
            with paths.new_folder(target) as partial:
                self._fetch(name, version, sha256, partial)
        if to is None:
            # Beside its model: another's pull must not make this one's latest version a newer one.
            with paths.new_file(root / name / INDEX) as path:
                path.write_text(json.dumps(index), encoding="utf-8")
        return self._opened(root, name, version, sha256)

    def _index(self) -> dict:
        location = f"{self.url}/{INDEX}"
        return parse_index(self._read(INDEX), location)

    def _resolved(self, name: str, index: dict) -> tuple[str, int, str]:
        """Returns the name, the version and the manifest's sha256 of `name` or `name@version`."""
        name, at, version = name.partition("@")
        if name not in index["models"]:
            raise ZooError(f"{unknown_name('model', name, index['models'])} Registry: {self.url}.")
        facts = index["models"][name]
        version = version if at else str(facts["latest"])
        if version not in facts["versions"]:
            raise ZooError(unknown_name(f"version of {name}", version, facts["versions"]))
        return name, int(version), facts["versions"][version]["manifest_sha256"]

    def _opened(self, root: Path, name: str, version: int, sha256: str) -> Artefact:
        folder = root / name / str(version)
        if not folder.is_dir():
            raise ZooError(
                f"{name} is published, but {self.url} does not carry version {version}. "
                "Set ZOO_REGISTRY to a registry that does."
            )
        artefact = Artefact.open(folder, manifest_sha256=sha256)
        _require_identity(artefact.manifest, name, version, folder)
        return artefact

    def _cached(self, name: str) -> Artefact | None:
        """Returns the model that the cache holds for `name` or `name@version`, or None."""
        if self._folder is not None:
            return None
        path = self._cache() / name.partition("@")[0] / INDEX
        try:
            found = self._resolved(name, parse_index(path.read_bytes(), path))
        except (OSError, ValueError):  # never pulled, or a version that is newer than the pull
            return None
        name, version, sha256 = found
        folder = self._cache() / name / str(version)
        return self._opened(self._cache(), name, version, sha256) if folder.is_dir() else None

    def _cache(self) -> Path:
        """Returns this registry's folder in the cache."""
        key = hashlib.sha256(self.url.encode()).hexdigest()[:16]
        return paths.cache() / "models" / key

    def _fetch(self, name: str, version: int, manifest_sha256: str, folder: Path) -> None:
        """Copies a version's manifest and its files into `folder`, each checked."""
        source = f"{name}/{version}"
        location = f"{self.url}/{source}/{MANIFEST}"
        content = self._read(f"{source}/{MANIFEST}")
        check_sha256(content, manifest_sha256, location)
        manifest = parse_manifest(content, location)
        _require_identity(manifest, name, version, location)
        (folder / MANIFEST).write_bytes(content)
        from tqdm import tqdm

        files = manifest["files"]
        total = sum(facts["bytes"] for facts in files.values())
        with tqdm(total=total, unit="B", unit_scale=True, desc=source, disable=None) as progress:
            for file, facts in files.items():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                digest = hashlib.sha256()
                left = facts["bytes"]
                with (folder / file).open("wb") as copy:
                    for chunk in self._chunks(f"{source}/{file}"):
                        left -= len(chunk)
                        if left < 0:  # before it fills the disk
                            break
                        copy.write(chunk)
                        digest.update(chunk)
                        progress.update(len(chunk))
                location = f"{self.url}/{source}/{file}"
                if left:
                    raise ZooError(
                        f"{location} is damaged: expected {facts['bytes']} bytes. "
                        f"Received: {'more' if left < 0 else facts['bytes'] - left}."
                    )
                require_sha256(digest.hexdigest(), facts["sha256"], location)

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
            # fsspec (2026.9) says so too of a server that cannot be reached or refuses.
            cause = error.__cause__
            if cause is None or getattr(cause, "status", None) == 404:
                raise ZooError(f"There is no {location}.") from error
            raise ZooError(f"Cannot read {location}: {_one_line(cause)}") from error
        except ImportError as error:
            if self._is_http:
                raise missing_extra("aiohttp", extra="http", purpose=self.url) from error
            raise ZooError(f"{self.url} needs a package: {_one_line(error)}") from error
        # Every backend of fsspec raises errors of its own library; all of them mean this.
        except Exception as error:
            raise ZooError(f"Cannot read {location}: {_one_line(error)}") from error

    def _open(self, file: str) -> contextlib.AbstractContextManager[Any]:
        if self._folder is not None:
            return (self._folder / file).open("rb")
        import fsspec

        options = {}
        if self._is_http:
            import aiohttp

            # One stream: block by block, fsspec asks for ranges, which not every server knows. And
            # however long it takes while bytes come: aiohttp would give up after five minutes.
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
            options = {"block_size": 0, "client_kwargs": {"timeout": timeout}}
        return fsspec.open(f"{self.url}/{file}", "rb", **options)

    @property
    def _is_http(self) -> bool:
        return self.url.startswith(("http://", "https://"))


def resolve(name_or_folder: str | Path, *, registry: str | None = None) -> Artefact:
    """Returns the artefact of a name, `name@version`, or a folder.

    Of a folder of versions, as `pull --to` and `export` write them, it is the newest.

    Raises:
        ZooError: If there is none.
    """
    text = str(name_or_folder)
    folder = paths.expanded(text)
    could_be_name = isinstance(name_or_folder, str) and text in ("", folder.name) and text != ".."
    if not could_be_name:
        if not os.path.isdir(folder):  # unlike Path.is_dir, of any string
            raise ZooError(f"There is no folder {folder}.")
        return Artefact.open(_newest_in(folder))
    registered = Registry(registry)
    if os.path.isdir(text) and not registered.has(text.partition("@")[0]):
        return Artefact.open(_newest_in(folder))
    return registered.find(text)


def _newest_in(folder: Path) -> Path:
    """Returns the folder of the newest version in `folder`, or `folder` if it has none."""
    if (folder / MANIFEST).is_file():
        return folder
    versions = [
        x
        for x in folder.iterdir()
        if x.name.isascii() and x.name.isdecimal() and (x / MANIFEST).is_file()
    ]
    return max(versions, key=lambda version: int(version.name), default=folder)


def _require_identity(manifest: dict, name: str, version: int, location: object) -> None:
    if (manifest["name"], manifest["version"]) != (name, version):
        raise ZooError(
            f"Expected {name} version {version} at {location}. "
            f"Received: {manifest['name']} version {manifest['version']}."
        )


def _checked_whole(artefact: Artefact) -> Artefact:
    for file in artefact.manifest["files"]:
        artefact.read(file)
    return artefact


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ZooError(f"Cannot read {path}: {error.strerror}.") from error


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
    return None if "://" in url or "::" in url else paths.expanded(url)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
