"""`zoo serve` as its clients meet it: a process, sockets, and TensorFlow Serving's own stubs."""

import contextlib
import http.client
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from cases import ROOT
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from zoo.export.artefact import index_of, write_json
from zoo.export.saved_model import export_saved_model
from zoo.layout import INDEX
from zoo.registry import Registry

NAME = "seq2seq_attention_dates"
MACHINE = "neural_turing_machine_copy"
READY_SECONDS = 120  # on a machine that is busy with other things


@dataclass
class Answer:
    """What a server answered by REST."""

    status: int
    body: object
    headers: dict = field(repr=False, default_factory=dict)

    @property
    def error(self) -> str:
        assert set(self.body) == {"error"}, self.body
        return self.body["error"]


class Served:
    """A process of `zoo serve`."""

    def __init__(self, arguments, *, registry=None, environment=None):
        given = {**os.environ, **(environment or {})}
        for name in ("ZOO_REGISTRY", "ZOO_BROWSER_RUNTIME"):
            given.pop(name, None)
        if registry is not None:
            given["ZOO_REGISTRY"] = str(registry)
        command = [sys.executable, "-m", "zoo", "serve", *map(str, arguments)]
        command += ["--port", "0", "--grpc-port", "0"]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=given,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.wait_for("Serving ")
        self.port = int(re.search(r"http://127\.0\.0\.1:([0-9]+)", line)[1])
        self.grpc_port = int(re.search(r"gRPC on 127\.0\.0\.1:([0-9]+)", line)[1])
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{self.grpc_port}", options=[("grpc.max_send_message_length", -1)]
        )
        self.predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def _read(self) -> None:
        for line in self.process.stdout:
            self.said.append(line.rstrip("\n"))
            self._lines.put(line.rstrip("\n"))
        self._lines.put(None)

    def wait_for(self, text: str) -> str:
        """Returns the next line with `text` in it."""
        while (line := self._lines.get(timeout=READY_SECONDS)) is not None:
            if text in line:
                return line
        raise AssertionError(f"{self.said} without {text!r}")

    def rest(self, method: str, path: str, body=None, headers=None) -> Answer:
        """Returns the answer to one request; a `body` that is no bytes is sent as JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=READY_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, content, headers or {})
            response = connection.getresponse()
            found = response.read()
            is_json = response.headers["content-type"] == "application/json"
            return Answer(
                response.status, json.loads(found) if is_json else found, dict(response.headers)
            )

    def predict(self, body, name: str = NAME) -> Answer:
        return self.rest("POST", f"/v1/models/{name}:predict", body)

    def workers(self) -> list[int]:
        """Returns the processes that run models."""
        found = subprocess.run(
            ["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 2) for line in found.splitlines()]
        servers = [int(pid) for pid, parent, _ in rows if int(parent) == self.process.pid]
        return [
            int(pid) for pid, parent, command in rows
            if int(parent) in servers and "forkserver" in command
        ]  # fmt: skip

    def stop(self) -> int:
        """Tells it to end and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(READY_SECONDS)
        self.channel.close()
        self._reader.join(READY_SECONDS)
        self.process.stdout.close()
        return status


@pytest.fixture(scope="session")
def start_serving():
    """Returns a function that starts `zoo serve`; what it started is stopped at the end."""
    started = []

    def start(*arguments, **options) -> Served:
        started.append(Served(arguments, **options))
        return started[-1]

    yield start
    for served in started:
        served.stop()


@pytest.fixture(scope="session")
def served(start_serving):
    """Returns a server of a model of texts and one of vectors, on LiteRT."""
    return start_serving(NAME, MACHINE, "--label", f"{NAME}:stable=1", "--max-body", "16")


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """Returns the base path of the SavedModel of the model of texts."""
    base = tmp_path_factory.mktemp("saved_model") / NAME
    export_saved_model(Registry(str(ROOT / "exports")).find(NAME), base / "1")
    return base


@pytest.fixture
def base(tmp_path) -> Path:
    """Returns a base path with version 1 of the model of texts."""
    folder = tmp_path / NAME
    shutil.copytree(ROOT / "exports" / NAME / "1", folder / "1")
    return folder


def add_version(base: Path, number: int, *, damaged: bool = False) -> None:
    """Adds a copy of version 1 to a base path, or one with a wrong byte."""
    partial = base / f"partial-{number}"
    shutil.copytree(base / "1", partial)
    manifest = json.loads((partial / "manifest.json").read_bytes())
    manifest["version"] = number
    (partial / "manifest.json").write_text(json.dumps(manifest))
    if damaged:
        content = bytearray((partial / "model.tflite").read_bytes())
        content[len(content) // 2] ^= 1
        (partial / "model.tflite").write_bytes(content)
    partial.rename(base / str(number))


def publish(registry: Path) -> None:
    """Writes the index of a registry anew."""
    write_json(registry / INDEX, index_of(registry))
