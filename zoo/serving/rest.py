"""TensorFlow Serving's REST API, as an ASGI application."""

import asyncio
import contextlib
import re
import time
import urllib.parse
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import orjson
import prometheus_client as prometheus
from google.protobuf.json_format import MessageToDict

from zoo.serving import messages, rest_json
from zoo.serving.server import Server, Spec
from zoo.serving.status import Code, Refusal, defect, invalid, truncated

_MODEL = r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_POST = re.compile(rf"{_MODEL}:(classify|regress|predict)", re.IGNORECASE)
_GET = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+)|/labels/([^/:]+))?(?:/(metadata))?",
    re.IGNORECASE,
)
_INT64_MAX = (1 << 63) - 1
_METRICS = "/metrics"
_JSON = b"application/json"
_PARSED_HERE = 1 << 17  # bytes; larger bodies are parsed in a thread, so that others are heard
_UNZIPPED = 1 << 23  # bytes of gzip's contents that are made before they are counted
_DRAINED_SECONDS = 2.0  # for a refused body to come in, so that its sender hears why

Application = Callable[[dict, Callable, Callable], Awaitable[None]]


@dataclass(frozen=True)
class _Answer:
    body: bytes
    status: int = 200
    content_type: bytes = _JSON
    close: bool = False


class _Unread(Refusal):
    """A refusal of a request whose body was not read to its end; the connection is of no use."""

    def __init__(self, code: Code, message: str, http: int):
        super().__init__(code, message)
        self.http = http


