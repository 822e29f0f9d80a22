"""What a server takes of clients that are slow, large or many; and how it stops."""

import contextlib
import http.client
import json
import select
import socket
import threading
import time

import pytest
from cases import ROOT

from .conftest import MACHINE, NAME

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


@pytest.fixture(scope="module")
def strict(start_serving):
    """Returns a server with little patience and little room."""
    limits = ["--timeout", "1", "--max-body", "0.25", "--max-rows", "64", "--max-waiting", "64"]
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
