"""REST as TensorFlow Serving speaks it, case by case."""

import base64
import gzip
import http.client
import json
import socket

import numpy as np
import pytest
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

import zoo

from .conftest import MACHINE, NAME

MODEL = f"/v1/models/{NAME}"
DATE, ANSWER = "september 27, 1994", "1994-09-27"
INT64_MAX = 2**63 - 1
MANY_KEYS = dict.fromkeys(map(str, range(100_000)), "a")


@pytest.fixture(scope="module")
def local():
    """Returns the model as it runs without a server."""
    return zoo.load(NAME)


# Answers


def test_a_row_in_is_a_row_of_named_outputs(served, local):
    answer = served.predict({"instances": [DATE, "5/5/01"]})
    assert answer.status == 200
    rows = answer.body["predictions"]
    assert [row["text"] for row in rows] == [ANSWER, "2001-05-05"]
    for row, expected in zip(rows, local([DATE, "5/5/01"]), strict=True):
        length, width = len(expected.tokens), len(expected.source_tokens)
        assert [token for token in row["tokens"] if token] == list(expected.tokens)
        assert [token for token in row["source_tokens"] if token] == list(expected.source_tokens)
        assert np.float32(row["score"]) == np.float32(expected.score)
        alignment = np.array(row["alignment"], "float32")
        np.testing.assert_array_equal(alignment[:length, :width], expected.alignment)
        # As wide as the request's longest source, like a SavedModel's.
        assert alignment.shape == (12, len(DATE)) == (12, len(row["source_tokens"]))


def test_a_column_in_is_columns_of_named_outputs(served):
    answer = served.predict({"inputs": {"text": [DATE, "5/5/01"]}})
    assert answer.body["outputs"]["text"] == [ANSWER, "2001-05-05"]
    assert set(answer.body["outputs"]) == {"text", "score", "tokens", "source_tokens", "alignment"}
    rows = served.predict({"instances": [{"text": DATE}, {"text": "5/5/01"}]}).body["predictions"]
    for name, column in answer.body["outputs"].items():
        assert column == [row[name] for row in rows]


@pytest.mark.parametrize(
    "body",
    [
        {"inputs": [DATE]},  # the only input needs no name
        {"inputs": {"text": [DATE], "more": 1}},  # an extra key in columns is ignored
        {"instances": [DATE], "more": {"a": [1]}},  # and one at the top
        {"instances": [{"b64": base64.b64encode(DATE.encode()).decode()}]},
        {"instances": [{"text": {"b64": base64.b64encode(DATE.encode()).decode()}}]},
        {"inputs": [{"b64": base64.b64encode(DATE.encode()).decode().rstrip("=")}]},
        {"signature_name": "serving_default", "instances": [DATE]},
        {"signature_name": "", "instances": [DATE]},
    ],
)
def test_a_request_may_be_written_so(served, body):
    answer = served.predict(body)
    assert answer.status == 200
    found = answer.body.get("predictions") or [{"text": answer.body["outputs"]["text"][0]}]
    assert found[0]["text"] == ANSWER


@pytest.mark.parametrize(
    "path",
    [
        MODEL,
        f"{MODEL}/versions/1",
        f"{MODEL}/versions/0001",
        f"{MODEL}/labels/stable",
        f"/V1/Models/{NAME}",
        f"/v1/models/%73{NAME[1:]}",
    ],
)
def test_a_version_may_be_named_so(served, path):
    answer = served.rest("POST", f"{path}:predict", {"instances": [DATE]})
    assert (answer.status, answer.body["predictions"][0]["text"]) == (200, ANSWER)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_the_content_type_is_never_read(served, content_type):
    headers = {"Content-Type": content_type}
    body = json.dumps({"instances": [DATE]}).encode()
    assert served.rest("POST", f"{MODEL}:predict", body, headers).status == 200


def test_a_compressed_body_is_read(served):
    body = gzip.compress(json.dumps({"instances": [DATE]}).encode())
    answer = served.rest("POST", f"{MODEL}:predict", body, {"Content-Encoding": "gzip"})
    assert answer.body["predictions"][0]["text"] == ANSWER


def test_bytes_that_are_no_text_are_read_as_sentencepiece_reads_them(served):
    body = {"instances": [{"b64": base64.b64encode(b"5/5/01\xff").decode()}]}
    [row] = served.predict(body).body["predictions"]
    assert row["source_tokens"][:6] == list("5/5/01")


