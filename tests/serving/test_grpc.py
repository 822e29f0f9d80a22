"""gRPC as TensorFlow Serving speaks it, by the stubs of tensorflow-serving-api."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

import zoo

from .conftest import MACHINE, NAME

DATE, ANSWER = "september 27, 1994", "1994-09-27"
SECONDS = 120


def request(name=NAME, signature="", version=None, label=None, outputs=(), **inputs):
    """Returns a request to predict of arrays, or of messages as they are."""
    found = predict_pb2.PredictRequest(output_filter=outputs)
    specify(found.model_spec, name, signature, version, label)
    for alias, value in inputs.items():
        if not isinstance(value, tensor_pb2.TensorProto):
            value = tf.make_tensor_proto(value)
        found.inputs[alias].CopyFrom(value)
    return found


def specify(spec, name, signature="", version=None, label=None):
    spec.name, spec.signature_name = name, signature
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label


def refused(call, message) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(message, timeout=SECONDS)
    return caught.value.code(), caught.value.details()


@pytest.mark.parametrize("choice", [{}, {"version": 1}, {"label": "stable"}])
def test_texts_are_answered_and_the_answer_names_who_gave_it(served, choice):
    answer = served.predictions.Predict(request(text=[DATE, "5/5/01"], **choice), timeout=SECONDS)
    assert answer.model_spec.name == NAME
    assert answer.model_spec.version.value == 1
    assert answer.model_spec.signature_name == "serving_default"
    outputs = {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}
    assert outputs["text"].tolist() == [ANSWER.encode(), b"2001-05-05"]
    for row, expected in enumerate(zoo.load(NAME)([DATE, "5/5/01"])):
        length, width = len(expected.tokens), len(expected.source_tokens)
        np.testing.assert_array_equal(
            outputs["alignment"][row, :length, :width], expected.alignment
        )
        assert outputs["score"][row] == np.float32(expected.score)
    assert outputs["alignment"].shape == (2, 12, len(DATE))
    # Many clients read the lists and not the packed bytes.
    assert list(answer.outputs["score"].float_val) == outputs["score"].tolist()


def test_rest_and_grpc_give_the_same(served):
    by_grpc = served.predictions.Predict(request(text=[DATE, ""]), timeout=SECONDS)
    by_rest = served.predict({"inputs": {"text": [DATE, ""]}}).body["outputs"]
    assert by_grpc.outputs.keys() == by_rest.keys()
    for name, value in by_grpc.outputs.items():
        array = tf.make_ndarray(value)
        if array.dtype == object:
            array = np.vectorize(lambda item: item.decode(), otypes=[object])(array)
        np.testing.assert_array_equal(array, np.array(by_rest[name], array.dtype))


def test_a_filter_chooses_outputs(served):
    answer = served.predictions.Predict(request(text=[DATE], outputs=["score"]), timeout=SECONDS)
    assert list(answer.outputs) == ["score"]


def test_numbers_may_be_listed_or_packed(served):
    source = np.array(zoo.load(NAME).tokenizer.encode([DATE]), "int32")
    listed = tensor_pb2.TensorProto(dtype=tf.int32.as_datatype_enum)
    listed.tensor_shape.CopyFrom(tf.TensorShape(source.shape).as_proto())
    listed.int_val.extend(source.ravel().tolist())
    answers = [
        served.predictions.Predict(request(signature="generate", source=value), timeout=SECONDS)
        for value in (source, listed)
    ]
    assert answers[0] == answers[1]
    assert answers[0].model_spec.signature_name == "generate"


def test_a_short_list_is_continued_with_its_last_value(served):
    short = tensor_pb2.TensorProto(dtype=tf.int32.as_datatype_enum, int_val=[5])
    short.tensor_shape.CopyFrom(tf.TensorShape([1, 3]).as_proto())
    whole = np.array([[5, 5, 5]], "int32")
    found = [
        served.predictions.Predict(request(signature="generate", source=value), timeout=SECONDS)
        for value in (short, whole)
    ]
    assert found[0] == found[1]


def test_an_empty_batch_is_an_empty_answer(served):
    empty = tf.make_tensor_proto(np.empty((0,), object), dtype=tf.string, shape=[0])
    answer = served.predictions.Predict(request(text=empty), timeout=SECONDS)
    assert tf.make_ndarray(answer.outputs["alignment"]).shape == (0, 12, 0)


def text_of(count: int) -> tensor_pb2.TensorProto:
    found = tensor_pb2.TensorProto(dtype=tf.string.as_datatype_enum, string_val=[b"a"])
    found.tensor_shape.dim.add(size=count)
    return found


def wide(shape, **values) -> tensor_pb2.TensorProto:
    found = tensor_pb2.TensorProto(dtype=tf.int32.as_datatype_enum, **values)
    for size in shape:
        found.tensor_shape.dim.add(size=size)
    return found


INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ({"name": "none", "text": ["a"]}, grpc.StatusCode.NOT_FOUND, "Latest(none)"),
        ({"version": 2, "text": ["a"]}, grpc.StatusCode.NOT_FOUND, f"Specific({NAME}, 2)"),
        ({"version": -1, "text": ["a"]}, grpc.StatusCode.NOT_FOUND, "-1"),
        ({"label": "none", "text": ["a"]}, INVALID, "Unrecognized servable version label: none"),
        ({"name": "", "text": ["a"]}, INVALID, "no name"),
        ({"signature": "x", "text": ["a"]}, grpc.StatusCode.FAILED_PRECONDITION, '"x" not found'),
        ({}, INVALID, "Missing but required: {text}"),
        ({"text": ["a"], "more": ["a"]}, INVALID, "Sent extra: {more}"),
        ({"words": ["a"]}, INVALID, "Sent extra: {words}. Missing but required: {text}"),
        ({"text": [1]}, INVALID, "dtype string"),
        ({"text": [["a"]]}, INVALID, "shape [-1]"),
        ({"text": "a"}, INVALID, "shape [-1]"),
        ({"text": ["a"], "outputs": ["x"]}, INVALID, "not found in signature: x"),
        ({"text": ["a"], "outputs": ["text", "text"]}, INVALID, "duplicate"),
        ({"text": text_of(1025)}, INVALID, "at most 1024 rows"),
        ({"text": text_of(2**40)}, INVALID, "values"),
        ({"text": text_of(-5)}, INVALID, "no shape"),
        ({"signature": "generate", "source": np.zeros((1, 3), "int64")}, INVALID, "int32"),
        ({"signature": "generate", "source": np.zeros((1, 3), "float16")}, INVALID, "dtype"),
        ({"signature": "generate", "source": np.zeros((1, 33), "int32")}, INVALID, "at most 32"),
        ({"signature": "generate", "source": wide([2, 2], int_val=[1] * 5)}, INVALID, "4 values"),
        ({"signature": "generate", "source": wide([2], tensor_content=b"abc")}, INVALID, "8 bytes"),
        ({"signature": "generate", "source": wide([2**31, 2**31])}, INVALID, "values"),
        ({"signature": "generate", "source": wide([1] * 65)}, INVALID, "no shape"),
    ],
)  # fmt: skip
def test_a_wrong_request_has_its_code_and_reason(served, asked, code, said):
    found, details = refused(served.predictions.Predict, request(**asked))
    assert found == code
    assert said in details
    assert served.predictions.Predict(request(text=[DATE]), timeout=SECONDS).outputs


def test_numbers_that_are_none_are_refused(served):
    inputs = np.full((1, 2, 9), np.nan, "float32")
    asked = request(MACHINE, inputs=inputs, length=np.array([2], "int32"))
    code, details = refused(served.predictions.Predict, asked)
    assert (code, "finite" in details) == (INVALID, True)


def test_rows_that_do_not_agree_are_refused(served):
    asked = request(MACHINE, inputs=np.zeros((2, 3, 9), "float32"), length=np.array([3], "int32"))
    code, details = refused(served.predictions.Predict, asked)
    assert (code, "rows" in details) == (INVALID, True)


def test_what_is_no_message_is_the_clients_error(served):
    call = served.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert refused(call, b"\xff\xff\xff") == (
        INVALID, "Expected a message of the API. Received: other bytes.",
    )  # fmt: skip


def test_long_details_are_cut_as_the_real_server_cuts_them(served):
    many = {f"{number:0>60}": ["a"] for number in range(200)}
    code, details = refused(served.predictions.Predict, request(**many))
    assert code == INVALID and len(details) == 1024 + len("...TRUNCATED")
    assert details.endswith("...TRUNCATED")


def test_a_message_above_the_limit_is_refused(served):
    code, _ = refused(served.predictions.Predict, request(text=["a" * (17 << 20)]))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_message_of_more_than_four_mebibytes_is_read(served):
    """More than gRPC takes by default."""
    answer = served.predictions.Predict(request(text=["a" * 65_536] * 80), timeout=SECONDS)
    assert tf.make_ndarray(answer.outputs["source_tokens"]).shape == (80, 32)


def test_the_deadline_bounds_the_work(served):
    with pytest.raises(grpc.RpcError) as caught:
        served.predictions.Predict(request(text=["5/5/01"] * 1000), timeout=0.02)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert served.predictions.Predict(request(text=[DATE]), timeout=SECONDS).outputs


def test_metadata_is_that_of_rest(served):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    specify(asked.model_spec, NAME)
    answer = served.predictions.GetModelMetadata(asked, timeout=SECONDS)
    assert (answer.model_spec.name, answer.model_spec.version.value) == (NAME, 1)
    found = get_model_metadata_pb2.SignatureDefMap()
    assert answer.metadata["signature_def"].Unpack(found)
    by_rest = served.rest("GET", f"/v1/models/{NAME}/metadata").body["metadata"]["signature_def"]
    assert (
        json_format.MessageToDict(
            found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        == by_rest
    )


@pytest.mark.parametrize(
    ("name", "label", "fields", "code"),
    [
        (NAME, None, [], INVALID),
        (NAME, None, ["signature"], INVALID),
        (NAME, "none", ["signature_def"], INVALID),
        ("none", None, ["signature_def"], grpc.StatusCode.NOT_FOUND),
    ],
)
def test_metadata_that_there_is_not_is_refused(served, name, label, fields, code):
    asked = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    specify(asked.model_spec, name, label=label)
    assert refused(served.predictions.GetModelMetadata, asked)[0] == code


def test_status_tells_every_version(served):
    asked = get_model_status_pb2.GetModelStatusRequest()
    specify(asked.model_spec, NAME)
    [found] = served.models.GetModelStatus(asked, timeout=SECONDS).model_version_status
    states = get_model_status_pb2.ModelVersionStatus.State
    assert (found.version, found.state, found.status.error_code) == (1, states.AVAILABLE, 0)
    for name, version in (("none", None), (NAME, 2)):
        specify(asked.model_spec, name, version=version)
        assert refused(served.models.GetModelStatus, asked)[0] == grpc.StatusCode.NOT_FOUND


def test_requests_without_a_model_are_refused(served):
    asked = get_model_status_pb2.GetModelStatusRequest()
    assert refused(served.models.GetModelStatus, asked) == (INVALID, "Missing ModelSpec")
    assert refused(served.predictions.Predict, predict_pb2.PredictRequest())[0] == INVALID


def test_kinds_of_signatures_that_no_model_has_are_refused(served):
    asked = classification_pb2.ClassificationRequest()
    specify(asked.model_spec, NAME)
    code, details = refused(served.predictions.Classify, asked)
    assert (code, "method_name" in details) == (INVALID, True)