class Rest:
    """The API over HTTP.

    Args:
        server: What it asks.
        page: What answers everything outside of the API and `/metrics`, for people with a browser;
            without it those paths are not found.
    """

    def __init__(self, server: Server, page: Application | None = None):
        self._server = server
        self._page = page
        self._calls = {"classify": self._other, "regress": self._other, "predict": self._predict}

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        """Answers one request; see ASGI."""
        # As the real server has it, a query is a part of the path.
        path = scope["raw_path"].decode("ascii")
        if scope["query_string"]:
            path += "?" + scope["query_string"].decode("latin-1")
        async with _cancelled_if_gone(scope):
            if self._page is None or path == _METRICS or path[:4].lower() == "/v1/":
                with self._server.room.used() as take:
                    await _send(await self._answer(scope, path, receive, take), send)
                return
            try:
                with self._server.room.used() as take:
                    await self._body(scope, receive, take)  # or it would become the next request
            except Refusal as refusal:
                http = refusal.http if isinstance(refusal, _Unread) else refusal.code.http
                await _send(_Answer(rest_json.error(refusal.message), http, close=True), send)
                return
            await self._page(scope, receive, send)

    async def _answer(
        self, scope: dict, path: str, receive: Callable, take: Callable[[int], None]
    ) -> _Answer:
        method = scope["method"]
        found = {"POST": _POST, "GET": _GET}.get(method)
        found = found and found.fullmatch(path)
        called = (found[4] or "status") if found else "other"
        if called not in (*self._calls, "metadata", "status"):
            found, called = None, "other"
        with self._server.counted("rest", called) as count:
            try:
                until = time.monotonic() + self._server.limits.seconds
                # Whatever is asked, so that what follows on the connection is the next request.
                body = await self._body(scope, receive, take)
                if path == _METRICS:
                    page = self._server.metrics.page(self._server.models)
                    return _Answer(page, content_type=prometheus.CONTENT_TYPE_LATEST.encode())
                if path[:4].lower() != "/v1/":
                    raise Refusal(Code.NOT_FOUND, "Not found.")
                if not found:
                    raise invalid(f"Malformed request: {method} {path}")
                spec = _spec(*found.groups()[:3])
                count.model = spec.name
                if method == "POST":
                    return await self._calls[called](spec, body, until)
                return self._metadata(spec) if called == "metadata" else self._status(spec)
            except _Unread as refusal:
                count.code = refusal.code.name
                return _Answer(rest_json.error(refusal.message), refusal.http, close=True)
            except Refusal as refusal:
                count.code = refusal.code.name
                return _Answer(rest_json.error(truncated(refusal.message)), refusal.code.http)
            except asyncio.CancelledError:
                count.code = Code.CANCELLED.name
                raise
            except Exception as error:
                refusal = defect(error)
                count.code = refusal.code.name
                return _Answer(rest_json.error(refusal.message), refusal.code.http)

    def _status(self, spec: Spec) -> _Answer:
        return _message(messages.status(self._server.statuses(spec)))

    def _metadata(self, spec: Spec) -> _Answer:
        with self._server.leased(spec) as version:
            signatures = messages.signatures(version)
            found = messages.model_spec(spec.name, version.number)
            body = {
                "model_spec": _as_dict(found),
                "metadata": {"signature_def": _as_dict(signatures)},
            }
            return _Answer(orjson.dumps(body))

    async def _predict(self, spec: Spec, body: bytes, until: float) -> _Answer:
        request = await _apart(rest_json.parse, body)
        name = rest_json.signature_name(request)
        with self._server.leased(spec) as version:
            signature = version.signature(name, Code.INVALID_ARGUMENT)
            inputs, format = await _apart(rest_json.inputs_of, request, signature, size=len(body))
            seconds = max(0.0, until - time.monotonic())
            outputs = await self._server.predict(version, name, inputs, seconds=seconds)
        return _Answer(rest_json.answer(outputs, format))

    async def _other(self, spec: Spec, body: bytes, until: float) -> _Answer:
        name = rest_json.signature_name(rest_json.parse(body))
        with self._server.leased(spec) as version:
            version.signature(name, Code.INVALID_ARGUMENT)
            raise invalid(messages.ONLY_PREDICT)

    async def _body(self, scope: dict, receive: Callable, take: Callable[[int], None]) -> bytes:
        limits = self._server.limits
        headers = dict(scope["headers"])
        stated = headers.get(b"content-length", b"0")
        if int(stated) > limits.body_bytes if stated.isdigit() else True:
            raise await _drained(receive, _too_large(limits.body_bytes))
        chunks, size = [], 0
        try:
            async with asyncio.timeout(limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise asyncio.CancelledError
                    chunk = message.get("body", b"")
                    more = message.get("more_body")
                    size += len(chunk)
                    try:
                        if size > limits.body_bytes:
                            raise _too_large(limits.body_bytes)
                        take(len(chunk))
                    except Refusal as refusal:
                        chunks.clear()
                        take(len(chunk) - size)  # back what came before
                        if more:
                            raise await _drained(receive, refusal) from refusal
                        raise
                    chunks.append(chunk)
                    if not more:
                        break
        except TimeoutError as error:
            raise _Unread(
                Code.DEADLINE_EXCEEDED, f"No whole request within {limits.seconds:g} s.", 408
            ) from error
        body = b"".join(chunks)
        if b"gzip" in headers.get(b"content-encoding", b"").lower():
            body = await _unzipped(body, limits.body_bytes, take)
        return body


def _too_large(limit: int) -> _Unread:
    return _Unread(Code.RESOURCE_EXHAUSTED, f"Expected a body of at most {limit} bytes.", 413)


async def _drained(receive: Callable, refusal: Refusal) -> _Unread:
    """Returns a refusal once the rest of the body was dropped, or does not come soon.

    A connection that is closed before is reset, and its client never hears why.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAINED_SECONDS):
            while (await receive()).get("more_body"):
                pass
    http = refusal.http if isinstance(refusal, _Unread) else refusal.code.http
    return _Unread(refusal.code, refusal.message, http)


@contextlib.asynccontextmanager
async def _cancelled_if_gone(scope: dict):
    """Cancels the request when its client goes, where the HTTP server tells."""
    connection = scope.get("extensions", {}).get("zoo.connection")
    if connection is None:
        yield
        return
    connection.task = asyncio.current_task()
    try:
        yield
    except asyncio.CancelledError:
        if not connection.transport.is_closing():
            raise
    finally:
        connection.task = None


def _spec(name: str | None, version: str | None, label: str | None) -> Spec:
    number = None
    if version is not None:
        # Python refuses to read thousands of digits, and no version has twenty.
        number = int(version) if len(version.lstrip("0")) < 20 else _INT64_MAX + 1
        if number > _INT64_MAX:
            raise invalid(f"Failed to convert version: {version[:80]} to numeric.")
    return Spec(urllib.parse.unquote(name or ""), number, label and urllib.parse.unquote(label))


async def _apart(function: Callable, *arguments, size: int | None = None):
    """Returns what `function` does, called in a thread where its bytes are many."""
    size = len(arguments[0]) if size is None else size
    if size > _PARSED_HERE:
        return await asyncio.to_thread(function, *arguments)
    return function(*arguments)


async def _unzipped(body: bytes, limit: int, take: Callable[[int], None]) -> bytes:
    reader, parts, size = zlib.decompressobj(wbits=31), [], 0
    while True:
        try:
            part = await _apart(reader.decompress, body, _UNZIPPED)
        except zlib.error as error:
            raise invalid("Expected a body in gzip, as its header says.") from error
        size += len(part)
        if size > limit:
            raise invalid(f"Expected a body of at most {limit} bytes after gzip.")
        take(len(part))
        parts.append(part)
        if len(part) < _UNZIPPED:
            return b"".join(parts)
        body = reader.unconsumed_tail


def _as_dict(message) -> dict:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _message(message) -> _Answer:
    return _Answer(orjson.dumps(_as_dict(message)))


async def _send(answer: _Answer, send: Callable) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    if answer.close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
