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
from cases import ROOT, published

from zoo import models
from zoo.export.artefact import index_of, write_json
from zoo.layout import INDEX
from zoo.registry import Artefact

NAME = "seq2seq_attention_dates"


def pytest_configure(config):
    """Gives each of several workers one thread: more would only wait for each other."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(name, "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keeps what shares a training or an export on one worker: a model's tests, or a module's."""
    for item in items:
        if {"source_of", "trained"} & set(item.fixturenames):
            name = item.callspec.params.get("name") if hasattr(item, "callspec") else None
            group = name or "seq2seq_test"
        elif "tiny_run" in item.fixturenames:
            group = "tiny_run"
        else:
            group = item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


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

    def command(self, *arguments, program=("-m", "zoo")) -> list:
        return [sys.executable, *program, *arguments]

    def __call__(
        self, *arguments, registry: object = None, stdin: str | bytes = b"", program=("-m", "zoo")
    ) -> Done:
        """Runs `zoo` with `arguments`, or another `program` of Python's."""
        before = self.files()
        done = subprocess.run(
            self.command(*arguments, program=program),
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            cwd=self.work,
            env=self.environment(registry),
        )
        left = sorted(self.files() - before)
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), left)

    def start(self, *arguments, registry: object = None, program=("-m", "zoo"), **options):
        """Starts what `__call__` runs, and returns the process."""
        return subprocess.Popen(
            self.command(*arguments, program=program),
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
            cwd=self.work,
            env=self.environment(registry),
        )

    def files(self) -> set[Path]:
        files = {path for folder in (self.work, self.cache) for path in folder.rglob("*")}
        made = self.cache / "datasets"  # a data set that a recipe made is no remainder
        return {path for path in files if made not in (path, *path.parents)} - {self.cache}


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
    """Serves a folder as its server says."""

    def send_head(self):
        if self.server.failing:
            return self.send_error(500)
        return super().send_head()

    def send_header(self, name, value):
        if name != "Content-Length" or self.server.lengths:
            super().send_header(name, value)

    def copyfile(self, source, outputfile):
        self.server.send(self.path, source.read(), outputfile)

    def log_message(self, *arguments):
        self.server.requests.append(self.path)


class Server(http.server.ThreadingHTTPServer):
    """Of one folder; handlers take from it how to serve, and `requests` are the paths asked for."""

    daemon_threads = True

    def __init__(self, folder, *, send, lengths, failing):
        super().__init__(("127.0.0.1", 0), lambda *arguments: Files(*arguments, directory=folder))
        self.send, self.lengths, self.failing, self.requests = send, lengths, failing, []

    def handle_error(self, request, client_address):
        """A client that goes away is no error here."""


@dataclass
class Served:
    """A registry on a server of 127.0.0.1."""

    url: str
    requests: list[str]
    stop: object = field(repr=False)


@pytest.fixture
def serve():
    """Returns a function that serves a folder by HTTP.

    Args:
        send: `send(path, content, stream)` writes a file's content; None writes all of it.
        lengths: Tell the length of a file before it.
        failing: Answer every request with status 500.
    """
    stops = []

    def start(folder, send=None, *, lengths=True, failing=False):
        send = send or (lambda path, content, stream: stream.write(content))
        server = Server(folder, send=send, lengths=lengths, failing=failing)
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
    command = [sys.executable, "-m", "zoo.models.seq2seq.train", "--preset", "seq2seq_test"]
    subprocess.run(
        [*command, "--output", folder, "--set", "train.steps=4"], check=True, capture_output=True
    )
    return folder


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Returns a function from a tiny preset to its finished training, by the train script."""
    done = {}

    def train(name):
        if name not in done:
            folder = tmp_path_factory.mktemp("runs") / name
            module = f"zoo.models.{models.preset(name).family}.train"
            command = [sys.executable, "-m", module, "--preset", name]
            command += ["--output", folder, "--set", "train.epochs=8"]
            subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
            done[name] = Artefact.open(folder)
        return done[name]

    return train


@pytest.fixture(scope="session")
def source_of(trained):
    """Returns a function from a preset, tiny or published, to its trained model."""
    return lambda name: trained(name) if models.preset(name).for_tests else published(name)


@pytest.fixture(scope="session")
def exported(source_of, tmp_path_factory):
    """Returns a function from a preset and a format's options to the exported folder."""
    done = {}

    def export(name, format, **options):
        key = (name, format, *sorted(options.items()))
        if key not in done:
            # Imported where they are used: they bring TensorFlow.
            from zoo.export.litert import export_litert
            from zoo.export.saved_model import export_saved_model

            exporter = {"litert": export_litert, "saved_model": export_saved_model}[format]
            target = tmp_path_factory.mktemp("exports") / name / "1"
            done[key] = exporter(source_of(name), target, **options)
        return done[key]

    return export
