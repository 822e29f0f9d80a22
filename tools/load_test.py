"""Measures `zoo serve` under load, by many clients of this machine at once.

    pip install -e '.[serve]'               # and train, for the runtime saved_model
    python tools/load_test.py [--model NAME] [--seconds 20] [--minutes 10] [--protocol rest]

For each runtime a server is started on 127.0.0.1, and 1, 8, 64 and 256 clients ask it for so many
seconds, each one text a request, the next as soon as it has the answer. An answer is wrong if its
text is not what `zoo run` gives. Then 64 clients ask for so many minutes, and the memory of all
processes of the server is read at the start and at the end; a server with room for 32 rows is asked
by 256 clients, which it must refuse in part and answer otherwise; one that takes a row a call by 64
clients, to see what batching gains; and one whose processes are killed and whose model is replaced
by a new version, again and again, by 64 clients, who must not notice.

Clients and server share the cores, so the figures are those of both. Prints a table in Markdown.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from zoo import models, registry
from zoo.layout import MANIFEST
from zoo.runtime.load import sample_inputs

CLIENTS = (1, 8, 64, 256)
COLUMNS = (
    "runtime", "server", "clients", "seconds", "requests/s", "p50 ms", "p99 ms", "refused",
    "errors", "wrong", "memory MB",
)  # fmt: skip
WARM_UP_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="seq2seq_attention_dates")
    parser.add_argument("--runtimes", nargs="+", default=["litert", "saved_model"])
    parser.add_argument("--clients", nargs="+", type=int, default=list(CLIENTS))
    parser.add_argument("--seconds", type=float, default=20, help="Of each number of clients.")
    parser.add_argument("--minutes", type=float, default=10, help="Of the part about memory.")
    parser.add_argument("--protocol", choices=["rest", "grpc"], default="rest")
    arguments = parser.parse_args()
    kind = {"rest": Rest, "grpc": Grpc}[arguments.protocol]
    artefact = registry.resolve(arguments.model)
    texts = sample_inputs(models.trained_preset(artefact.manifest))
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + " --- |" * len(COLUMNS), flush=True)
    for runtime in arguments.runtimes:
        expected = answers(arguments.model, runtime, texts)

        parts = [
            ("", arguments.clients, arguments.seconds, ()),
            ("a row a call", [64], arguments.seconds, ("--max-batch", "1")),
            ("room for 32 rows", [256], arguments.seconds, ("--max-waiting", "32")),
            ("", [64], 60 * arguments.minutes, ()),
        ]
        for said, counts, seconds, options in parts:
            if not seconds:
                continue
            with Server(arguments.model, runtime, options) as server:
                asyncio.run(load(server, kind, expected, counts[0], WARM_UP_SECONDS))
                for count in counts:
                    before = server.memory()
                    found = asyncio.run(load(server, kind, expected, count, seconds))
                    print(row(runtime, said, count, found, before, server.memory()), flush=True)
        with (
            tempfile.TemporaryDirectory() as folder,
            Server(artefact.name, runtime, ("--poll", "0.5"), Base(artefact, folder)) as server,
        ):
            before = server.memory()
            found, changes = asyncio.run(load_and_change(server, kind, expected, arguments.seconds))
            said = f"{changes} times a process killed, then a new version"
            print(row(runtime, said, 64, found, before, server.memory()), flush=True)


def answers(model: str, runtime: str, texts: list[str]) -> dict[str, str]:
    """Returns what the model writes for each text, without a server."""
    command = [sys.executable, "-m", "zoo", "run", model, "--runtime", runtime]
    found = subprocess.run(
        command, input="\n".join(texts), capture_output=True, text=True, check=True
    )
    return dict(zip(texts, found.stdout.splitlines(), strict=True))


class Base:
    """A folder with a folder for each version of a model, all of them the same but for the number.

    Args:
        artefact: The model.
        folder: Where it is made.
    """

    def __init__(self, artefact: registry.Artefact, folder: str):
        self.folder = Path(folder) / artefact.name
        self.newest = 1
        self._manifest = artefact.manifest
        self._add(artefact.folder)

    def add(self) -> None:
        """Adds a version."""
        self.newest += 1
        self._add(self.folder / "1")

    def _add(self, source: Path) -> None:
        partial = self.folder / "partial"
        shutil.copytree(source, partial)
        manifest = json.dumps({**self._manifest, "version": self.newest})
        (partial / MANIFEST).write_text(manifest, "utf-8")
        partial.rename(self.folder / str(self.newest))


class Server:
    """`zoo serve` on free ports of 127.0.0.1.

    Args:
        model: Its name.
        runtime: That runs it.
        options: Of the command.
        base: Where its versions lie; None serves the published one.
    """

    def __init__(
        self, model: str, runtime: str, options: tuple[str, ...], base: Base | None = None
    ):
        self.model, self.base = model, base
        served = model if base is None else str(base.folder)
        command = [sys.executable, "-m", "zoo", "serve", served, "--runtime", runtime, *options]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--grpc-port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = next((x for x in self._process.stdout if x.startswith("Serving ")), None)
        if line is None:
            raise SystemExit(f"zoo serve {model} --runtime {runtime} did not start.")
        self.port = int(re.search(r"http://127\.0\.0\.1:([0-9]+)", line)[1])
        self.grpc_port = int(re.search(r"gRPC on 127\.0\.0\.1:([0-9]+)", line)[1])

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    def memory(self) -> float:
        """Returns the MB of all its processes, shared pages divided among those that share them."""
        kilobytes = 0
        for process in self._processes():
            with contextlib.suppress(OSError):  # it ended in the meantime
                found = (Path("/proc") / str(process) / "smaps_rollup").read_text()
                kilobytes += int(re.search(r"^Pss: +([0-9]+)", found, re.M)[1])
        return kilobytes / 1000

    def _processes(self) -> list[int]:
        """Returns the ids of its processes, those of the models last."""
        found = [self._process.pid]
        for process in found:  # grows
            with contextlib.suppress(OSError):
                for task in (Path("/proc") / str(process) / "task").iterdir():
                    found += map(int, (task / "children").read_text().split())
        return found

    def kill_a_process(self) -> None:
        """Kills one that runs the model."""
        os.kill(self._processes()[-1], signal.SIGKILL)

    def replace(self) -> None:
        """Adds a version and returns when it alone is served."""
        self.base.add()
        while True:
            time.sleep(0.1)
            url = f"http://127.0.0.1:{self.port}/v1/models/{self.model}"
            with urllib.request.urlopen(url, timeout=60) as answer:
                found = json.load(answer)["model_version_status"]
            serving = [x["version"] for x in found if x["state"] != "END"]
            if serving == [str(self.base.newest)]:
                return


@dataclass
class Found:
    """What the clients met."""

    milliseconds: list[float] = field(default_factory=list)
    refused: int = 0  # told to come again later
    errors: Counter = field(default_factory=Counter)
    wrong: int = 0
    seconds: float = 0.0  # until the last one had its answer

    def add(self, begun: float, code: str, text: str | None, expected: str) -> None:
        """Counts an answer to what was asked at `begun`."""
        if code == "RESOURCE_EXHAUSTED":
            self.refused += 1
        elif code != "OK":
            self.errors[code] += 1
        elif text != expected:
            self.wrong += 1
        else:
            self.milliseconds.append(1000 * (time.perf_counter() - begun))


class Rest:
    """A client by REST, with a connection of its own.

    It reads and writes bytes by itself: a library for HTTP takes more of the cores than the server.
    """

    _CODES = {200: "OK", 429: "RESOURCE_EXHAUSTED"}

    def __init__(self, server: Server):
        self._server = server

    async def open(self) -> None:
        """Connects."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._server.port)

    async def __call__(self, text: str) -> tuple[str, str | None]:
        """Returns the code of the answer to `text`, and the text in it."""
        body = json.dumps({"instances": [text]}).encode()
        path = f"/v1/models/{self._server.model}:predict"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answered = await self._reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: ([0-9]+)", answered)[1])
        content = await self._reader.readexactly(length)
        status = int(answered[9:12])
        if status != 200:
            return self._CODES.get(status, str(status)), None
        return "OK", json.loads(content)["predictions"][0]["text"]

    async def close(self) -> None:
        """Disconnects."""
        self._writer.close()


