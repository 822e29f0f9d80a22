"""What a server takes of clients that are slow, large or many; and how it stops."""

import asyncio
import contextlib
import http.client
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time

import grpc
import pytest
from cases import ROOT
from tensorflow_serving.apis import predict_pb2

from .conftest import MACHINE, NAME, READY_SECONDS

PREDICT = f"/v1/models/{NAME}:predict"
DATE, ANSWER = "september 27, 1994", "1994-09-27"


def body_of(count: int = 1) -> bytes:
    return json.dumps({"instances": [DATE] * count}).encode()


def head(length: int) -> bytes:
    return f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


@contextlib.contextmanager
def connected(served):
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as client:
        yield client


def request_of(*texts: str):
    """Returns a request of texts by gRPC."""
    found = predict_pb2.PredictRequest()
    found.model_spec.name = NAME
    found.inputs["text"].dtype = 7
    found.inputs["text"].tensor_shape.dim.add(size=len(texts))
    found.inputs["text"].string_val.extend(text.encode() for text in texts)
    return found


def until(found, seconds: float = 60.0) -> None:
    """Returns when `found` returns True."""
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextlib.contextmanager
def paused(served):
    """Holds the processes that run models."""
    workers = served.workers()
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)


@contextlib.contextmanager
def open_files(limit: int):
    """Sets how many files this process, and what it starts, may open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def strict(start_serving):
    """Returns a server with little patience and little room."""
    limits = ["--timeout", "1", "--max-body", "0.25", "--max-rows", "64", "--max-waiting", "64"]
    with open_files(512):  # as some shells set it
        return start_serving(MACHINE, NAME, *limits, "--workers", "1")


def test_a_body_above_the_limit_is_refused(strict):
    answer = strict.rest("POST", PREDICT, b" " * (2**18 + 1))
    assert (answer.status, "at most 262144 bytes" in answer.error) == (413, True)
    assert strict.predict({"instances": [DATE]}).status == 200


def test_a_body_of_chunks_above_the_limit_is_refused(strict):
    with connected(strict) as client:
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\n".encode())
        client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(6):
            client.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        client.sendall(b"0\r\n\r\n")
        with client.makefile("rb") as stream:
            assert stream.readline().startswith(b"HTTP/1.1 413")


def test_a_compressed_body_is_limited_by_what_it_holds(strict):
    import gzip

    bomb = gzip.compress(b" " * 2**24)
    assert len(bomb) < 2**18
    answer = strict.rest("POST", PREDICT, bomb, {"Content-Encoding": "gzip"})
    assert (answer.status, "after gzip" in answer.error) == (400, True)


def test_a_body_that_drips_is_cut(strict):
    answer = b""
    with connected(strict) as client, contextlib.suppress(OSError):
        client.sendall(head(1000))
        for _ in range(600):
            client.sendall(b" ")
            if select.select([client], [], [], 0.05)[0]:
                break
        while received := client.recv(999):  # head and body may come apart
            answer += received
    assert answer.startswith(b"HTTP/1.1 408") and b"No whole request within 1 s" in answer


def test_a_head_that_never_ends_is_cut(strict):
    with connected(strict) as client:
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\nx: {'y' * 65_536}".encode())
        assert client.recv(999).startswith(b"HTTP/1.1 431")
    assert strict.predict({"instances": [DATE]}).status == 200


def test_bodies_that_are_read_are_bounded_together(served):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(served)) for _ in range(6)]
        for client in clients:  # 64 MiB have room for four of them
            client.sendall(head(2**24) + b" " * 16_000_000)
        until(lambda: len(select.select(clients, [], [], 0)[0]) == 2)
        for client in select.select(clients, [], [], 0)[0]:
            with client.makefile("rb") as stream:
                found = stream.read()
            assert found.startswith(b"HTTP/1.1 429") and b"as many bytes of requests" in found
        assert served.rest("POST", PREDICT, b" " * 5_000_000).status == 429
    until(lambda: served.rest("POST", PREDICT, b" " * 5_000_000).status == 400)


def test_bytes_that_wait_are_bounded_with_those_that_are_read(strict):
    body = json.dumps({"instances": ["x" * 60_000] * 4}).encode()
    asked = request_of(*["x" * 60_000] * 4)
    with paused(strict):
        calls = [strict.predictions.Predict.future(asked, timeout=120) for _ in range(6)]
        until(lambda: sum(call.done() for call in calls) == 2)
        codes = {call.code() for call in calls if call.done()}
        assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        answer = strict.rest("POST", PREDICT, body)
        assert (answer.status, "bytes of requests" in answer.error) == (429, True)
        for call in calls:
            call.cancel()
    until(lambda: strict.predict({"instances": [DATE]}).status == 200)


def test_a_text_is_bounded(strict):
    assert strict.predict({"instances": ["x" * 65_536]}).status == 200
    answer = strict.predict({"instances": [DATE, "x" * 65_537]})
    assert (answer.status, "at most 65536 bytes" in answer.error) == (400, True)
    with pytest.raises(grpc.RpcError) as caught:
        strict.predictions.Predict(request_of("x" * 65_537), timeout=120)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_calls_that_send_nothing_keep_nobody_out(strict):
    async def silent():
        address = f"127.0.0.1:{strict.grpc_port}"
        async with grpc.aio.insecure_channel(address) as channel:
            call = channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
            calls = [call() for _ in range(1030)]
            found = {(await call.code(), await call.details()) for call in calls}
            assert (grpc.StatusCode.DEADLINE_EXCEEDED, "No whole message within 1 s.") in found
            # Those that were too many; nothing else.
            assert {code for code, _ in found} <= {
                grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED,
            }  # fmt: skip

    asyncio.run(asyncio.wait_for(silent(), 60))
    answer = strict.predictions.Predict(request_of(DATE), timeout=120)
    assert answer.outputs["text"].string_val[0].decode() == ANSWER
    strict.wait_for("grpc predict -: DEADLINE_EXCEEDED")


def test_connections_are_bounded_and_those_above_are_told(strict):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with open_files(most), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(strict)) for _ in range(1100)]
        assert clients[-1].recv(999).startswith(b"HTTP/1.1 503")
    strict.wait_for("rest connection -: UNAVAILABLE")
    until(lambda: strict.predict({"instances": [DATE]}).status == 200)


def test_a_process_is_replaced_when_there_are_files_for_it_again(strict):
    pid = strict.process.pid
    # Opens the connection, for there will be no files for one.
    strict.predictions.Predict(request_of(DATE), timeout=120)
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, before[1]))
    for worker in strict.workers():
        os.kill(worker, signal.SIGKILL)
    call = strict.predictions.Predict.future(request_of(DATE), timeout=120)
    strict.wait_for("cannot be loaded again: OSError")
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert call.result().outputs["text"].string_val[0].decode() == ANSWER


def test_a_full_queue_refuses_and_answers_again(strict):
    """One process, 64 rows of room: of many long requests at once some must be refused."""
    row = {"inputs": [[0.0] * 9] * 2, "length": 2}
    body = json.dumps({"instances": [row] * 60}).encode()
    codes = []

    def ask():
        codes.append(strict.rest("POST", f"/v1/models/{MACHINE}:predict", body).status)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Refused, or on a slow machine not answered within a second; never anything else.
    assert 429 in codes and set(codes) <= {200, 429, 504}
    until = time.monotonic() + 60
    while strict.predict({"instances": [row]}, MACHINE).status != 200:
        assert time.monotonic() < until


def test_the_next_request_is_served_while_others_hang(strict):
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            client = stack.enter_context(connected(strict))
            client.sendall(head(10)[:20])
        assert strict.predict({"instances": [DATE]}).status == 200


def test_counts_are_told_in_prometheus_format(served):
    served.predict({"instances": [DATE]})
    served.predict({"instances": [1]})
    served.predict({"instances": [1]}, "x" * 99)
    page = served.rest("GET", "/metrics")
    text = page.body.decode()
    assert page.headers["content-type"].startswith("text/plain")
    known = f'model="{NAME}",protocol="rest"'
    assert f'zoo_requests_total{{code="OK",method="predict",{known}}}' in text
    assert f'zoo_requests_total{{code="INVALID_ARGUMENT",method="predict",{known}}}' in text
    assert f'zoo_workers{{model="{NAME}",version="1"}}' in text
    assert "zoo_request_seconds_bucket" in text and "zoo_batch_rows_bucket" in text
    assert "xxx" not in text  # a client adds no series


def test_what_never_becomes_a_request_is_counted_and_logged(served):
    with connected(served) as client:
        client.sendall(b"hidden-4712 is no HTTP\r\n\r\n")
        assert client.recv(999).startswith(b"HTTP/1.1 400")
    served.wait_for("rest connection -: INVALID_ARGUMENT")
    with connected(served) as client:
        client.sendall(f"POST {PREDICT} HTTP/1.1\r\nx: {'y' * 65_536}".encode())
        assert client.recv(999).startswith(b"HTTP/1.1 431")
    served.wait_for("rest connection -: RESOURCE_EXHAUSTED")
    with pytest.raises(grpc.RpcError):
        served.predictions.Predict(request_of("x" * (17 << 20)), timeout=120)
    served.wait_for("grpc predict -: RESOURCE_EXHAUSTED")
    text = served.rest("GET", "/metrics").body.decode()
    for labels in (
        'code="INVALID_ARGUMENT",method="connection",model="",protocol="rest"',
        'code="RESOURCE_EXHAUSTED",method="connection",model="",protocol="rest"',
        'code="RESOURCE_EXHAUSTED",method="predict",model="",protocol="grpc"',
    ):
        assert f"zoo_requests_total{{{labels}}}" in text
    assert [line for line in served.said if "hidden-4712" in line] == []


def test_a_refused_request_is_one_line_of_the_log_without_its_text(start_serving):
    served = start_serving(NAME)
    secret = "hidden-4711"
    served.predict({"instances": ["a"]}, secret)
    served.rest("GET", f"/v1/{secret}")
    served.rest("GET", f"/{secret}")
    bodies = ({"instances": [{secret: 1}]}, {"instances": [secret], "inputs": [secret]},
              {"signature_name": secret, "instances": ["a"]}, secret)  # fmt: skip
    for body in bodies:
        assert served.predict(body).status == 400
        served.wait_for(f"rest predict {NAME}: INVALID_ARGUMENT")
    served.stop()
    assert [line for line in served.said if secret in line] == []
    assert len([line for line in served.said if "rest predict " in line]) == 1 + len(bodies)


def test_a_stop_answers_what_was_accepted(start_serving):
    served = start_serving(NAME, "--workers", "1")
    codes, ready = [], threading.Barrier(9)

    def ask():
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        with contextlib.closing(connection):
            connection.connect()
            ready.wait()
            connection.request("POST", PREDICT, body_of(60))
            answer = connection.getresponse()
            found = json.loads(answer.read())
            codes.append((answer.status, {row["text"] for row in found["predictions"]}))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    ready.wait()
    text = ""
    while f'model="{NAME}",version="1"}} 0.0' in text or "zoo_waiting_rows{" not in text:
        text = served.rest("GET", "/metrics").body.decode()  # until rows wait
    assert served.stop() == 0
    for thread in threads:
        thread.join()
    assert codes == [(200, {ANSWER})] * 8


def test_a_process_that_hangs_is_replaced_and_keeps_no_stop_waiting(start_serving):
    served = start_serving(NAME, "--workers", "1", "--timeout", "1")
    [hung] = served.workers()
    os.kill(hung, signal.SIGSTOP)
    assert served.predict({"instances": [DATE]}).status == 504
    served.wait_for("does not answer and is killed")
    until(lambda: served.predict({"instances": [DATE]}).status == 200)
    [another] = served.workers()
    assert another != hung
    os.kill(another, signal.SIGSTOP)
    assert served.predict({"instances": [DATE]}).status == 504
    assert served.stop() == 0


@pytest.mark.slow
def test_a_stop_ends_whatever_the_processes_do(start_serving):
    served = start_serving(NAME, "--workers", "1")
    with paused(served):
        call = served.predictions.Predict.future(request_of(DATE), timeout=600)
        time.sleep(1)  # until the process has it
        served.process.send_signal(signal.SIGTERM)
        assert call.code() == grpc.StatusCode.UNAVAILABLE
        assert served.process.wait(READY_SECONDS) == 0


def test_a_stop_while_a_model_is_loaded_ends_at_once(base):
    (base / "1" / "model.tflite").unlink()
    os.mkfifo(base / "1" / "model.tflite")  # nobody writes, so that it is never read
    command = [sys.executable, "-m", "zoo", "serve", base, "--port", "0", "--grpc-port", "0"]
    serving = subprocess.Popen(command, cwd=ROOT)

    def is_loading() -> bool:
        found = subprocess.run(
            ["ps", "-wweo", "ppid=,args="], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(None, 1) for line in found.splitlines()]
        return any(int(parent) == serving.pid and "forkserver" in said for parent, said in rows)

    try:
        until(is_loading, READY_SECONDS)
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(READY_SECONDS) == 0
    finally:
        serving.kill()
        serving.wait()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["no_such_model"], ["no_such_model"]),
        ([NAME, "--label", "stable=1"], ["NAME:LABEL=VERSION", "stable=1"]),
        ([NAME, "--beam-size", "3"], ["beam sizes 1 and 4"]),
        ([NAME, "--host", "203.0.113.1"], ["Cannot listen on 203.0.113.1:8501"]),
    ],
)
def test_what_cannot_be_served_is_told(zoo, arguments, words):
    zoo("serve", *arguments).refused(*words)


def test_a_port_that_is_taken_is_told(zoo, served):
    zoo("serve", NAME, "--port", str(served.port)).refused(f"127.0.0.1:{served.port}")
    zoo("serve", NAME, "--port", "0", "--grpc-port", str(served.grpc_port)).refused("--grpc-port")


@pytest.mark.slow
def test_the_load_test_measures_and_finds_no_error(zoo):
    options = ["--runtimes", "litert", "--clients", "1", "64", "--seconds", "5", "--minutes", "0.1"]
    done = zoo(*options, program=(ROOT / "tools" / "load_test.py",))
    assert done.status == 0, done.stderr
    names, _, *lines = [line.strip("| ").split(" | ") for line in done.stdout.splitlines()]
    rows = [dict(zip(names, map(str.strip, line), strict=True)) for line in lines]
    assert [row["clients"] for row in rows] == ["1", "64", "64", "256", "64", "64"]
    assert [(row["errors"], row["wrong"]) for row in rows] == [("0", "0")] * 6
    assert [int(row["refused"]) > 0 for row in rows] == [False, False, False, True, False, False]
    assert int(rows[-1]["server"].split()[0]) > 0
    assert all(int(row["requests/s"].replace(",", "")) > 0 for row in rows)