def test_another_signature_is_asked_by_name(served, local):
    source = local.tokenizer.encode([DATE])
    body = {"signature_name": "generate", "inputs": {"source": source}}
    outputs = served.predict(body).body["outputs"]
    length = outputs["lengths"][0][0]
    assert local.tokenizer.decode(outputs["tokens"][0][0][: length - 1]) == ANSWER
    assert np.shape(outputs["alignment"]) == (1, 1, 12, len(source[0]))


def test_steps_of_a_loop_of_the_clients_own_give_the_same(served, local):
    dates = [DATE, "september 12, 2003"]
    source = local.tokenizer.encode(dates)
    state = served.predict({"signature_name": "start", "inputs": source}).body["outputs"]
    tokens, written = [local.tokenizer.start_id] * 2, []
    for position in range(11):
        inputs = {**state, "tokens": tokens, "position": position}
        found = served.predict({"signature_name": "step", "inputs": inputs}).body["outputs"]
        tokens = np.argmax(found.pop("logits"), axis=-1).tolist()
        found.pop("alignment")
        state |= found
        written.append(tokens)
    texts = [local.tokenizer.decode([x for x in row if x > 3]) for row in np.transpose(written)]
    assert texts == [result.text for result in local(dates)] == [ANSWER, "2003-09-12"]


def test_vectors_in_vectors_out(served):
    model = zoo.load(MACHINE)
    sequences = [model.read("10110010 01101001"), model.read("11111111")]
    length = max(x.inputs.shape[1] for x in sequences)
    rows = []
    for sequence in sequences:
        padded = np.pad(sequence.inputs[0], [(0, length - sequence.inputs.shape[1]), (0, 0)])
        rows.append({"inputs": padded.tolist(), "length": sequence.inputs.shape[1]})
    answer = served.predict({"instances": rows}, MACHINE)
    for row, sequence, expected in zip(
        answer.body["predictions"], sequences, model(sequences), strict=True
    ):
        found = np.array(row["outputs"], "float32")
        assert found.shape == (length, 8)
        np.testing.assert_array_equal(found[: sequence.inputs.shape[1]], expected.outputs)