class Grpc:
    """A client by gRPC, with a channel of its own."""

    def __init__(self, server: Server):
        import grpc

        from zoo.serving import protos

        self._protos, self._error = protos, grpc.aio.AioRpcError
        self._channel = grpc.aio.insecure_channel(
            f"127.0.0.1:{server.grpc_port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )
        self._predict = self._channel.unary_unary(
            f"/{protos.PREDICTION_SERVICE}/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=protos.PredictResponse.FromString,
        )
        self._model = server.model

    async def open(self) -> None:
        """Connects."""
        await self._channel.channel_ready()

    async def __call__(self, text: str) -> tuple[str, str | None]:
        """Returns the code of the answer to `text`, and the text in it."""
        request = self._protos.PredictRequest()
        request.model_spec.name = self._model
        tensor = request.inputs["text"]
        tensor.dtype = 7  # DT_STRING
        tensor.tensor_shape.dim.add(size=1)
        tensor.string_val.append(text.encode())
        try:
            answer = await self._predict(request, timeout=60)
        except self._error as error:
            return error.code().name, None
        return "OK", answer.outputs["text"].string_val[0].decode()

    async def close(self) -> None:
        """Disconnects."""
        await self._channel.close()


async def load(
    server: Server,
    kind: Callable[[Server], Rest | Grpc],
    expected: dict[str, str],
    clients: int,
    seconds: float,
) -> Found:
    """Returns what so many clients meet in so many seconds."""
    found = Found()
    asked = itertools.cycle(expected)
    begun_at = time.perf_counter()
    until = begun_at + seconds

    async def run() -> None:
        client = kind(server)
        await client.open()
        while (begun := time.perf_counter()) < until:
            text = next(asked)
            try:
                code, answer = await client(text)
            except (OSError, EOFError, asyncio.IncompleteReadError) as error:
                found.errors[type(error).__name__] += 1
                client = kind(server)
                await client.open()
                continue
            found.add(begun, code, answer, expected[text])
        await client.close()

    await asyncio.gather(*(run() for _ in range(clients)))
    found.seconds = time.perf_counter() - begun_at
    return found


async def load_and_change(
    server: Server,
    kind: Callable[[Server], Rest | Grpc],
    expected: dict[str, str],
    seconds: float,
) -> tuple[Found, int]:
    """Returns what 64 clients meet while processes die and versions go, and how many of each."""
    changes = 0
    asking = asyncio.create_task(load(server, kind, expected, 64, seconds))
    while not asking.done():
        await asyncio.sleep(1)
        server.kill_a_process()
        await asyncio.sleep(1)
        await asyncio.to_thread(server.replace)
        changes += 1
    return await asking, changes


def row(runtime: str, said: str, clients: int, found: Found, before: float, after: float) -> str:
    """Returns a line of the table."""
    times = sorted(found.milliseconds) or [float("nan")]
    values = (
        runtime, said, clients, f"{found.seconds:.0f}",
        f"{len(found.milliseconds) / found.seconds:,.0f}",
        f"{statistics.median(times):.1f}", f"{times[int(0.99 * (len(times) - 1))]:.1f}",
        found.refused, dict(found.errors) or 0, found.wrong, f"{before:.0f} to {after:.0f}",
    )  # fmt: skip
    return " ".join(["|", " | ".join(map(str, values)), "|"])


if __name__ == "__main__":
    main()
