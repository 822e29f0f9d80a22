"""Text that UTF-8 can hold.

A string of Python's can hold half of a surrogate pair: the command line gives one for a byte that
is not UTF-8, and JSON writes one as an escape.
"""

from zoo.errors import ZooError

_SHOWN = 80  # characters


def require_utf8(text: str, name: str) -> str:
    """Returns `text`.

    Args:
        text: From outside.
        name: What it is, for the error.

    Raises:
        ZooError: If UTF-8 cannot hold it.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ZooError(f"Expected UTF-8. {name} is not: {text[:_SHOWN]!r}.") from error
    return text
