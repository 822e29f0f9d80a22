"""Models behind TensorFlow Serving's API: a client of it, and a server that speaks it.

Importing this starts neither; `Client` is imported when it is asked for.
"""

import os
from typing import TYPE_CHECKING

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it prints of errors, it raises too

if TYPE_CHECKING:
    from zoo.serving.client import Client
    from zoo.serving.remote import ServerError, Tls

__all__ = ["Client", "ServerError", "Tls"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from zoo.serving import client

    return getattr(client, name)
