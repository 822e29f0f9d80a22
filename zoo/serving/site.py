"""The page to try the models, as an ASGI application: its files and what it needs to know.

It asks the models by the same API as everyone; what is here is read-only and lies outside `/v1/`.
Nothing of it comes from another host, which the Content-Security-Policy holds browsers to.
"""

import asyncio
import base64
import functools
import hashlib
import re
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson

from zoo.registry import Artefact
from zoo.serving import rest_json
from zoo.serving.browser_runtime import install_command, read_browser_runtime
from zoo.serving.model_facts import BROWSER_FILES, facts_of, summary_of
from zoo.serving.server import Server
from zoo.serving.status import Refusal
from zoo.serving.versions import Version

_FOLDER = Path(__file__).parent / "page"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}
_FACTS = re.compile(r"/page/models/([a-z0-9_]+)\.json")
_FILE = re.compile(rf"/page/models/([a-z0-9_]+)/([0-9]{{1,18}})/({'|'.join(BROWSER_FILES)})")
_CHUNK = 1 << 17  # bytes that are handed on before the client has taken some


@dataclass(frozen=True)
class _File:
    content: bytes
    content_type: str
    etag: str

    @classmethod
    def of(cls, content: bytes, content_type: str) -> "_File":
        return cls(content, content_type, f'"{hashlib.sha256(content).hexdigest()}"')


class Site:
    """Answers `/` and `/page/...` for people with a browser.

    Args:
        server: What is served.
        browser_runtime: Folder with LiteRT for browsers, so that the page can run a model itself.

    Raises:
        ZooError: If files of the browser's runtime are missing or wrong.
    """

    def __init__(self, server: Server, *, browser_runtime: Path | None = None):
        self._server = server
        self._runs_in_browser = browser_runtime is not None
        self._files = {
            f"/page/{path.name}": _File.of(path.read_bytes(), _TYPES[path.suffix])
            for path in sorted(_FOLDER.iterdir())
            if path.suffix in _TYPES
        }
        self._files["/"] = page = self._files.pop("/page/index.html")
        if browser_runtime is not None:
            for name, content in read_browser_runtime(browser_runtime).items():
                file = _File.of(content, _TYPES[Path(name).suffix])
                self._files[f"/page/runtime/{name}"] = file
        self._headers = _headers(page.content.decode(), runs_in_browser=self._runs_in_browser)
        self._facts: weakref.WeakKeyDictionary[Version, _File] = weakref.WeakKeyDictionary()

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answers one request; see ASGI."""
        found, status = await self._find(scope["path"]), 200
        if found is None:
            found, status = _error("Not found."), 404
        elif scope["method"] not in ("GET", "HEAD"):
            found, status = _error("Expected GET or HEAD."), 405
        headers = {
            **self._headers,
            "content-type": found.content_type,
            # Kept, but asked about before each use: a server may be started anew at any time.
            "cache-control": "no-cache",
            "etag": found.etag,
        }
        if status == 405:
            headers["allow"] = "GET, HEAD"
        content = found.content
        if status == 200 and _knows(scope, found.etag):
            status, content = 304, b""
        else:
            headers["content-length"] = str(len(content))
        if scope["method"] == "HEAD":
            content = b""
        listed = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": listed})
        view = memoryview(content)
        for start in range(0, len(content), _CHUNK):
            chunk = bytes(view[start : start + _CHUNK])
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _find(self, path: str) -> _File | None:
        if path in self._files:
            return self._files[path]
        if path == "/page/models.json":
            return await asyncio.to_thread(self._list)
        if found := _FACTS.fullmatch(path):
            version = self._version(found[1])
            return version and await asyncio.to_thread(self._facts_of, version)
        if found := _FILE.fullmatch(path):
            version = self._version(found[1], int(found[2]))
            return version and await asyncio.to_thread(_model_file, version.source.folder, found[3])
        return None

    def _version(self, name: str, number: int | None = None) -> Version | None:
        try:
            return self._server.model(name).get(number)
        except Refusal:
            return None

    def _list(self) -> _File:
        answering = [version for name in self._server.models if (version := self._version(name))]
        body = {
            "models": [summary_of(Artefact.open(version.source.folder)) for version in answering],
            "runs_in_browser": self._runs_in_browser,
            "install_command": install_command("DIR"),
        }
        return _File.of(orjson.dumps(body), "application/json")

    def _facts_of(self, version: Version) -> _File:
        if version not in self._facts:
            facts = facts_of(
                Artefact.open(version.source.folder),
                runtime=version.source.runtime,
                beam_size=version.source.beam_size,
            )
            self._facts[version] = _File.of(orjson.dumps(facts), "application/json")
        return self._facts[version]


@functools.lru_cache(maxsize=16)
def _model_file(folder: Path, name: str) -> _File | None:
    artefact = Artefact.open(folder)
    if not artefact.holds(name):
        return None
    return _File.of(artefact.read(name), "application/octet-stream")


def _error(message: str) -> _File:
    return _File.of(rest_json.error(message), "application/json")


def _knows(scope: dict, etag: str) -> bool:
    """True if the client says that it has what the tag stands for."""
    asked = dict(scope["headers"]).get(b"if-none-match", b"").decode("latin-1")
    return etag in (tag.strip().removeprefix("W/") for tag in asked.split(","))


def _headers(page: str, *, runs_in_browser: bool) -> dict[str, str]:
    """Returns the headers of every answer.

    The page's own files are all that a browser may load; its one inline script is the map of
    modules, which no browser takes from a file. LiteRT in the browser is WebAssembly and has one
    thread, so that no COOP or COEP is needed.
    """
    [module_map] = re.findall(r'<script type="importmap">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(module_map.encode()).digest()).decode()
    scripts = f"'self' 'sha256-{digest}'" + (" 'wasm-unsafe-eval'" if runs_in_browser else "")
    policy = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        # No string becomes HTML or script, whatever a module forgets.
        "require-trusted-types-for": "'script'",
        "trusted-types": "default",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
