"""What a client and its two protocols say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from zoo.errors import ZooError
from zoo.serving.signatures import Signature
from zoo.serving.status import Code

_TOO_LARGE = "message larger than max"  # what gRPC says, in every language, of a message's size


@dataclass(frozen=True)
class Address:
    """Which model on which host is meant."""

    url: str
    model: str
    version: int | None = None
    label: str | None = None

    def __str__(self) -> str:
        if self.version is not None:
            return f"{self.model} version {self.version} on {self.url}"
        if self.label is not None:
            return f"{self.model} version {self.label!r} on {self.url}"
        return f"{self.model} on {self.url}"


class ServerError(ZooError):
    """A server that does not answer, or that refuses; the message names it and the model.

    Args:
        address: Who was asked.
        code: Why, as gRPC names it.
        message: What the server said.
    """

    def __init__(self, address: Address, code: Code, message: str):
        super().__init__(f"{address}: {code.name}: {' '.join(message.split())}")
        self.address = address
        self.code = code
        self.server_message = message

    @property
    def may_be_repeated(self) -> bool:
        """True if the same call may be answered a little later.

        Every call of the API only reads: what was answered in half can be asked again too. What is
        exhausted is the server's room, but for a message that is too large, and stays so.
        """
        if self.code is Code.RESOURCE_EXHAUSTED:
            return _TOO_LARGE not in self.server_message
        return self.code is Code.UNAVAILABLE


@dataclass(frozen=True)
class Tls:
    """Files in PEM for TLS.

    Args:
        roots: Certificates to trust instead of the system's.
        certificate: The client's own, for servers that ask for one.
        key: Of `certificate`; one file may hold both.

    Raises:
        ZooError: If only one of certificate and key is given.
    """

    roots: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None

    def __post_init__(self):
        if (self.certificate is None) != (self.key is None):
            raise ZooError(
                "Expected a certificate and its key. "
                f"Received: certificate={self.certificate}, key={self.key}."
            )


@dataclass(frozen=True)
class VersionStatus:
    """The state of a version on a server: AVAILABLE, LOADING, END, ..."""

    version: int
    state: str
    error: str = ""


class Remote(Protocol):
    """A protocol's calls. Each raises ServerError, and stops waiting after `seconds`."""

    def predict(
        self,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        outputs: Mapping[str, Signature],
        seconds: float,
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature; `outputs` are all of the server's signatures."""

    def signatures(self, seconds: float) -> dict[str, Signature]:
        """Returns the signatures of the model."""

    def status(self, seconds: float) -> Sequence[VersionStatus]:
        """Returns the state of the model's versions."""

    def close(self) -> None:
        """Lets go of the connection."""
