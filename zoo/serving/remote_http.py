"""A server by REST."""

import asyncio
import base64
import ssl
import urllib.parse
from collections.abc import Mapping
from typing import Any

import httpx
import numpy as np
import orjson
from fsspec.asyn import get_loop, sync

from zoo.errors import ZooError
from zoo.serving import signatures
from zoo.serving.remote import Address, ServerError, Tls, VersionStatus
from zoo.serving.signatures import Signature
from zoo.serving.status import Code

# TensorFlow Serving's, and those of what may stand before it.
_CODES = {
    400: Code.INVALID_ARGUMENT,
    404: Code.NOT_FOUND,
    408: Code.DEADLINE_EXCEEDED,
    413: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


class HttpRemote:
    """See `Remote`.

    Calls run on the event loop of fsspec's thread: httpx limits each read by itself, and only there
    can all of an answer have one deadline, however slowly its bytes drip.
    """

    def __init__(self, address: Address, base: str, tls: Tls | None, metadata: Mapping[str, str]):
        self._address = address
        model = urllib.parse.quote(address.model, safe="")
        self._path = f"{base}/v1/models/{model}"
        if address.version is not None:
            self._path += f"/versions/{address.version}"
        elif address.label is not None:
            self._path += f"/labels/{urllib.parse.quote(address.label, safe='')}"
        context = _context(tls) if tls is not None else True
        self._client = httpx.AsyncClient(headers=dict(metadata), verify=context, timeout=None)

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, Signature],
        seconds: float,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature; see `Remote`."""
        body = {
            "signature_name": signature,
            "inputs": {name: _listed(array) for name, array in inputs.items()},
        }
        content = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
        answer = self._call("POST", f"{self._path}:predict", seconds, content)
        if signature not in outputs:
            raise self._wrong("a signature that its metadata lacks")
        expected = outputs[signature].outputs
        try:
            found = answer["outputs"]
            if len(expected) == 1:
                found = {next(iter(expected)): found}
            return {name: _array(found[name], x.dtype) for name, x in expected.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("outputs that are not those of the signature") from error

    def signatures(self, seconds: float) -> dict[str, Signature]:
        """Returns the signatures of the model; see `Remote`."""
        answer = self._call("GET", f"{self._path}/metadata", seconds)
        try:
            return signatures.of_json(answer["metadata"]["signature_def"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("metadata without signatures") from error

    def status(self, seconds: float) -> list[VersionStatus]:
        """Returns the state of the model's versions; see `Remote`."""
        answer = self._call("GET", self._path, seconds)
        try:
            return [
                VersionStatus(int(x["version"]), x["state"], x["status"]["error_message"])
                for x in answer["model_version_status"]
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise self._wrong("no status of a model") from error

    def close(self) -> None:
        """Closes the connections."""
        sync(get_loop(), self._client.aclose)

    def _call(self, method: str, url: str, seconds: float, content: bytes | None = None) -> Any:
        try:
            response = sync(get_loop(), self._answer, method, url, content, seconds)
        except TimeoutError as error:
            message = f"no answer within {seconds:.3g} s"
            raise ServerError(self._address, Code.DEADLINE_EXCEEDED, message) from error
        # What the server says of a certificate may come as the bare error of ssl, an OSError.
        except (httpx.TransportError, OSError) as error:
            message = str(error) or type(error).__name__
            raise ServerError(self._address, Code.UNAVAILABLE, message) from error
        try:
            found = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            found = None
        if response.status_code != 200:
            message = f"HTTP status {response.status_code}"
            if isinstance(found, dict) and isinstance(found.get("error"), str):
                message = found["error"]
            raise ServerError(
                self._address, _CODES.get(response.status_code, Code.INTERNAL), message
            )
        if not isinstance(found, dict):
            raise self._wrong("something other than JSON")
        return found

    async def _answer(
        self, method: str, url: str, content: bytes | None, seconds: float
    ) -> httpx.Response:
        async with asyncio.timeout(seconds):
            return await self._client.request(method, url, content=content)

    def _wrong(self, what: str) -> ServerError:
        return ServerError(self._address, Code.INTERNAL, f"the server answered with {what}")


def _listed(array: np.ndarray) -> Any:
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array)
    if array.ndim == 0:
        return _string(array.item())
    return [_listed(row) if isinstance(row, np.ndarray) else _string(row) for row in array]


def _string(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _array(value: Any, dtype: str) -> np.ndarray:
    if dtype != "object":
        return np.array(value, dtype)
    array = np.array(value, dtype=object)
    flat = [
        base64.b64decode(x["b64"]) if isinstance(x, dict) else x.encode() for x in array.ravel()
    ]
    found = np.empty(len(flat), dtype=object)
    found[:] = flat
    return found.reshape(array.shape)


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.roots)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise ZooError(f"Cannot use the files of TLS: {error.strerror or error}.") from error
    return context
