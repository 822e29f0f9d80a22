"""The client, against `zoo serve` and against a server made of the real messages."""

import contextlib
import dataclasses
import socket
import ssl
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
import trustme
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import zoo
from zoo.serving import Client, ServerError, Tls

from .conftest import MACHINE, NAME

DATE, ANSWER = "september 27, 1994", "1994-09-27"


@pytest.fixture(params=["http", "grpc"])
def url(request, served):
    ports = {"http": served.port, "grpc": served.grpc_port}
    return f"{request.param}://127.0.0.1:{ports[request.param]}"


def test_texts_give_the_results_of_the_model_itself(url):
    texts = [DATE, "", "5/5/01", "日本"] * 20  # more than go in one call
    with Client(url, model=NAME) as client:
        found = client(texts)
    for result, expected in zip(found, zoo.load(NAME)(texts), strict=True):
        assert result.as_dict() == expected.as_dict()


def test_without_a_manifest_texts_are_answered_too(url, served, monkeypatch):
    with Client(url, model=NAME, local="no_such_model") as client:
        [result] = client([DATE])
        assert result.as_dict() == zoo.load(NAME)([DATE])[0].as_dict()
        with pytest.raises(zoo.ZooError, match="no_such_model"):
            client.check()


def test_sequences_give_what_the_model_writes(url):
    local = zoo.load(MACHINE)
    with Client(url, model=MACHINE) as client:
        lines = ["10110010 01101001", "11111111"]
        found = client([client.read(line) for line in lines])
    for written, expected in zip(found, local([local.read(x) for x in lines]), strict=True):
        assert written.text == expected.text
        np.testing.assert_array_equal(written.read_weights, expected.read_weights)


def test_what_utf8_cannot_hold_is_refused_by_its_number(url):
    for local in (NAME, "no_such_model"):
        with Client(url, model=NAME, local=local) as client:
            with pytest.raises(zoo.ZooError, match="Expected UTF-8. Text 2 is not: '.ud800 x'"):
                client([DATE, "\ud800 x"])


def test_a_longer_text_is_told(url, caplog):
    with Client(url, model=NAME) as client:
        client(["9" * 40], first_line=7)
    assert "Line 7 has 40 tokens; the model reads 32" in caplog.text


