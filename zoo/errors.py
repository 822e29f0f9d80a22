"""The one error that is meant for the user."""


class ZooError(ValueError):
    """Something the caller can put right: a wrong name, a broken file, a missing extra.

    The message is one line and says what was expected and what came. The command line prints it
    as it is and exits with status 1; every other exception is a defect and keeps its traceback.
    """


def missing_extra(module: str, *, extra: str, purpose: str) -> ZooError:
    """Returns the error for a package that is not installed, with the command that installs it."""
    return ZooError(
        f"{purpose} needs the package {module}, which is not installed. "
        f"Install it with: pip install 'attention-zoo[{extra}]'"
    )
