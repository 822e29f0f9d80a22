"""What is below both protocols: models, the way of a request, limits and counts."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import prometheus_client as prometheus

from zoo.errors import ZooError
from zoo.serving import tensors
from zoo.serving.job import Job
from zoo.serving.pool import Batching, Pool
from zoo.serving.signatures import Signature
from zoo.serving.status import Code, Refusal, invalid
from zoo.serving.versions import Found, Model, Version
from zoo.serving.worker import Source

_LOG = logging.getLogger("zoo")
_MIB = 1 << 20
# Milliseconds to tens of seconds.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass(frozen=True)
class Limits:
    """What a server takes, so that no client can make it grow without bound.

    Args:
        body_bytes: Of one request.
        bodies_bytes: Of all requests at once, from the first byte of one until it is answered.
        text_bytes: Of one text; models read some hundred tokens, and a tokenizer reads all.
        rows: Of one request.
        waiting_rows: In the queue of a version.
        connections: Open at once, by REST; and calls at once, by gRPC.
        seconds: For a request by REST, from its first byte; by gRPC where it states no deadline.
        idle_seconds: That a connection is kept without a request.
    """

    body_bytes: int = 64 * _MIB
    bodies_bytes: int = 256 * _MIB
    text_bytes: int = 64 * 1024
    rows: int = 1024
    waiting_rows: int = 4096
    connections: int = 1024
    seconds: float = 30.0
    idle_seconds: float = 60.0


class Room:
    """Bytes that requests hold at one time, all together; for one thread.

    Args:
        size: How many there may be.
    """

    def __init__(self, size: int):
        self._free = size

    @contextlib.contextmanager
    def used(self) -> Iterator[Callable[[int], None]]:
        """Gives a function that takes so many bytes, which are given back after the block.

        A negative number gives some back at once. It raises Refusal where there is no room.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            if size > self._free:
                raise Refusal(
                    Code.RESOURCE_EXHAUSTED,
                    "The server holds as many bytes of requests as it may. Try again later.",
                )
            self._free -= size
            taken += size

        try:
            yield take
        finally:
            self._free += taken


