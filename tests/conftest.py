"""Zoo as its users meet it: processes, registries in folders and on servers, a training."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cases import ROOT

from zoo.export.artefact import index_of, write_json
from zoo.registry import INDEX

NAME = "seq2seq_attention_dates"


@dataclass(frozen=True)
class Done:
    """A process that ended."""

    status: int
    stdout: str
    stderr: str
    left: list[Path]  # what it left in its working folder and its cache

    def refused(self, *words: str) -> None:
        """Asserts that it failed as users are promised: one line, with `words`, nothing left."""
        assert self.status == 1, (self.stdout, self.stderr)
        assert self.stdout == ""
        assert self.stderr.startswith("Error: ") and self.stderr.count("\n") == 1, self.stderr
        assert [word for word in words if word not in self.stderr] == [], self.stderr
        assert self.left == []


class Zoo:
    """Runs commands in an empty working folder, with a cache of their own."""

    def __init__(self, folder: Path):
        self.work = folder / "work"
        self.cache = folder / "cache"
        self.work.mkdir()

    def environment(self, registry: object = None) -> dict[str, str]:
        unset = ("ZOO_REGISTRY", "ZOO_DATA", "KERAS_BACKEND")
        environment = {name: value for name, value in os.environ.items() if name not in unset}
        environment["ZOO_CACHE"] = str(self.cache)
        if registry is not None:
            environment["ZOO_REGISTRY"] = str(registry)
        return environment

    def __call__(
        self, *arguments, registry: object = None, stdin: str | bytes = b"", program=("-m", "zoo")
    ) -> Done:
        """Runs `zoo` with `arguments`, or another `program` of Python's."""
        before = self._files()
        done = subprocess.run(
            [sys.executable, *program, *arguments],
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            cwd=self.work,
            env=self.environment(registry),
        )
        left = sorted(self._files() - before)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), left)

    def start(self, *arguments, registry: object = None, program=("-m", "zoo")):
        """Starts what `__call__` runs, and returns the process."""
        return subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.work,
            env=self.environment(registry),
        )

    def _files(self) -> set[Path]:
        return {path for folder in (self.work, self.cache) for path in folder.rglob("*")}


@pytest.fixture
def zoo(tmp_path):
    return Zoo(tmp_path)


@pytest.fixture
def registry(tmp_path):
    """Returns a registry's folder with one published model."""
    folder = tmp_path / "registry"
    shutil.copytree(ROOT / "exports" / NAME, folder / NAME)
    write_json(folder / INDEX, index_of(folder))
    return folder


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; `requests` of its server are the paths that were asked for."""

    def copyfile(self, source, outputfile):
        self.server.send(self.path, source.read(), outputfile)

    def log_message(self, *arguments):
        self.server.requests.append(self.path)


@dataclass
class Served:
    """A registry on a server of 127.0.0.1."""

    url: str
    requests: list[str]
    stop: object = field(repr=False)


@pytest.fixture
def serve():
    """Returns a function that serves a folder by HTTP.

    Its `send(path, content, stream)` writes a file's content; the default writes all of it.
    """
    stops = []

    def start(folder, send=lambda path, content, stream: stream.write(content)):
        server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), lambda *arguments: Files(*arguments, directory=folder)
        )
        server.daemon_threads = True
        server.send, server.requests = send, []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()

        def stop():
            server.shutdown()
            thread.join()
            server.server_close()

        stops.append(stop)
        return Served(f"http://127.0.0.1:{server.server_port}", server.requests, stop)

    yield start
    for stop in stops:
        stop()


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """Returns the folder of a training of four steps, by the train script."""
    folder = tmp_path_factory.mktemp("tiny") / "run"
    command = [sys.executable, "-m", "zoo.models.seq2seq.train", "--preset", "seq2seq_tiny"]
    subprocess.run(
        [*command, "--output", folder, "--set", "train.steps=4"], check=True, capture_output=True
    )
    return folder
