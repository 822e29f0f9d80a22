"""How a server says that it cannot answer: the codes that gRPC and REST share."""

import enum
import logging
import traceback
from pathlib import Path

_LOG = logging.getLogger("zoo")


class Code(enum.Enum):
    """A reason, by gRPC's name: its number, and the HTTP status that it has by REST."""

    CANCELLED = (1, 499)
    INVALID_ARGUMENT = (3, 400)
    DEADLINE_EXCEEDED = (4, 504)
    NOT_FOUND = (5, 404)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 400)
    UNIMPLEMENTED = (12, 501)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)

    def __init__(self, number: int, http: int):
        self.number = number
        self.http = http


class Refusal(Exception):
    """A request that is not answered.

    Args:
        code: Why.
        message: What was expected and what came, one line, for the client. It may quote the input,
            so it goes into no log.
    """

    def __init__(self, code: Code, message: str):
        super().__init__(code, message)  # both, so that a worker's refusal can be unpickled
        self.code = code
        self.message = message


def invalid(message: str) -> Refusal:
    """Returns the refusal of a request that is wrong whatever the state of the server."""
    return Refusal(Code.INVALID_ARGUMENT, message)


def defect(error: Exception) -> Refusal:
    """Logs an error that is the server's own, and returns what the client hears of it."""
    _LOG.error("A defect of the server: %s.", kind_and_place(error))
    return Refusal(Code.INTERNAL, "The server failed to answer.")


def kind_and_place(error: Exception) -> str:
    """Returns what an error is and where it happened, but not its message, which may quote input.

    The place is the last one in this package.
    """
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "zoo" in Path(frame.filename).parts] or frames[-1:]
    place = "".join(f" in {Path(x.filename).name}:{x.lineno}" for x in ours[-1:])
    return type(error).__name__ + place


_LONGEST = 1024  # characters; longer details overrun what gRPC clients take as trailing headers


def truncated(message: str) -> str:
    """Returns `message` as short as TensorFlow Serving makes it."""
    return message if len(message) <= _LONGEST else f"{message[:_LONGEST]}...TRUNCATED"
