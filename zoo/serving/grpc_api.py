"""TensorFlow Serving's gRPC API: PredictionService and ModelService."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import grpc

from zoo.serving import messages, protos, tensors
from zoo.serving.server import Count, Server, Spec
from zoo.serving.status import Code, Refusal, defect, invalid, truncated

_STATUS = {code: grpc.StatusCode[code.name] for code in Code}
_SIGNATURE_DEF = "signature_def"
_HURRY_SECONDS = 5.0  # for a message, where calls without one are half of those there may be
_HEAD_BYTES = 16 * 1024  # of metadata


class GrpcServer:
    """The API over gRPC.

    Args:
        server: What it asks.
        address: `host:port` to listen on; port 0 takes a free one.
        credentials: Of TLS; without them it speaks in plain text.

    Raises:
        OSError: If the address is taken or not one of this machine.
    """

    def __init__(
        self, server: Server, address: str, credentials: grpc.ServerCredentials | None = None
    ):
        self._server = server
        self._silent = 0  # calls whose message is not there
        limits = server.limits
        self._grpc = grpc.aio.server(
            maximum_concurrent_rpcs=limits.connections,
            options=[
                ("grpc.max_receive_message_length", limits.body_bytes),
                ("grpc.max_send_message_length", -1),
                ("grpc.max_metadata_size", _HEAD_BYTES),
                ("grpc.so_reuseport", 0),  # a second server on the port is an error
            ],
        )
        self._grpc.add_generic_rpc_handlers(
            [
                grpc.method_handlers_generic_handler(
                    protos.PREDICTION_SERVICE,
                    {
                        "Predict": self._handler(self._predict, protos.PredictRequest),
                        "GetModelMetadata": self._handler(
                            self._get_model_metadata, protos.GetModelMetadataRequest
                        ),
                        "Classify": self._handler(self._other, protos.ClassificationRequest),
                        "Regress": self._handler(self._other, protos.RegressionRequest),
                    },
                ),
                grpc.method_handlers_generic_handler(
                    protos.MODEL_SERVICE,
                    {
                        "GetModelStatus": self._handler(
                            self._get_model_status, protos.GetModelStatusRequest
                        ),
                    },
                ),
            ]
        )
        try:
            if credentials is None:
                self.port = self._grpc.add_insecure_port(address)
            else:
                self.port = self._grpc.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"Cannot listen on {address}.") from error

    async def start(self) -> None:
        """Begins to answer."""
        await self._grpc.start()

    async def stop(self, grace_seconds: float) -> None:
        """Takes no calls any more, and returns when those under way are answered."""
        await self._grpc.stop(grace_seconds)

    def _handler(self, call: Callable[..., Awaitable], request: type) -> grpc.RpcMethodHandler:
        method = call.__name__.strip("_")

        async def answer(_, context: grpc.aio.ServicerContext):
            counted, used = self._server.counted("grpc", method), self._server.room.used()
            with counted as count, used as take:
                try:
                    content, seconds = await self._message(context)
                    take(len(content))
                    found = _parsed(request, content)
                    return await call(found, count, seconds)
                except Refusal as refused:
                    refusal = refused
                except asyncio.CancelledError:
                    count.code = Code.CANCELLED.name
                    raise
                except Exception as error:
                    refusal = defect(error)
                count.code = refusal.code.name
            await context.abort(_STATUS[refusal.code], truncated(refusal.message))

        # On the wire a stream of one message is the same. But gRPC calls `answer` at once, and not
        # when the message is there, for which it would wait without end.
        return grpc.stream_unary_rpc_method_handler(
            answer, response_serializer=lambda message: message.SerializeToString()
        )

    async def _message(self, context: grpc.aio.ServicerContext) -> tuple[bytes, float]:
        """Returns the message of a call, and the seconds that are left to answer it."""
        limits, begun = self._server.limits, time.monotonic()
        left = context.time_remaining()
        patience = limits.seconds
        if self._silent >= limits.connections // 2:  # soon there is no room for others
            patience = min(patience, _HURRY_SECONDS)
        self._silent += 1
        try:
            async with asyncio.timeout(patience):
                content = await context.read()
        except TimeoutError as error:
            raise Refusal(
                Code.DEADLINE_EXCEEDED, f"No whole message within {patience:g} s."
            ) from error
        finally:
            self._silent -= 1
        seconds = (limits.seconds if left is None else left) - (time.monotonic() - begun)
        if content is grpc.aio.EOF:
            # gRPC has told the client already, but tells nothing here.
            if seconds <= 0:
                raise Refusal(Code.DEADLINE_EXCEEDED, "The deadline passed before the message.")
            raise Refusal(
                Code.RESOURCE_EXHAUSTED,
                f"Expected a message of at most {limits.body_bytes} bytes.",
            )
        return content, max(0.0, seconds)

    async def _predict(self, request, count: Count, seconds: float):
        spec = _spec(request, count)
        name = request.model_spec.signature_name or "serving_default"
        with self._server.leased(spec) as version:
            version.signature(name, Code.FAILED_PRECONDITION)
            inputs = {
                alias: tensors.from_message(message, alias[:80])
                for alias, message in request.inputs.items()
            }
            outputs = await self._server.predict(
                version,
                name,
                inputs,
                seconds=seconds,
                outputs=request.output_filter,
            )
            response = protos.PredictResponse(
                model_spec=messages.model_spec(spec.name, version.number, name)
            )
        for alias, array in outputs.items():
            tensors.to_message(array, response.outputs[alias])
        return response

    async def _get_model_metadata(self, request, count: Count, seconds: float):
        spec = _spec(request, count)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _SIGNATURE_DEF:
                raise invalid(f"Metadata field {field[:80]} is not supported")
        with self._server.leased(spec) as version:
            response = protos.GetModelMetadataResponse(
                model_spec=messages.model_spec(spec.name, version.number)
            )
            response.metadata[_SIGNATURE_DEF].Pack(messages.signatures(version))
            return response

    async def _get_model_status(self, request, count: Count, seconds: float):
        return messages.status(self._server.statuses(_spec(request, count)))

    async def _other(self, request, count: Count, seconds: float):
        name = request.model_spec.signature_name or "serving_default"
        with self._server.leased(_spec(request, count)) as version:
            version.signature(name, Code.FAILED_PRECONDITION)
            raise invalid(messages.ONLY_PREDICT)


def _parsed(kind: type, content: bytes):
    """Returns a request; one that is none is the client's error, where gRPC would say INTERNAL."""
    try:
        return kind.FromString(content)
    except Exception as error:  # of protobuf's, which has a class for each implementation
        raise invalid("Expected a message of the API. Received: other bytes.") from error


def _spec(request, count: Count) -> Spec:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    found = request.model_spec
    if not found.name:
        raise invalid("ModelSpec has no name specified.")
    count.model = found.name
    chosen = found.WhichOneof("choice")
    return Spec(
        found.name,
        found.version.value if chosen == "version" else None,
        found.version_label if chosen == "version_label" else None,
    )
