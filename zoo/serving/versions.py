"""Which versions of the served models there are: found in folders, loaded, and let go.

A new version is loaded beside the old one, which answers until the new one can, and after that
until what it has accepted is answered. One that cannot be loaded is told once and tried again when
its files have changed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo import paths, registry
from zoo.config import NAME
from zoo.errors import ZooError
from zoo.layout import MANIFEST
from zoo.registry import Artefact
from zoo.serving.pool import Pool
from zoo.serving.signatures import Signature
from zoo.serving.status import Code, Refusal, invalid
from zoo.serving.worker import Source

_LOG = logging.getLogger("zoo")


@dataclass(eq=False)
class Version:
    """A version of a model and its state, one of `State` of the API."""

    number: int
    source: Source
    state: str = "START"
    error: str = ""  # for the log; clients need not know of folders
    pool: Pool | None = None
    leases: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    files: tuple = ()  # what its folder held when it was last loaded

    @property
    def signatures(self) -> dict[str, Signature]:
        """Its signatures, by name."""
        return self.pool.loaded.signatures

    @contextlib.contextmanager
    def lease(self) -> Iterator["Version"]:
        """Holds the version while a request is on its way through it."""
        self.leases += 1
        self.idle.clear()
        try:
            yield self
        finally:
            self.leases -= 1
            if not self.leases:
                self.idle.set()

    def abort(self) -> None:
        """Ends its processes now, if it has any; what it accepted is refused."""
        if self.pool is not None:
            self.pool.abort()

    def signature(self, name: str, code: Code) -> Signature:
        """Returns a signature; where there is none, raises a refusal with `code`."""
        if name not in self.signatures:
            # REST and gRPC say it in different words too.
            shown = name[:80]
            if code is Code.INVALID_ARGUMENT:
                raise Refusal(code, f'Serving signature name: "{shown}" not found in signature def')
            raise Refusal(code, f'Serving signature key "{shown}" not found.')
        return self.signatures[name]


@dataclass(frozen=True)
class Found:
    """Where versions of a model lie.

    Args:
        name: Of the model, in requests.
        folders: Returns the folder of each version that there is now.
    """

    name: str
    folders: Callable[[], dict[int, Path]]


def find(name: str) -> Found:
    """Returns the model that a name or a folder means.

    Args:
        name: A published name, whose versions the registry says; `name@version`, that one alone; a
            folder of a version; or a folder with a folder for each version.

    Raises:
        ZooError: If there is none.
    """
    folder, found = paths.expanded(name), registry.Registry()
    if NAME.fullmatch(name) and found.has(name):
        found.find(name)  # so that files that cannot be fetched are told at once
        return Found(name, lambda: _published(found, name))
    if folder.is_dir() and not (folder / MANIFEST).is_file():
        return _of_base(folder)
    artefact = registry.resolve(name)
    return Found(artefact.name, lambda: {artefact.version: artefact.folder})


def _published(found: registry.Registry, name: str) -> dict[int, Path]:
    artefact = found.find(name)
    versions = {artefact.version: artefact.folder}
    # Earlier ones, which the registry's index vouches for too.
    for number in _numbers(artefact.folder.parent):
        if number < artefact.version:
            with contextlib.suppress(ZooError):
                versions[number] = found.find(f"{name}@{number}").folder
    return versions


def _of_base(base: Path) -> Found:
    versions = {number: base / str(number) for number in _numbers(base)}
    whole = [folder for folder in versions.values() if (folder / MANIFEST).is_file()]
    if not whole:
        raise ZooError(
            f"Expected a model in {base}, or versions of one: folders such as {base / '1'} with a "
            f"{MANIFEST}. There is none."
        )
    name = Artefact.open(whole[-1]).name

    def folders() -> dict[int, Path]:
        # Until its manifest is there, a folder is one that somebody is still writing.
        return {
            number: base / str(number)
            for number in _numbers(base)
            if (base / str(number) / MANIFEST).is_file()
        }

    return Found(name, folders)


def _numbers(base: Path) -> list[int]:
    """Returns the folders of `base` whose names are numbers, in order."""
    names = [path.name for path in base.iterdir() if path.is_dir()] if base.is_dir() else []
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


class Model:
    """A served model.

    Args:
        found: Where its versions lie.
        pool: Returns the pool of a version, not started.
        source: Returns what the workers of the version in a folder load.
        keep: How many of the newest versions to serve.
        labels: Names of versions; those versions are served too.
    """

    def __init__(
        self,
        found: Found,
        *,
        pool: Callable[[Source], Pool],
        source: Callable[[Path], Source],
        keep: int = 1,
        labels: Mapping[str, int] | None = None,
    ):
        self.name = found.name
        self.versions: dict[int, Version] = {}
        self.labels = dict(labels or {})
        self._found, self._pool, self._source, self._keep = found, pool, source, keep
        self._retiring: set[asyncio.Task] = set()

    async def refresh(self) -> list[str]:
        """Loads new versions and lets go of those that are not to be served any more.

        Returns:
            Why some of the new ones cannot be served, one line each.
        """
        folders = await asyncio.to_thread(self._found.folders)
        newest = sorted(folders)[-self._keep :]
        wanted = sorted({*newest, *self.labels.values()} & folders.keys())
        errors = []
        for number in wanted:
            version = await self._load(number, folders[number])
            if version is not None and version.error:
                errors.append(f"{self.name} version {number} cannot be served: {version.error}")
        # Never the last one that answers, whatever has become of the newer ones.
        if any(self.versions[number].state == "AVAILABLE" for number in newest):
            for version in list(self.versions.values()):
                if version.number not in wanted and version.state == "AVAILABLE":
                    self._retire(version)
        return errors

    async def _load(self, number: int, folder: Path) -> Version | None:
        """Returns the version in `folder` after loading it, or None where there is nothing new."""
        files = await asyncio.to_thread(_listing, folder)
        known = self.versions.get(number)
        if known is not None and (known.state != "END" or known.files == files):
            return None
        version = Version(number, self._source(folder), state="LOADING", files=files)
        self.versions[number] = version
        try:
            await asyncio.to_thread(self._require_own, folder)
            version.pool = self._pool(version.source)
            await asyncio.to_thread(version.pool.start)
        except (ZooError, OSError) as error:
            version.state, version.error = "END", str(error)
        else:
            version.state = "AVAILABLE"
            _LOG.info("%s version %d is served.", self.name, number)
        return version

    def _require_own(self, folder: Path) -> None:
        name = Artefact.open(folder).name
        if name != self.name:
            raise ZooError(f"Expected a version of {self.name} in {folder}. Received: {name}.")

    def _retire(self, version: Version) -> None:
        version.state = "UNLOADING"
        task = asyncio.create_task(self._end(version))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _end(self, version: Version) -> None:
        if version.leases:
            await version.idle.wait()
        await asyncio.to_thread(version.pool.close)
        version.pool, version.files = None, ()  # so that it may come back
        version.state = "END"
        _LOG.info("%s version %d is not served any more.", self.name, version.number)

    async def close(self) -> None:
        """Ends all versions once what they accepted is answered."""
        for version in list(self.versions.values()):
            if version.state == "AVAILABLE":
                self._retire(version)
            elif version.state == "LOADING":
                version.abort()
        await asyncio.gather(*self._retiring)

    def abort(self) -> None:
        """Ends the processes of all versions now; what they accepted is refused."""
        for version in self.versions.values():
            version.abort()

    def get(self, number: int | None = None, label: str | None = None) -> Version:
        """Returns the version to ask: the newest, one by its number, or one by its label.

        Raises:
            Refusal: If it does not answer.
        """
        if label is not None:
            if label not in self.labels:
                raise invalid(f"Unrecognized servable version label: {label[:80]}")
            number = self.labels[label]
        answering = [x for x in self.versions.values() if x.state == "AVAILABLE"]
        if number is not None:
            answering = [version for version in answering if version.number == number]
        if not answering:
            wanted = (
                f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
            )
            raise Refusal(Code.NOT_FOUND, f"Servable not found for request: {wanted}")
        return max(answering, key=lambda version: version.number)


def _listing(folder: Path) -> tuple:
    """Returns what changes when a file in `folder` does."""
    facts: Iterable = (
        (str(path), stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if (stat := path.stat())
    )
    return tuple(facts)
