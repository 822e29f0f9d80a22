"""A process that holds one version of a model and runs its signatures.

A model is native code on the input of strangers. In a process of its own it can end badly without
taking the server or another version with it, and what it held is given back whole.
"""

import contextlib
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.serving.signatures import Signature
from zoo.serving.status import Refusal, kind_and_place


@dataclass(frozen=True)
class Source:
    """What a worker loads."""

    folder: Path
    runtime: str  # litert or saved_model
    beam_size: int = 1


@dataclass(frozen=True)
class Loaded:
    """What a worker says when it is ready."""

    signatures: dict[str, Signature]
    rows_together: bool  # whether several rows in one call cost less than one by one


@dataclass(frozen=True)
class Failed:
    """Says that loading or running failed, and the reason, for the log."""

    reason: str


def main(connection: Connection, source: Source) -> None:
    """Loads `source`, says so, and answers `(signature, inputs)` until the other end closes."""
    # A stop is the server's to decide: Ctrl-C reaches the whole group of processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # What native libraries announce of themselves at any time is no message of the server.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            model = _opened(source)
        except Exception as error:  # whatever is wrong with a version, the server goes on
            connection.send(Failed(_reason(error)))
            return
        connection.send(Loaded(model.signatures, model.rows_together))
        while True:
            signature, inputs = connection.recv()
            connection.send(_answer(model, signature, inputs))


def _opened(source: Source):
    artefact = Artefact.open(source.folder)
    if source.runtime == "litert":
        from zoo.serving.litert_model import LiteRTModel as kind
    else:
        from zoo.serving.saved_model import SavedModel as kind
    return kind(artefact, beam_size=source.beam_size)


def _answer(model, signature: str, inputs: dict):
    try:
        return model.run(signature, inputs)
    except Refusal as refusal:
        return refusal
    except Exception as error:
        return Failed(_reason(error))


def _reason(error: Exception) -> str:
    """Returns an error in one line; of one that is no ZooError nothing that quotes the input."""
    if isinstance(error, ZooError):
        return " ".join(str(error).split())
    return kind_and_place(error)
