"""Serves models until it is told to stop."""

import asyncio
import contextlib
import dataclasses
import logging
import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from zoo.errors import ZooError
from zoo.runtime.litert_engine import available_cores
from zoo.serving import versions
from zoo.serving.grpc_api import GrpcServer
from zoo.serving.http_server import HttpServer, listening
from zoo.serving.pool import Batching
from zoo.serving.rest import Rest
from zoo.serving.server import Limits, Server
from zoo.serving.site import Site

_ABORTED = 0.9  # of the seconds that a stop may take, after which processes are ended


@dataclass(frozen=True)
class Settings:
    """How to serve; see `zoo serve --help`."""

    runtime: str = "litert"
    host: str = "127.0.0.1"
    port: int = 8501
    grpc_port: int = 8500
    beam_size: int = 1
    workers: int | None = None  # processes a model; None shares the cores among the models
    keep: int = 1
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    batching: Batching = Batching()
    limits: Limits = Limits()
    poll_seconds: float = 2.0
    grace_seconds: float = 30.0
    browser_runtime: Path | None = None  # folder of LiteRT for browsers


def parse_labels(texts: Sequence[str]) -> dict[str, dict[str, int]]:
    """Returns the numbers of versions by label, by model, of `NAME:LABEL=VERSION`.

    Raises:
        ZooError: If a text has another form.
    """
    labels: dict[str, dict[str, int]] = {}
    for text in texts:
        found = re.fullmatch(r"([a-z0-9_]+):([^/:=]+)=([1-9][0-9]{0,17})", text)
        if found is None:
            raise ZooError(f"Expected --label NAME:LABEL=VERSION. Received: {text}.")
        labels.setdefault(found[1], {})[found[2]] = int(found[3])
    return labels


def serve(names: Sequence[str], settings: Settings, told: Callable[[str], None]) -> None:
    """Serves models until SIGTERM or Ctrl-C; what was accepted before is answered.

    Args:
        names: As `zoo run` takes them, or folders with versions.
        settings: How.
        told: Called with a line for people when it is ready.

    Raises:
        ZooError: If a model cannot be loaded or an address cannot be listened on.
    """
    # uvicorn's own messages are about its inner life, or on what `Server.counted` has logged.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    logging.getLogger("zoo").setLevel(logging.INFO)
    found = [versions.find(name) for name in names]
    asyncio.run(_serve(found, settings, told))


async def _serve(
    found: Sequence[versions.Found], settings: Settings, told: Callable[[str], None]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Not `add_signal_handler`, which Windows lacks.
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    shared = max(1, available_cores() // len(found))
    server = Server(
        found,
        runtime=settings.runtime,
        # TensorFlow fills the cores by itself.
        workers=settings.workers or (shared if settings.runtime == "litert" else 1),
        beam_size=settings.beam_size,
        batching=settings.batching,
        limits=_with_files(settings.limits),
        keep=settings.keep,
        labels=settings.labels,
        poll_seconds=settings.poll_seconds,
    )
    site = Site(server, browser_runtime=settings.browser_runtime)
    with _listening(settings) as rest_socket:
        grpc_server = _grpc_server(server, settings)
        if not await _loaded(server, stop):
            return
        http_server = HttpServer(
            Rest(server, page=site), server, grace_seconds=settings.grace_seconds
        )
        await grpc_server.start()
        tasks = [asyncio.create_task(server.watch())]
        http_task = asyncio.create_task(http_server.serve([rest_socket]))
        port = rest_socket.getsockname()[1]
        told(
            f"Serving {', '.join(_said(server))} by REST on http://{_shown(settings.host)}:{port} "
            f"and gRPC on {_shown(settings.host)}:{grpc_server.port}"
        )
        await stop.wait()
        # Who waits still hears that it is over, before the connections are cut.
        abort = loop.call_later(_ABORTED * settings.grace_seconds, server.abort)
        for task in tasks:
            task.cancel()
        http_server.should_exit = True
        await asyncio.gather(
            http_task, grpc_server.stop(settings.grace_seconds), *tasks, return_exceptions=True
        )
        await server.close()
        abort.cancel()


async def _loaded(server: Server, stop: asyncio.Event) -> bool:
    """Returns True when the models are loaded; False if it is told to stop before."""
    loading, stopped = asyncio.create_task(server.start()), asyncio.create_task(stop.wait())
    await asyncio.wait((loading, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if loading.done():
        await loading
        return True
    loading.cancel()  # which ends what it has begun
    await asyncio.wait((loading,))
    return False


def _with_files(limits: Limits) -> Limits:
    """Returns `limits` with no more connections than this process may open files.

    It may often open more, when it asks: the limit is low for programs that cannot have many.
    """
    try:
        import resource
    except ImportError:  # on Windows, which has no such limit
        return limits
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return limits
    wanted = 4 * limits.connections
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if wanted > soft:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    # The other half is for gRPC, the processes' pipes and files of models.
    return dataclasses.replace(limits, connections=min(limits.connections, max(1, soft // 2)))


def _said(server: Server) -> list[str]:
    return [f"{name} version {model.get().number}" for name, model in server.models.items()]


@contextlib.contextmanager
def _listening(settings: Settings):
    try:
        found = listening(settings.host, settings.port)
    except OSError as error:
        raise ZooError(
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}."
        ) from error
    with found:
        yield found


def _grpc_server(server: Server, settings: Settings) -> GrpcServer:
    address = f"{_shown(settings.host)}:{settings.grpc_port}"
    try:
        return GrpcServer(server, address)
    except OSError as error:
        raise ZooError(f"{error} Give another --grpc-port.") from error


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