def test_arrays_and_bytes_go_in_and_out(url):
    with Client(url, model=NAME) as client:
        found = client.predict({"text": np.array([b"5/5/01\xff"], object)})
        assert found["source_tokens"][0, 0] == b"5"
        assert found["score"].dtype == np.float32
        [status] = client.status()
        assert (status.version, status.state) == (1, "AVAILABLE")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"model": "none"}, ["none on ", "NOT_FOUND"]),
        ({"model": NAME, "version": 7}, [f"{NAME} version 7 on ", "NOT_FOUND"]),
        ({"model": NAME, "label": "old"}, [f"{NAME} version 'old' on ", "INVALID_ARGUMENT"]),
    ],
)
def test_an_error_names_host_model_and_version(url, choice, words):
    with Client(url, **choice) as client, pytest.raises(ServerError) as caught:
        client.signatures()
    assert [word for word in (url, *words) if word not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


def test_another_model_than_the_manifests_is_told(url):
    with Client(url, model=MACHINE, local=NAME) as client:
        with pytest.raises(zoo.ZooError, match=f"Expected of {MACHINE} on {url}"):
            client([DATE])


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_nobody_there_is_told_in_one_line(scheme, tmp_path):
    with Client(f"{scheme}://127.0.0.1:1", model=NAME, deadline=0.5) as client:
        with pytest.raises(ServerError) as caught:
            client.status()
    assert caught.value.code.name in ("UNAVAILABLE", "DEADLINE_EXCEEDED")


@pytest.mark.parametrize(
    "url", ["", "localhost:8500", "ftp://a", "http://", "grpc://a", "grpc://a:b", "http://a:99999"]
)
def test_what_is_no_url_of_a_server_is_refused(url):
    with pytest.raises(zoo.ZooError, match="Expected"):
        Client(url, model=NAME)


def test_the_command_line_asks_a_server(url, zoo):
    done = zoo("run", NAME, "--server", url, stdin=f"{DATE}\n5/5/01\n")
    assert (done.status, done.stdout, done.stderr) == (0, f"{ANSWER}\n2001-05-05\n", "")


def test_the_command_line_says_who_does_not_answer(zoo):
    zoo("run", NAME, "x", "--server", "http://127.0.0.1:1").refused("http://127.0.0.1:1", NAME)


# A server made of the real messages, which fails as it is told


class Real(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, failures):
        self.failures, self.asked = list(failures), []

    def GetModelMetadata(self, request, context):
        self.asked.append(dict(context.invocation_metadata()))
        found = get_model_metadata_pb2.SignatureDefMap()
        signature = found.signature_def["serving_default"]
        signature.method_name = "tensorflow/serving/predict"
        for infos, name in ((signature.inputs, "x"), (signature.outputs, "y")):
            infos[name].dtype = tf.float32.as_datatype_enum
            infos[name].tensor_shape.dim.add(size=-1)
        found.signature_def["__saved_model_init_op"].outputs["x"].name = "NoOp"
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.metadata["signature_def"].Pack(found)
        return answer

    def Predict(self, request, context):
        self.asked.append(dict(context.invocation_metadata()))
        if self.failures:
            context.abort(self.failures.pop(0), "as told")
        answer = predict_pb2.PredictResponse()
        doubled = 2 * tf.make_ndarray(request.inputs["x"])
        answer.outputs["y"].CopyFrom(tf.make_tensor_proto(doubled))
        return answer


@pytest.fixture
def real():
    """Returns a function that starts a server; with its failures, and credentials of TLS."""
    servers = []

    def start(*failures, credentials=None, **options):
        servicer = Real(failures)
        server = grpc.server(futures.ThreadPoolExecutor(2), **options)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        servers.append(server)
        return servicer, port

    yield start
    for server in servers:
        server.stop(None).wait()


X = {"x": np.array([1, 2], "float32")}
UNAVAILABLE, EXHAUSTED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED


def test_what_may_be_repeated_is_repeated(real):
    servicer, port = real(UNAVAILABLE, EXHAUSTED)
    with Client(f"grpc://127.0.0.1:{port}", model="m", metadata={"X-Team": "a"}) as client:
        np.testing.assert_array_equal(client.predict(X)["y"], [2, 4])
    assert len(servicer.asked) == 4  # the metadata once, predict three times
    assert all(metadata["x-team"] == "a" for metadata in servicer.asked)


@pytest.mark.parametrize("code", [grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL])
def test_what_may_not_be_repeated_is_not(real, code):
    servicer, port = real(code)
    with Client(f"grpc://127.0.0.1:{port}", model="m") as client:
        with pytest.raises(ServerError, match=f"{code.name}: as told"):
            client.predict(X)
    assert len(servicer.asked) == 2


class _Calls(grpc.ServerInterceptor):
    """Lists the methods that are called, those too whose message is refused."""

    def __init__(self):
        self.methods = []

    def intercept_service(self, continuation, details):
        self.methods.append(details.method.rpartition("/")[2])
        return continuation(details)


def test_a_message_that_is_too_large_is_sent_once(real):
    calls = _Calls()
    limit = [("grpc.max_receive_message_length", 10_000)]
    _, port = real(interceptors=[calls], options=limit)
    with Client(f"grpc://127.0.0.1:{port}", model="m") as client:
        with pytest.raises(ServerError, match="RESOURCE_EXHAUSTED: .*larger than max"):
            client.predict({"x": np.zeros(10_000, "float32")})
    assert calls.methods == ["GetModelMetadata", "Predict"]


def test_the_deadline_ends_the_repetitions(real):
    _, port = real(*[UNAVAILABLE] * 100)
    with Client(f"grpc://127.0.0.1:{port}", model="m", deadline=1) as client:
        with pytest.raises(ServerError, match="UNAVAILABLE|DEADLINE_EXCEEDED"):
            client.predict(X)


@pytest.mark.parametrize("first", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"])
def test_an_answer_that_drips_has_one_deadline(first):
    """Each byte comes within the deadline; of the headers, or of the body after them."""
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip():
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(10_000)
                connection.sendall(first)
                for _ in range(100):
                    connection.sendall(b"x")
                    if stopped.wait(0.1):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with Client(url, model="m", deadline=0.5) as client:
            with pytest.raises(ServerError) as caught:
                client.status()
        stopped.set()
        thread.join()
    assert caught.value.code.name == "DEADLINE_EXCEEDED"


def test_tls_is_spoken_to_who_is_trusted(real, tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    chain = b"".join(x.bytes() for x in certificate.cert_chain_pems)
    key = certificate.private_key_pem.bytes()
    _, port = real(credentials=grpc.ssl_server_credentials([(key, chain)]))
    roots = tmp_path / "roots.pem"
    authority.cert_pem.write_to_path(roots)
    url = f"grpcs://localhost:{port}"
    with Client(url, model="m", tls=Tls(roots=str(roots))) as client:
        np.testing.assert_array_equal(client.predict(X)["y"], [2, 4])
    with Client(url, model="m", deadline=2) as client:
        with pytest.raises(ServerError, match="UNAVAILABLE|DEADLINE_EXCEEDED"):
            client.predict(X)


@dataclasses.dataclass
class _Trust:
    """Who trusts whom: the files of a server, and what a client is given."""

    folder: Path
    authority: trustme.CA = dataclasses.field(default_factory=trustme.CA)

    def issued(self, name: str) -> tuple[Path, Path]:
        """Returns the files of a certificate and of its key."""
        found = self.authority.issue_cert(name)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        for blob in found.cert_chain_pems:
            blob.write_to_path(certificate, append=True)
        found.private_key_pem.write_to_path(key)
        return certificate, key

    def roots(self) -> Path:
        self.authority.cert_pem.write_to_path(self.folder / "roots.pem")
        return self.folder / "roots.pem"


@pytest.fixture(params=["https", "grpcs"])
def picky(request, real, broken, tmp_path):
    """Returns the URL of a server that asks for a certificate, and who is trusted."""
    trust = _Trust(tmp_path)
    certificate, key = trust.issued("localhost")
    if request.param == "https":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=trust.roots())
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(certificate, key)
        server, _ = broken(*[(200, METADATA)] * 5, context=context)
        return f"https://localhost:{server.server_port}", trust
    pair = (key.read_bytes(), certificate.read_bytes())
    credentials = grpc.ssl_server_credentials([pair], trust.roots().read_bytes(), True)
    return f"grpcs://localhost:{real(credentials=credentials)[1]}", trust


def test_a_certificate_is_shown_to_who_asks_for_it(picky):
    url, trust = picky
    certificate, key = trust.issued("client")
    tls = Tls(roots=str(trust.roots()), certificate=str(certificate), key=str(key))
    with Client(url, model="m", tls=tls) as client:
        assert set(client.signatures()["serving_default"].inputs) == {"x"}
    for refused in (Tls(roots=trust.roots()), None):  # without its own; without trust in the server
        with Client(url, model="m", tls=refused, deadline=1) as client:
            with pytest.raises(ServerError, match="UNAVAILABLE|DEADLINE_EXCEEDED"):
                client.signatures()


@pytest.mark.parametrize("half", ["certificate", "key"])
def test_half_an_identity_is_refused(half):
    with pytest.raises(zoo.ZooError, match="Expected a certificate and its key. Received: .*a.pem"):
        Tls(**{half: "a.pem"})


def test_a_bare_error_of_ssl_is_an_error_of_the_server(monkeypatch):
    async def request(*arguments, **options):
        raise ssl.SSLError("certificate required")

    monkeypatch.setattr(httpx.AsyncClient, "request", request)
    with Client("https://localhost:1", model="m", deadline=1) as client:
        with pytest.raises(ServerError, match="UNAVAILABLE.*certificate required"):
            client.signatures()


@pytest.mark.parametrize("scheme", ["https", "grpcs"])
def test_a_file_of_tls_that_is_not_there_is_told(scheme, tmp_path):
    with pytest.raises(zoo.ZooError, match="Cannot .*No such file"):
        Client(f"{scheme}://localhost:1", model="m", tls=Tls(roots=tmp_path / "none.pem"))


class Broken(BaseHTTPRequestHandler):
    """Answers as its server is told: bytes, a status, or nothing."""

    def do_GET(self):
        self.server.asked.append(self.headers.get("x-team"))
        status, body = self.server.answers.pop(0)
        if status is None:
            self.connection.close()
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        """Says nothing."""


METADATA = b"""{"metadata": {"signature_def": {"signature_def": {"serving_default": {
    "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}},
    "outputs": {"y": {"dtype": "DT_FLOAT", "tensor_shape": {"dim": [{"size": "-1"}]}}},
    "method_name": "tensorflow/serving/predict"}}}}}"""


@pytest.fixture
def broken():
    """Returns a function that starts a server with its answers, and a context of TLS."""
    servers = []

    def start(*answers, context=None):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Broken)
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.answers, server.asked = list(answers), []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server, f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


STATUS = b'{"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]}'  # noqa: E501


def test_rest_is_repeated_too(broken):
    server, url = broken((503, b"later"), (429, b'{"error": "full"}'), (200, STATUS))
    with Client(url, model="m", metadata={"X-Team": "a"}) as client:
        assert [status.version for status in client.status()] == [3]
    assert server.asked == ["a"] * 3


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": "as told"}', "INVALID_ARGUMENT: as told"),
        (404, b"<html>", "NOT_FOUND: HTTP status 404"),
        (200, b"<html>", "something other than JSON"),
        (200, b"[]", "something other than JSON"),
        (200, b"{}", "no status of a model"),
        (200, b'{"model_version_status": [{"version": "x"}]}', "no status of a model"),
    ],
)
def test_a_wrong_answer_is_told(broken, status, body, said):
    _, url = broken((status, body))
    with Client(url, model="m") as client, pytest.raises(ServerError, match=said):
        client.status()
