"""The messages described here are those of TensorFlow Serving."""

import pytest
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import error_codes_pb2, meta_graph_pb2, saved_model_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
    status_pb2,
)

from zoo.serving import protos

REAL = {
    "Dim": tensor_shape_pb2.TensorShapeProto.Dim,
    "TensorShapeProto": tensor_shape_pb2.TensorShapeProto,
    "TensorProto": tensor_pb2.TensorProto,
    "TensorInfo": meta_graph_pb2.TensorInfo,
    "SignatureDef": meta_graph_pb2.SignatureDef,
    "MetaGraphDef": meta_graph_pb2.MetaGraphDef,
    "SavedModel": saved_model_pb2.SavedModel,
    "ModelSpec": model_pb2.ModelSpec,
    "PredictRequest": predict_pb2.PredictRequest,
    "PredictResponse": predict_pb2.PredictResponse,
    "ClassificationRequest": classification_pb2.ClassificationRequest,
    "RegressionRequest": regression_pb2.RegressionRequest,
    "GetModelMetadataRequest": get_model_metadata_pb2.GetModelMetadataRequest,
    "SignatureDefMap": get_model_metadata_pb2.SignatureDefMap,
    "GetModelMetadataResponse": get_model_metadata_pb2.GetModelMetadataResponse,
    "StatusProto": status_pb2.StatusProto,
    "ModelVersionStatus": get_model_status_pb2.ModelVersionStatus,
    "GetModelStatusRequest": get_model_status_pb2.GetModelStatusRequest,
    "GetModelStatusResponse": get_model_status_pb2.GetModelStatusResponse,
}


def facts(field) -> tuple:
    """Returns all of a field that the wire or JSON shows."""
    of = field.message_type or field.enum_type
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    kind = tuple(facts(x) for x in of.fields) if is_map else of and of.name
    return (field.name, field.number, field.type, field.is_repeated, kind, field.has_presence)


@pytest.mark.parametrize("name", protos.MESSAGES)
def test_fields_are_those_of_the_real_message(name):
    ours = protos.PredictRequest.DESCRIPTOR.file.message_types_by_name[name]
    real = REAL[name].DESCRIPTOR.fields_by_number
    assert ours.fields
    for field in ours.fields:
        assert facts(field) == facts(real[field.number])


def test_every_field_that_a_request_may_hold_is_there():
    """A field that is not described would be ignored: known ones are left out knowingly."""
    ours = protos.PredictRequest.DESCRIPTOR.file.message_types_by_name
    left_out = {
        name: sorted({*REAL[name].DESCRIPTOR.fields_by_name} - {*ours[name].fields_by_name})
        for name in ("ModelSpec", "PredictRequest", "TensorProto", "GetModelMetadataRequest")
    }
    assert left_out["ModelSpec"] == left_out["GetModelMetadataRequest"] == []
    # Those of streamed answers, who asks, and where a TPU runs it.
    assert left_out["PredictRequest"] == [
        "client_id", "predict_streamed_options", "request_options",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("DataType", types_pb2.DataType),
        ("Code", error_codes_pb2.Code),
        ("State", get_model_status_pb2.ModelVersionStatus.State),
    ],
)
def test_values_have_the_names_of_the_real_enum(name, real):
    for number, value in protos.ENUMS[name].items():
        assert real.Name(number) == value.removesuffix("_STATE")


def test_metadata_is_packed_under_the_real_name():
    response = protos.GetModelMetadataResponse()
    response.metadata["signature_def"].Pack(protos.SignatureDefMap())
    real = get_model_metadata_pb2.GetModelMetadataResponse.FromString(response.SerializeToString())
    assert real.metadata["signature_def"].Is(get_model_metadata_pb2.SignatureDefMap.DESCRIPTOR)
