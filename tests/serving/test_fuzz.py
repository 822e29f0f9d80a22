"""A thousand requests that nobody would send: each has an answer of the API, and the next works."""

import http.client
import json

import grpc
import numpy as np
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from .conftest import MACHINE, NAME

DATE, ANSWER = "september 27, 1994", "1994-09-27"
QUICK = settings(
    max_examples=500,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from(["", DATE, {"b64": ""}, {"b64": "NS81LzAx"}, {"b64": "%"}, 2**31, 1e39]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["text", "b64", "inputs", "length", "source", "x"]), inner
        )
    ),
    max_leaves=12,
)
SIGNATURES = st.sampled_from(["serving_default", "generate", "predict", "start", "step", "x", 1])
BODIES = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"instances": VALUES, "inputs": VALUES, "signature_name": SIGNATURES}
    ).map(lambda value: json.dumps(value).encode()),
    st.fixed_dictionaries(
        {"instances": st.lists(st.text(max_size=40), min_size=1, max_size=4)}
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
    VALUES.map(lambda value: json.dumps(value).encode()),
)
SEGMENTS = st.sampled_from(
    [NAME, MACHINE, "none", "versions", "labels", "1", "2", "9" * 25, "stable", "metadata", "..",
     "%2f", "%ff", "", "?x=1", "a b"]
)  # fmt: skip
PATHS = st.one_of(
    st.sampled_from([f"/v1/models/{NAME}:predict", f"/v1/models/{MACHINE}:predict"]),
    st.builds(
        lambda parts, call: "/v1/models/" + "/".join(parts).replace(" ", "%20") + call,
        st.lists(SEGMENTS, max_size=4),
        st.sampled_from(["", ":predict", ":classify", ":x", "/metadata"]),
    ),
)
METHODS = st.sampled_from(["POST"] * 6 + ["GET", "GET", "PUT", "DELETE", "OPTIONS"])


def test_rest_answers_whatever_comes(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=120)

    @QUICK
    @given(METHODS, PATHS, BODIES)
    def answers(method, path, body):
        connection.request(method, path, body)
        response = connection.getresponse()
        found = response.read()
        assert response.headers["content-type"] == "application/json"
        answer = json.loads(found)
        assert response.status in (200, 400, 404), answer
        if response.status == 200:
            assert answer.keys() <= {
                "predictions", "outputs", "model_version_status", "metadata", "model_spec",
            }  # fmt: skip
        else:
            assert list(answer) == ["error"] and answer["error"]

    answers()
    connection.close()
    assert served.predict({"instances": [DATE]}).body["predictions"][0]["text"] == ANSWER


DTYPES = st.sampled_from([0, 1, 2, 3, 7, 9, 10, 19, 99])
TENSORS = st.tuples(
    DTYPES,
    st.lists(st.sampled_from([-1, 0, 1, 2, 3, 9, 2**40]), max_size=4),  # the shape
    st.binary(max_size=24),
    st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6),
    st.lists(st.floats(width=32), max_size=6),
    st.lists(st.binary(max_size=12), max_size=4),
)
ALIASES = st.sampled_from(["text", "source", "inputs", "length", "streams", "x"])


def test_grpc_answers_whatever_comes(served):
    codes = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
             grpc.StatusCode.FAILED_PRECONDITION}  # fmt: skip

    @QUICK
    @given(
        st.sampled_from([NAME, MACHINE, "none", ""]),
        SIGNATURES.map(str),
        st.dictionaries(ALIASES, TENSORS, max_size=3),
        st.lists(ALIASES, max_size=2),
    )
    def answers(name, signature, tensors, outputs):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name = name
        request.model_spec.signature_name = signature
        for alias, (dtype, sizes, content, ints, floats, strings) in tensors.items():
            message = request.inputs[alias]
            message.dtype = dtype
            message.tensor_content = content
            message.int_val.extend(ints)
            message.float_val.extend(floats)
            message.string_val.extend(strings)
            for size in sizes:
                message.tensor_shape.dim.add(size=size)
        try:
            answer = served.predictions.Predict(request, timeout=120)
        except grpc.RpcError as error:
            assert error.code() in codes, error
        else:
            assert all(np.size(tf.make_ndarray(x)) >= 0 for x in answer.outputs.values())

    answers()
    assert served.predict({"instances": [DATE]}).body["predictions"][0]["text"] == ANSWER
