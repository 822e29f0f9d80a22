"""The messages of TensorFlow Serving's API, without TensorFlow.

`tensorflow-serving-api` has the same messages, but its modules import `tensorflow.core`, so that
whoever speaks to a server needs all of TensorFlow. Over the wire go methods' names and fields'
numbers alone. So the few messages in use are described here, and built when this module is imported
in a pool of their own: generated files would clash with TensorFlow's in a process that has both,
and would tie the package to one release of protobuf. Tests hold these against the real ones, field
by field and over sockets. A field that is left out is skipped as one of a newer version is.
"""

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

# The one package of all, since of a message's full name the API shows SignatureDefMap's alone.
_PACKAGE = "tensorflow.serving"

ENUMS = {
    "DataType": {
        0: "DT_INVALID", 1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8",
        5: "DT_INT16", 6: "DT_INT8", 7: "DT_STRING", 9: "DT_INT64", 10: "DT_BOOL",
        22: "DT_UINT32", 23: "DT_UINT64",
    },
    "Code": {
        0: "OK", 1: "CANCELLED", 2: "UNKNOWN", 3: "INVALID_ARGUMENT", 4: "DEADLINE_EXCEEDED",
        5: "NOT_FOUND", 6: "ALREADY_EXISTS", 7: "PERMISSION_DENIED", 8: "RESOURCE_EXHAUSTED",
        9: "FAILED_PRECONDITION", 10: "ABORTED", 11: "OUT_OF_RANGE", 12: "UNIMPLEMENTED",
        13: "INTERNAL", 14: "UNAVAILABLE", 15: "DATA_LOSS", 16: "UNAUTHENTICATED",
    },
    "State": {
        0: "UNKNOWN_STATE", 10: "START", 20: "LOADING", 30: "AVAILABLE", 40: "UNLOADING", 50: "END",
    },
}  # fmt: skip

# The fields of each message by number, as `type name`. `*` marks a list, `map` a map from strings,
# `|` a member of the message's one oneof.
MESSAGES = {
    "Dim": {1: "int64 size", 2: "string name"},
    "TensorShapeProto": {2: "*Dim dim", 3: "bool unknown_rank"},
    "TensorProto": {
        1: "DataType dtype",
        2: "TensorShapeProto tensor_shape",
        4: "bytes tensor_content",
        5: "*float float_val",
        6: "*double double_val",
        7: "*int32 int_val",
        8: "*bytes string_val",
        10: "*int64 int64_val",
        11: "*bool bool_val",
        16: "*uint32 uint32_val",
        17: "*uint64 uint64_val",
    },
    "TensorInfo": {1: "|string name", 2: "DataType dtype", 3: "TensorShapeProto tensor_shape"},
    "SignatureDef": {
        1: "map TensorInfo inputs",
        2: "map TensorInfo outputs",
        3: "string method_name",
        4: "map TensorProto defaults",
    },
    "MetaGraphDef": {5: "map SignatureDef signature_def"},
    "SavedModel": {2: "*MetaGraphDef meta_graphs"},
    "ModelSpec": {
        1: "string name",
        2: "|google.protobuf.Int64Value version",
        3: "string signature_name",
        4: "|string version_label",
    },
    "PredictRequest": {
        1: "ModelSpec model_spec",
        2: "map TensorProto inputs",
        3: "*string output_filter",
    },
    "PredictResponse": {1: "map TensorProto outputs", 2: "ModelSpec model_spec"},
    "ClassificationRequest": {1: "ModelSpec model_spec"},
    "RegressionRequest": {1: "ModelSpec model_spec"},
    "GetModelMetadataRequest": {1: "ModelSpec model_spec", 2: "*string metadata_field"},
    "SignatureDefMap": {1: "map SignatureDef signature_def"},
    "GetModelMetadataResponse": {
        1: "ModelSpec model_spec",
        2: "map google.protobuf.Any metadata",
    },
    "StatusProto": {1: "Code error_code", 2: "string error_message"},
    "ModelVersionStatus": {1: "int64 version", 2: "State state", 3: "StatusProto status"},
    "GetModelStatusRequest": {1: "ModelSpec model_spec"},
    "GetModelStatusResponse": {1: "*ModelVersionStatus model_version_status"},
}

_Field = descriptor_pb2.FieldDescriptorProto


def _built() -> dict[str, type]:
    """Returns a class for each of `MESSAGES`, by its name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="zoo/serving/protos.proto", package=_PACKAGE, syntax="proto3"
    )
    pool = descriptor_pool.DescriptorPool()
    for known in (any_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
        file.dependency.append(known.DESCRIPTOR.name)
    for name, values in ENUMS.items():
        described = file.enum_type.add(name=name)
        for number, value in values.items():
            described.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        _describe(file.message_type.add(name=name), fields)
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
        for name in MESSAGES
    }


def _describe(message: descriptor_pb2.DescriptorProto, fields: dict[int, str]) -> None:
    for number, text in fields.items():
        kind, name = text.removeprefix("map ").lstrip("*|").split()
        field = message.field.add(name=name, number=number, label=_Field.LABEL_OPTIONAL)
        if text.startswith("map "):
            # In a descriptor a map is a list of messages of a nested type, so named.
            entry = message.nested_type.add(name=f"{name.title().replace('_', '')}Entry")
            entry.options.map_entry = True
            _describe(entry, {1: "string key", 2: f"{kind} value"})
            field.label = _Field.LABEL_REPEATED
            field.type = _Field.TYPE_MESSAGE
            field.type_name = entry.name
            continue
        if text.startswith("*"):
            field.label = _Field.LABEL_REPEATED
        elif text.startswith("|"):
            if not message.oneof_decl:
                message.oneof_decl.add(name="choice")
            field.oneof_index = 0
        _set_type(field, kind)


def _set_type(field: _Field, kind: str) -> None:
    if kind in ENUMS:
        field.type = _Field.TYPE_ENUM
    elif kind in MESSAGES or kind.startswith("google."):
        field.type = _Field.TYPE_MESSAGE
    else:
        field.type = getattr(_Field, f"TYPE_{kind.upper()}")
        return
    field.type_name = f".{kind}" if kind.startswith("google.") else f".{_PACKAGE}.{kind}"


_CLASSES = _built()

ClassificationRequest = _CLASSES["ClassificationRequest"]
GetModelMetadataRequest = _CLASSES["GetModelMetadataRequest"]
GetModelMetadataResponse = _CLASSES["GetModelMetadataResponse"]
GetModelStatusRequest = _CLASSES["GetModelStatusRequest"]
GetModelStatusResponse = _CLASSES["GetModelStatusResponse"]
ModelSpec = _CLASSES["ModelSpec"]
PredictRequest = _CLASSES["PredictRequest"]
PredictResponse = _CLASSES["PredictResponse"]
RegressionRequest = _CLASSES["RegressionRequest"]
SavedModel = _CLASSES["SavedModel"]
SignatureDef = _CLASSES["SignatureDef"]
SignatureDefMap = _CLASSES["SignatureDefMap"]
TensorProto = _CLASSES["TensorProto"]

PREDICTION_SERVICE = f"{_PACKAGE}.PredictionService"
MODEL_SERVICE = f"{_PACKAGE}.ModelService"
