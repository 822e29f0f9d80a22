"""A client of TensorFlow Serving, or of `zoo serve`: texts in, results out."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import tenacity

from zoo import models, registry
from zoo.errors import ZooError, missing_extra
from zoo.runtime.inputs import as_stories, as_texts
from zoo.runtime.load import Model, model_on
from zoo.runtime.on_strings import ON_STRINGS, answers, results, story_inputs, text_inputs
from zoo.serving.remote import Address, Remote, ServerError, Tls, VersionStatus
from zoo.serving.signatures import DEFAULT, Signature, Tensor, of_manifest

_ATTEMPTS = 6
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds; at random up to these, so that clients spread

T = TypeVar("T")


class Client:
    """A model on a server: call it as one that `zoo.load` returned.

        with Client("grpc://localhost:8500", model="seq2seq_attention_dates") as client:
            client(["september 27, 1994"])[0].text  # "1994-09-27"

    What may be repeated is repeated, with pauses that grow, until the deadline: a server that
    cannot be reached, stops, or has its queue full.

    Args:
        url: `grpc://host:8500` or `http://host:8501`; `grpcs://` and `https://` with TLS.
        model: Its name on the server.
        version: The number of the version to ask; None asks the newest.
        label: The label of the version, instead.
        local: What the model is here, a name or a folder; `model` where it is None. With its
            manifest, longer texts are told and `n_best` and sequences work; without it, texts and
            stories do.
        deadline: Seconds for a call, repetitions included.
        metadata: Sent with every call: metadata by gRPC, headers by REST.
        tls: Files for TLS; None trusts what the system does.
        batch_size: Inputs of one call.

    Raises:
        ZooError: If the URL is none of these, a file cannot be read, or an extra is missing.
    """

    length_step = 1  # as an engine: no sequence is padded further than its batch

    def __init__(
        self,
        url: str,
        *,
        model: str,
        version: int | None = None,
        label: str | None = None,
        local: str | Path | None = None,
        deadline: float = 30.0,
        metadata: Mapping[str, str] | None = None,
        tls: Tls | None = None,
        batch_size: int = 64,
    ):
        if version is not None and label is not None:
            raise ZooError("Give either a version or a label, not both.")
        if deadline <= 0 or batch_size < 1:
            raise ZooError(
                "Expected a deadline above 0 and a batch size of at least 1. "
                f"Received: {deadline} and {batch_size}."
            )
        self.address = Address(url, model, version, label)
        self.batch_size = batch_size
        self._deadline = deadline
        self._remote = _opened(self.address, tls, metadata or {})
        self._local = model if local is None else local
        self._signatures: dict[str, Signature] | None = None
        self._model: Model | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the connection."""
        self._remote.close()

    def __call__(self, inputs: Iterable[Any], *, first_line: int = 1) -> list:
        """Returns one result an input, in order; see the model that `zoo.load` returns.

        Args:
            inputs: Texts, stories or sequences.
            first_line: The line number of the first input, for warnings.

        Raises:
            ServerError: If the server does not answer, or refuses.
            ZooError: If the inputs are wrong, or need a manifest that is not here.
        """
        if self._model is not None or self._has_manifest():
            return self.model(inputs, first_line=first_line)
        names = set(self.signatures()[DEFAULT].inputs)
        if names == {"text"}:
            return self._in_batches(
                as_texts(inputs), lambda batch: results(self.predict(text_inputs(batch)))
            )
        if names == {"story", "question"}:
            return self._in_batches(
                as_stories(inputs), lambda batch: answers(self.predict(story_inputs(batch)), batch)
            )
        raise ZooError(
            f"{self.address} takes {', '.join(sorted(names))}. To be called with anything "
            "but arrays, it needs the model's manifest: give local=, a name or a folder."
        )

    def _in_batches(self, inputs: list, ask: Callable[[list], list]) -> list:
        size = self.batch_size
        return [
            x for start in range(0, len(inputs), size) for x in ask(inputs[start : start + size])
        ]

    def read(self, line: str):
        """Returns what the model is called with for a line of a file."""
        return self.model.read(line)

    @property
    def model(self) -> Model:
        """The model over this server, as `zoo.load` would return it, by the local manifest.

        Raises:
            ZooError: If the manifest is not here, or is not that of the server's model.
        """
        if self._model is None:
            artefact = registry.resolve(self._local)
            preset = models.trained_preset(artefact.manifest)
            self.check()
            strings = any(x.dtype == "object" for x in self.signatures()[DEFAULT].inputs.values())
            kinds = {"kinds": ON_STRINGS} if strings else {}
            self._model = model_on(self, preset, artefact, **kinds)
        return self._model

    def predict(
        self, inputs: Mapping[str, np.ndarray], *, signature: str = DEFAULT
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature for arrays; strings are bytes in arrays of objects.

        Raises:
            ServerError: If the server does not answer, or refuses.
        """
        known = self.signatures()
        return self._repeated(
            lambda seconds: self._remote.predict(signature, inputs, known, seconds)
        )

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature`, as the engines of `zoo.runtime` do."""
        return self.predict(inputs, signature=signature)

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, in order."""
        return [self.predict(batch, signature=signature) for batch in batches]

    def signatures(self) -> dict[str, Signature]:
        """Returns the signatures of the model, by name; asked for once.

        Raises:
            ServerError: If the server does not answer, or refuses.
        """
        if self._signatures is None:
            self._signatures = self._repeated(self._remote.signatures)
        return self._signatures

    def status(self) -> list[VersionStatus]:
        """Returns the state of each of the model's versions.

        Raises:
            ServerError: If the server does not answer, or refuses.
        """
        return list(self._repeated(self._remote.status))

    def check(self) -> None:
        """Checks that the server's model has the signatures of the local manifest.

        Raises:
            ServerError: If the server does not answer, or refuses.
            ZooError: If there is no such manifest here, or a signature is another.
        """
        artefact = registry.resolve(self._local)
        modality = models.trained_preset(artefact.manifest).modality
        found = self.signatures()
        ids_only = "generate" in found and found[DEFAULT].inputs == found["generate"].inputs
        for name, expected in of_manifest(artefact.manifest, modality=modality).items():
            if name == DEFAULT and ids_only:
                continue
            self._require(name, expected, found)

    def _require(self, name: str, expected: Signature, found: Mapping[str, Signature]) -> None:
        if name not in found:
            raise ZooError(f"Expected a signature {name} of {self.address}. It has none.")
        for kind in ("inputs", "outputs"):
            wanted, served = getattr(expected, kind), getattr(found[name], kind)
            # The axis after the rows of what a search gives is that of the beam.
            skip = 1 if name == "generate" and kind == "outputs" else None
            if _shapes(wanted, skip) != _shapes(served, skip):
                raise ZooError(
                    f"Expected of {self.address} that {kind} of {name} are those of the manifest "
                    f"of {self._local}: {_said(wanted)}. Received: {_said(served)}."
                )

    def _has_manifest(self) -> bool:
        try:
            registry.resolve(self._local)
        except ZooError:
            return False
        return True

    def _repeated(self, call: Callable[[float], T]) -> T:
        until = time.monotonic() + self._deadline
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: isinstance(error, ServerError) and error.may_be_repeated
            ),
            stop=tenacity.stop_after_attempt(_ATTEMPTS)
            | tenacity.stop_before_delay(self._deadline),
            wait=tenacity.wait_random_exponential(_FIRST_PAUSE, max=_LONGEST_PAUSE),
            reraise=True,
        )
        return attempts(lambda: call(max(0.001, until - time.monotonic())))


def _opened(address: Address, tls: Tls | None, metadata: Mapping[str, str]) -> Remote:
    scheme, _, rest = address.url.partition("://")
    host = urlsplit(address.url)
    try:
        port = host.port
    except ValueError:  # no number, or one that is no port
        port = -1
    known = scheme in ("grpc", "grpcs", "http", "https")
    if not known or not host.hostname or port == -1 or (port is None and "grpc" in scheme):
        raise ZooError(
            "Expected the URL of a server: grpc://host:8500, http://host:8501, or grpcs:// or "
            f"https:// for TLS. Received: {address.url}"
        )
    if tls is not None and scheme in ("grpc", "http"):
        raise ZooError(f"TLS is for grpcs:// and https://. Received: {address.url}")
    if scheme.endswith("s"):
        tls = tls or Tls()
    try:
        if scheme.startswith("grpc"):
            from zoo.serving.remote_grpc import GrpcRemote

            return GrpcRemote(address, rest.rstrip("/"), tls, metadata)
        from zoo.serving.remote_http import HttpRemote

        return HttpRemote(address, address.url.rstrip("/"), tls, metadata)
    except ImportError as error:
        raise missing_extra(error.name, extra="serve", purpose="A client") from error


def _shapes(tensors: Mapping[str, Tensor], skip: int | None) -> dict[str, tuple]:
    return {
        name: (x.dtype, tuple(size for axis, size in enumerate(x.shape) if axis != skip))
        for name, x in tensors.items()
    }


def _said(tensors: Mapping[str, Tensor]) -> str:
    return ", ".join(f"{name} {x.type_name} {list(x.shape)}" for name, x in sorted(tensors.items()))
