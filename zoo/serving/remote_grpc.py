"""A server by gRPC."""

from collections.abc import Mapping
from pathlib import Path

import grpc
import numpy as np

from zoo.errors import ZooError
from zoo.serving import protos, signatures, tensors
from zoo.serving.remote import Address, ServerError, Tls, VersionStatus
from zoo.serving.signatures import Signature
from zoo.serving.status import Code

_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),  # calls are repeated with a back-off of their own
    ("grpc.max_reconnect_backoff_ms", 2000),
]
_STATES = protos.ENUMS["State"]
_CODES = {grpc.StatusCode[code.name]: code for code in Code}


class GrpcRemote:
    """See `Remote`."""

    def __init__(self, address: Address, target: str, tls: Tls | None, metadata: Mapping[str, str]):
        self._address = address
        self._metadata = tuple((name.lower(), value) for name, value in metadata.items())
        if tls is None:
            self._channel = grpc.insecure_channel(target, options=_OPTIONS)
        else:
            self._channel = grpc.secure_channel(target, _credentials(tls), options=_OPTIONS)
        self._predict = self._method(protos.PREDICTION_SERVICE, "Predict", protos.PredictResponse)
        self._metadata_of = self._method(
            protos.PREDICTION_SERVICE, "GetModelMetadata", protos.GetModelMetadataResponse
        )
        self._status = self._method(
            protos.MODEL_SERVICE, "GetModelStatus", protos.GetModelStatusResponse
        )

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, Signature],
        seconds: float,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature; see `Remote`."""
        request = protos.PredictRequest(model_spec=self._spec(signature))
        for name, array in inputs.items():
            tensors.to_message(array, request.inputs[name])
        response = self._call(self._predict, request, seconds)
        return {name: tensors.from_message(x, name) for name, x in response.outputs.items()}

    def signatures(self, seconds: float) -> dict[str, Signature]:
        """Returns the signatures of the model; see `Remote`."""
        request = protos.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=["signature_def"]
        )
        response = self._call(self._metadata_of, request, seconds)
        found = protos.SignatureDefMap()
        response.metadata["signature_def"].Unpack(found)
        return signatures.of_message(found)

    def status(self, seconds: float) -> list[VersionStatus]:
        """Returns the state of the model's versions; see `Remote`."""
        request = protos.GetModelStatusRequest(model_spec=self._spec())
        response = self._call(self._status, request, seconds)
        return [
            VersionStatus(
                x.version, protos.ENUMS["State"].get(x.state, "UNKNOWN"), x.status.error_message
            )
            for x in response.model_version_status
        ]

    def close(self) -> None:
        """Closes the channel."""
        self._channel.close()

    def _method(self, service: str, name: str, response: type):
        return self._channel.unary_unary(
            f"/{service}/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response.FromString,
        )

    def _call(self, method, request, seconds: float):
        try:
            return method(request, timeout=seconds, metadata=self._metadata)
        except grpc.RpcError as error:
            code = _CODES.get(error.code(), Code.INTERNAL)
            raise ServerError(self._address, code, error.details() or "no message") from error

    def _spec(self, signature: str = ""):
        address = self._address
        spec = protos.ModelSpec(name=address.model, signature_name=signature)
        if address.version is not None:
            spec.version.value = address.version
        elif address.label is not None:
            spec.version_label = address.label
        return spec


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    files = (tls.roots, tls.key, tls.certificate)
    try:
        return grpc.ssl_channel_credentials(*(x and Path(x).read_bytes() for x in files))
    except OSError as error:
        raise ZooError(f"Cannot read {error.filename}: {error.strerror}.") from error