def test_whole_numbers_of_floats_have_a_point_and_no_float_more_than_nine_digits(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.request("POST", f"{MODEL}:predict", json.dumps({"instances": [DATE]}))
    text = connection.getresponse().read().decode()
    connection.close()
    found = json.loads(text, parse_float=str, parse_int=lambda text: pytest.fail(text))
    numbers = [found["predictions"][0]["score"], *sum(found["predictions"][0]["alignment"], [])]
    assert all("." in number or "e" in number for number in numbers)
    digits = [number.split("e")[0].lstrip("-0.").replace(".", "") for number in numbers]
    assert max(map(len, digits)) <= 9
    empty = served.predict({"instances": [""]}).body["predictions"][0]
    assert empty["text"] == "" and empty["alignment"] == [[]] * 12


def test_an_empty_batch_in_columns_is_an_empty_answer(served):
    answer = served.predict({"inputs": {"text": []}})
    assert answer.status == 200
    assert answer.body["outputs"]["text"] == answer.body["outputs"]["score"] == []


# What is known of a model


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1", f"{MODEL}/labels/unheard-of"])
def test_status_is_that_of_the_real_message(served, path):
    answer = served.rest("GET", path)
    message = json_format.ParseDict(answer.body, get_model_status_pb2.GetModelStatusResponse())
    assert (answer.status, answer.body) == (200, {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    })  # fmt: skip
    assert as_json(message) == answer.body


def test_metadata_is_that_of_the_real_message(served):
    answer = served.rest("GET", f"{MODEL}/metadata")
    assert answer.status == 200
    assert answer.body["model_spec"] == {"name": NAME, "signature_name": "", "version": "1"}
    found = answer.body["metadata"]["signature_def"]
    message = json_format.ParseDict(found, get_model_metadata_pb2.SignatureDefMap())
    assert as_json(message) == found
    assert set(found["signature_def"]) == {"serving_default", "generate", "start", "step"}
    default = found["signature_def"]["serving_default"]
    assert default["method_name"] == "tensorflow/serving/predict"
    assert default["inputs"]["text"]["dtype"] == "DT_STRING"
    assert default["inputs"]["text"]["tensor_shape"] == {
        "dim": [{"size": "-1", "name": ""}], "unknown_rank": False,
    }  # fmt: skip


def as_json(message) -> dict:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


# Refusals


def ids(values) -> dict:
    return {"signature_name": "generate", "inputs": values}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1]", "JSON Parse error"),
        (b"[1]", "Is not object"),
        (b"{}", "Missing 'inputs' or 'instances' key"),
        ({"instances": []}, "No values in 'instances' array"),
        ({"instances": "a"}, "'instances' to be an list/array"),
        ({"instances": ["a"], "inputs": ["a"]}, "only one of"),
        ({"inputs": {}}, "Missing named input: text"),
        ({"instances": [{}]}, "keys must be equal to: text"),
        ({"instances": [{"text": "a", "b": 1}]}, "keys must be"),
        ({"instances": ["a", {"text": "a"}]}, "got object at item 1"),
        ({"instances": [{"text": "a"}, "a"]}, "got list at item 1"),
        ({"instances": [1]}, "not of expected type: string"),
        ({"instances": [None]}, "Type: Null"),
        ({"instances": [["a"]]}, "of shape [-1]"),
        ({"instances": ["a", ["b"]]}, "expected type: string"),
        ({"inputs": "a"}, "of shape [-1]"),
        ({"instances": [{"b64": "%"}]}, "base64"),
        ({"instances": [{"text": {"b": 1}}]}, "base64"),
        ({"signature_name": 1, "instances": ["a"]}, "string value"),
        ({"signature_name": "x", "instances": ["a"]}, '"x" not found'),
        (ids([[1.5]]), "int32"),
        (ids([[True]]), "int32"),
        (ids([[2**40]]), "int32"),
        (ids([[2**90]]), "int32"),
        (ids([[1], [1, 2]]), "sizes"),
        (ids([[-1]]), "at least 0"),
        (ids([[62]]), "below 62"),
        (ids([[1] * 33]), "at most 32"),
    ],
)
def test_a_wrong_body_is_refused_with_its_reason(served, body, said):
    answer = served.predict(body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/json")
    assert said in answer.error
    assert served.predict({"instances": [DATE]}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("POST", f"{MODEL}:predict?x=1", {"instances": ["a"]}, 400, "Malformed request: POST"),
        ("POST", f"{MODEL}:PREDICT", {"instances": ["a"]}, 400, "Malformed request: POST"),
        ("POST", f"{MODEL}:classify", {"examples": [{}]}, 400, "method_name"),
        ("POST", f"{MODEL}:regress", {"examples": [{}]}, 400, "method_name"),
        ("POST", MODEL, {"instances": ["a"]}, 400, f"Malformed request: POST {MODEL}"),
        ("GET", f"{MODEL}:predict", None, 400, f"Malformed request: GET {MODEL}:predict"),
        ("PUT", MODEL, b"{}", 400, "Malformed request: PUT"),
        ("PATCH", MODEL, b"{}", 400, "Malformed request: PATCH"),
        ("DELETE", MODEL, None, 400, "Malformed request: DELETE"),
        ("OPTIONS", MODEL, None, 400, "Malformed request: OPTIONS"),
        ("GET", "/v1/elsewhere", None, 400, "Malformed request: GET /v1/elsewhere"),
        ("GET", "/elsewhere", None, 404, "Not found"),
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", f"{MODEL}?x=1", None, 404, "Could not find any versions of model"),
        ("GET", "/v1/models/none", None, 404, "Could not find any versions of model none"),
        ("GET", "/v1/models/none/metadata", None, 404, "Latest(none)"),
        ("POST", "/v1/models/none:predict", b"x", 400, "JSON Parse error"),
        ("POST", "/v1/models/none:predict", b"{}", 404, "Latest(none)"),
        ("POST", f"{MODEL}/versions/2:predict", b"{}", 404, f"Specific({NAME}, 2)"),
        ("GET", f"{MODEL}/versions/2", None, 404, "Could not find version 2 of model"),
        ("GET", f"{MODEL}/versions/{INT64_MAX}", None, 404, f"version {INT64_MAX}"),
        ("GET", f"{MODEL}/versions/{INT64_MAX + 1}", None, 400, "Failed to convert"),
        ("GET", f"{MODEL}/versions/{'9' * 9999}", None, 400, "Failed to convert"),
        ("POST", f"{MODEL}/versions/{INT64_MAX + 1}:predict", b"{}", 400, "Failed to convert"),
        ("GET", f"{MODEL}/versions/one", None, 400, "Malformed request: GET"),
        ("POST", f"{MODEL}/versions/one:predict", b"{}", 400, "Malformed request: POST"),
        ("POST", f"{MODEL}/labels/none:predict", b"{}", 400, "Unrecognized servable version label"),
        ("GET", f"{MODEL}/labels/none/metadata", None, 400, "Unrecognized servable version label"),
    ],
)  # fmt: skip
def test_a_wrong_request_has_its_code_and_reason(served, method, path, body, status, said):
    answer = served.rest(method, path, body)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert said in answer.error
    assert served.predict({"instances": [DATE]}).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "JSON Parse error"),
        (b'{"instances": ' + b"[" * 1000 + b"]" * 1000 + b"}", "of shape"),
        (b'{"instances": ["\xff"]}', "JSON Parse error"),
        (b'{"instances": ["\\ud800"]}', "JSON Parse error"),
        (b'{"instances": [NaN]}', "JSON Parse error"),
        ({"instances": [MANY_KEYS]}, "keys must be equal"),
        ({"inputs": MANY_KEYS}, "Missing named input"),
        ({"instances": ["a"] * 1025}, "at most 1024 rows"),
        ({"instances": ["a"] * 100_000}, "at most 1024 rows"),
        (b"1e999999", "JSON Parse error"),
    ],
)  # fmt: skip
def test_a_hostile_body_is_refused_in_few_words(served, body, said):
    answer = served.predict(body)
    assert answer.status == 400
    assert said in answer.error and len(answer.error) < 1100
    assert served.predict({"instances": [DATE]}).status == 200


