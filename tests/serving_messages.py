"""Messages of TensorFlow Serving that tensorflow-serving-api 2.21 leaves out.

Declared by the names and kinds of their fields, as its session_bundle_config.proto and
monitoring_config.proto publish them; a text with any other field is refused. The numbers of the
fields count in binary messages alone, and these are only ever text.
"""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_FIELD = descriptor_pb2.FieldDescriptorProto
_FIELDS = {
    "BatchingParameters": {
        "max_batch_size": ".google.protobuf.Int64Value",
        "batch_timeout_micros": ".google.protobuf.Int64Value",
        "max_enqueued_batches": ".google.protobuf.Int64Value",
        "num_batch_threads": ".google.protobuf.Int64Value",
        "thread_pool_name": ".google.protobuf.StringValue",
        "allowed_batch_sizes": [_FIELD.TYPE_INT64],
        "pad_variable_length_inputs": _FIELD.TYPE_BOOL,
        "enable_large_batch_splitting": ".google.protobuf.BoolValue",
        "max_execution_batch_size": ".google.protobuf.Int64Value",
    },
    "PrometheusConfig": {"enable": _FIELD.TYPE_BOOL, "path": _FIELD.TYPE_STRING},
    "MonitoringConfig": {"prometheus_config": ".zoo.tests.PrometheusConfig"},
}


def _messages() -> dict[str, type]:
    file = descriptor_pb2.FileDescriptorProto(
        name="zoo/tests/serving_messages.proto",
        package="zoo.tests",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for message, fields in _FIELDS.items():
        declared = file.message_type.add(name=message)
        for number, (name, kind) in enumerate(fields.items(), start=1):
            field = declared.field.add(name=name, number=number, label=_FIELD.LABEL_OPTIONAL)
            if isinstance(kind, list):
                field.label, [kind] = _FIELD.LABEL_REPEATED, kind
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, kind
            else:
                field.type = kind
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"zoo.tests.{name}"))
        for name in _FIELDS
    }


_CLASSES = _messages()
BatchingParameters = _CLASSES["BatchingParameters"]
MonitoringConfig = _CLASSES["MonitoringConfig"]
