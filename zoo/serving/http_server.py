"""uvicorn with limits on what a client may make it wait for and hold.

uvicorn (0.54) closes idle connections, but waits without end for a first request, for the rest of
its head, and for a client that does not read its answer.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from zoo.serving import rest_json
from zoo.serving.rest import Application
from zoo.serving.server import Server
from zoo.serving.status import Code

_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 10.0  # for the head of a request, once its first byte is there
_WRITE_SECONDS = 30.0  # for a client to take some of an answer


class _Connection(HttpToolsProtocol):
    """A connection that is cut when its client is too slow or sends too long a head."""

    asked: Server  # what the application asks, which counts what never comes to it

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # Head and body of an answer are written one after the other; with Nagle's algorithm the
        # second waits for the client's delayed acknowledgment of the first, 40 ms. asyncio turns it
        # off only for sockets that were made with the protocol's number.
        accepted = transport.get_extra_info("socket")
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.task: asyncio.Task | None = None  # that of the request, while it can be cancelled
        self._head_bytes: int | None = 0  # of the request that begins; None while one is answered
        self._late: asyncio.TimerHandle | None = None
        self._stuck: asyncio.TimerHandle | None = None
        if len(self.connections) > self.asked.limits.connections:
            self._refuse(
                Code.UNAVAILABLE,
                503,
                "The server has as many connections as it may. Try again later.",
            )
            return
        self._expect_within(self.asked.limits.idle_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._late, self._stuck):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._head_bytes is not None:
            if not self._head_bytes:
                self._expect_within(_HEAD_SECONDS)
            self._head_bytes += len(data)
        super().data_received(data)
        # What is left of a head that is not complete; a body may come with the end of the head.
        if self._head_bytes is not None and self._head_bytes > _HEAD_BYTES:
            self._refuse(
                Code.RESOURCE_EXHAUSTED, 431, f"Expected a head of at most {_HEAD_BYTES} bytes."
            )

    def on_headers_complete(self) -> None:
        self._head_bytes = None
        if self._late is not None:
            self._late.cancel()
        # As `parse_url` of what is no URL would fail, in words of the parser's own.
        try:
            httptools.parse_url(self.url).path.decode("ascii")
        except (httptools.HttpParserInvalidURLError, UnicodeDecodeError, AttributeError):
            self.url = b"/v1/?"  # which is answered as malformed
        self.scope["extensions"] = {"zoo.connection": self}
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._head_bytes = 0

    def send_400_response(self, msg: str) -> None:
        self._refuse(Code.INVALID_ARGUMENT, 400, msg)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(_WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
        super().resume_writing()

    def _expect_within(self, seconds: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self, code: Code, status: int, message: str) -> None:
        with self.asked.counted("rest", "connection") as count:
            count.code = code.name
        body = rest_json.error(message)
        head = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(STATUS_LINE[status] + head % len(body) + body)
        self.transport.close()


class HttpServer(uvicorn.Server):
    """An HTTP server that leaves signals to whoever runs it.

    Args:
        application: What answers.
        server: What the application asks; its limits are those of connections too.
        grace_seconds: For what is being answered when it stops.
    """

    def __init__(self, application: Application, server: Server, *, grace_seconds: float):
        super().__init__(
            uvicorn.Config(
                application,
                http=type("Connection", (_Connection,), {"asked": server}),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=server.limits.idle_seconds,
                timeout_graceful_shutdown=grace_seconds,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Captures none."""
        yield


def listening(host: str, port: int) -> socket.socket:
    """Returns a socket that listens on `host` and `port`; 0 takes a free one.

    Raises:
        OSError: If the address is taken or not one of this machine.
    """
    [(family, _, _, _, address), *_] = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return socket.create_server(address[:2], family=family, backlog=1024)