class Metrics:
    """Counts for Prometheus; `model` is a served name or empty, so that clients add no series."""

    def __init__(self):
        self.registry = prometheus.CollectorRegistry()
        self.requests = prometheus.Counter(
            "zoo_requests", "Requests answered, by the code of the answer.",
            ["protocol", "method", "model", "code"], registry=self.registry,
        )  # fmt: skip
        self.seconds = prometheus.Histogram(
            "zoo_request_seconds", "From the request's arrival to its answer.",
            ["protocol", "method", "model"], buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.batch_rows = prometheus.Histogram(
            "zoo_batch_rows", "Rows of one call of a model.", ["model"],
            buckets=(1, 2, 4, 8, 16, 32, 64, 128), registry=self.registry,
        )  # fmt: skip
        self.deaths = prometheus.Counter(
            "zoo_worker_deaths", "Processes that ended and were replaced.", ["model"],
            registry=self.registry,
        )  # fmt: skip
        self.waiting = prometheus.Gauge(
            "zoo_waiting_rows", "Rows in the queue.", ["model", "version"], registry=self.registry
        )
        self.workers = prometheus.Gauge(
            "zoo_workers", "Processes that run a version.", ["model", "version"],
            registry=self.registry,
        )  # fmt: skip

    def page(self, models: Mapping[str, Model]) -> bytes:
        """Returns all counts in Prometheus's text format."""
        for gauge in (self.waiting, self.workers):
            gauge.clear()
        for model in models.values():
            for version in model.versions.values():
                if version.state == "AVAILABLE":
                    names = (model.name, str(version.number))
                    self.waiting.labels(*names).set(version.pool.waiting)
                    self.workers.labels(*names).set(len(version.pool.processes))
        return prometheus.generate_latest(self.registry)


@dataclass(frozen=True)
class Spec:
    """Which model is meant: its name, and a version's number or label or neither."""

    name: str
    version: int | None = None
    label: str | None = None


class Server:
    """Models behind one door, whatever the protocol.

    Args:
        models: Where they lie.
        runtime: What runs them, litert or saved_model.
        beam_size: Of the search.
        workers: Processes a version.
        batching: How rows are put together.
        limits: What it takes.
        keep: How many of a model's newest versions are served.
        labels: The numbers of versions by label, by the model's name.
        poll_seconds: Between looks for new versions.
    """

    def __init__(
        self,
        models: Sequence[Found],
        *,
        runtime: str,
        workers: int,
        beam_size: int = 1,
        batching: Batching | None = None,
        limits: Limits | None = None,
        keep: int = 1,
        labels: Mapping[str, Mapping[str, int]] | None = None,
        poll_seconds: float = 2.0,
    ):
        self.limits = limits or Limits()
        self.room = Room(self.limits.bodies_bytes)
        self.metrics = Metrics()
        self._poll_seconds = poll_seconds
        labels = labels or {}
        if unknown := labels.keys() - {found.name for found in models}:
            raise ZooError(f"A label is for a model that is not served: {', '.join(unknown)}.")
        self.models: dict[str, Model] = {}
        for found in models:
            if found.name in self.models:
                raise ZooError(f"Two of the models are named {found.name}.")

            def pool(source: Source, name: str = found.name) -> Pool:
                return Pool(
                    source,
                    workers=workers,
                    batching=batching or Batching(),
                    most_waiting=self.limits.waiting_rows,
                    seconds=self.limits.seconds,
                    on_batch=self.metrics.batch_rows.labels(name).observe,
                    on_death=self.metrics.deaths.labels(name).inc,
                )

            self.models[found.name] = Model(
                found,
                pool=pool,
                source=lambda folder: Source(folder, runtime, beam_size),
                keep=keep,
                labels=labels.get(found.name),
            )

    async def start(self) -> None:
        """Loads every model.

        Raises:
            ZooError: If one has no version that can be loaded.
        """
        try:
            for model in self.models.values():
                errors = await model.refresh()
                if not any(x.state == "AVAILABLE" for x in model.versions.values()):
                    raise ZooError("; ".join(errors) or f"{model.name} has no version any more.")
                _tell(errors)
        except BaseException:
            await self.close()
            raise

    async def watch(self) -> None:
        """Looks for new versions until it is cancelled."""
        told: dict[str, str] = {}
        while True:
            await asyncio.sleep(self._poll_seconds)
            for model in self.models.values():
                try:
                    _tell(await model.refresh())
                    told.pop(model.name, None)
                except (ZooError, OSError) as error:  # of the registry; what is loaded goes on
                    if told.get(model.name) != str(error):
                        told[model.name] = str(error)
                        _LOG.error("Versions of %s cannot be listed: %s", model.name, error)

    async def close(self) -> None:
        """Ends every model once what was accepted is answered."""
        await asyncio.gather(*(model.close() for model in self.models.values()))

    def abort(self) -> None:
        """Ends every process now, so that what waits is refused and `close` returns."""
        for model in self.models.values():
            model.abort()

    def model(self, name: str) -> Model:
        """Returns a served model.

        Raises:
            Refusal: If there is none of that name.
        """
        if not name:
            raise invalid("Missing model name in request.")
        if name not in self.models:
            raise Refusal(Code.NOT_FOUND, f"Servable not found for request: Latest({name[:80]})")
        return self.models[name]

    @contextlib.contextmanager
    def leased(self, spec: Spec) -> Iterator[Version]:
        """Holds the version that is meant while a request is on its way.

        Raises:
            Refusal: If there is none.
        """
        with self.model(spec.name).get(spec.version, spec.label).lease() as version:
            yield version

    def statuses(self, spec: Spec) -> list[Version]:
        """Returns the version that is meant, or all, by number; a label says nothing here.

        Raises:
            Refusal: If there is none.
        """
        if spec.name not in self.models and spec.name:
            raise Refusal(Code.NOT_FOUND, f"Could not find any versions of model {spec.name[:80]}")
        versions = self.model(spec.name).versions
        if spec.version is None:
            return [versions[number] for number in sorted(versions)]
        if spec.version not in versions:
            raise Refusal(
                Code.NOT_FOUND, f"Could not find version {spec.version} of model {spec.name}"
            )
        return [versions[spec.version]]

    async def predict(
        self,
        version: Version,
        name: str,
        inputs: Mapping[str, np.ndarray],
        *,
        seconds: float,
        outputs: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Returns what a leased version answers.

        Args:
            version: The version.
            name: Of its signature.
            inputs: As the client sent them.
            seconds: Until nobody waits any more.
            outputs: Which of the signature's to return; none stands for all.

        Raises:
            Refusal: If the inputs do not fit, the queue is full, the time is over, or it fails.
        """
        signature = version.signatures[name]
        _require_outputs(outputs, signature)
        tensors.check(inputs, signature)
        _require_short(inputs, self.limits.text_bytes)
        by_rows = frozenset(alias for alias, x in signature.inputs.items() if x.has_rows)
        rows = len(inputs[min(by_rows)]) if by_rows else 1
        if rows > self.limits.rows:
            raise invalid(f"A request has at most {self.limits.rows} rows. Received: {rows}.")
        if rows:
            found = await _answered(version, name, dict(inputs), rows, by_rows, seconds)
        else:
            found = {
                alias: np.zeros([max(size, 0) for size in x.shape], x.dtype)
                for alias, x in signature.outputs.items()
            }
        return {alias: found[alias] for alias in outputs} if outputs else found

    @contextlib.contextmanager
    def counted(self, protocol: str, method: str) -> Iterator["Count"]:
        """Counts a request, whose model and code are set in the block, and logs a refused one."""
        count = Count()
        begun = time.perf_counter()
        try:
            yield count
        finally:
            model = count.model if count.model in self.models else ""
            self.metrics.requests.labels(protocol, method, model, count.code).inc()
            self.metrics.seconds.labels(protocol, method, model).observe(
                time.perf_counter() - begun
            )
            if count.code != "OK":
                # Neither the message nor the path, which may hold what a client sent.
                _LOG.warning("%s %s %s: %s", protocol, method, model or "-", count.code)


def _tell(errors: Sequence[str]) -> None:
    for error in errors:
        _LOG.error("%s", error)


@dataclass
class Count:
    """What is known of a request when it is answered."""

    model: str = ""
    code: str = "OK"


async def _answered(
    version: Version,
    name: str,
    inputs: dict[str, np.ndarray],
    rows: int,
    by_rows: frozenset[str],
    seconds: float,
) -> dict[str, np.ndarray]:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(result) -> None:
        if not future.done():
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def done(result) -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed in the meantime
            loop.call_soon_threadsafe(settle, result)

    job = Job(name, inputs, rows, by_rows, time.monotonic() + seconds, done)
    version.pool.submit(job)
    try:
        async with asyncio.timeout(seconds):
            return await future
    except TimeoutError as error:
        raise Refusal(Code.DEADLINE_EXCEEDED, f"No answer within {seconds:.3g} s.") from error
    finally:
        if not future.done() or future.cancelled():
            version.pool.abandon(job)


def _require_short(inputs: Mapping[str, np.ndarray], limit: int) -> None:
    for name, array in inputs.items():
        if array.dtype.kind == "O" and (longest := max(map(len, array.flat), default=0)) > limit:
            raise invalid(
                f"Expected texts of at most {limit} bytes in input {name[:80]}. "
                f"Received: {longest}."
            )


def _require_outputs(outputs: Sequence[str], signature: Signature) -> None:
    for alias in outputs:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias[:80]} Outputs expected to be "
                f"in the set {{{','.join(sorted(signature.outputs))}}}."
            )
    if len(set(outputs)) < len(outputs):
        raise invalid("duplicate output tensor alias")