def test_numbers_that_are_none_are_refused(served):
    rows = [[[0.0] * 9, [1e39] + [0.0] * 8]]
    answer = served.predict({"inputs": {"inputs": rows, "length": [2]}}, MACHINE)
    assert (answer.status, "finite" in answer.error) == (400, True)


@pytest.mark.parametrize("name", ["..%2f..%2fetc", "%2e%2e", "a%00b", "%ff", "x" * 5000])
def test_a_models_name_is_never_a_path(served, name):
    answer = served.rest("POST", f"/v1/models/{name}:predict", {"instances": ["a"]})
    assert answer.status == 404 and "Servable not found" in answer.error


def test_one_connection_carries_many_requests(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.connect()
    opened = connection.sock
    for _ in range(3):
        connection.request("POST", f"{MODEL}:predict", json.dumps({"instances": [DATE]}))
        assert connection.getresponse().read()
        connection.request("GET", "/v1/models/none")
        assert connection.getresponse().read()
    assert connection.sock is opened
    connection.close()


@pytest.mark.parametrize("path", [MODEL, "/v1/elsewhere", "/", "/metrics"])
def test_a_body_that_nobody_wants_does_not_become_the_next_request(served, path):
    connection = http.client.HTTPConnection("127.0.0.1", served.port)
    connection.connect()
    opened = connection.sock
    for method in ("PUT", "GET"):
        connection.request(method, path, b"GET /v1/models HTTP/1.1\r\n\r\n" * 9999)
        assert connection.getresponse().read()
    connection.request("GET", MODEL)
    assert connection.getresponse().status == 200
    assert connection.sock is opened
    connection.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/nowhere", 404), ("/page/nowhere.js", 404), ("/", 405), ("/page/models.json", 405)],
)
def test_a_method_is_wrong_only_where_there_is_something(served, path, status):
    for method in ("PUT", "POST", "DELETE"):
        assert served.rest(method, path, b"").status == status


def test_what_is_no_http_is_refused(served):
    with socket.create_connection(("127.0.0.1", served.port)) as client:
        client.sendall(b"\x16\x03\x01\x02\x00 is no HTTP\r\n\r\n")
        with client.makefile("rb") as stream:
            found = stream.read()
    assert found.startswith(b"HTTP/1.1 400 ") and b'{"error"' in found
