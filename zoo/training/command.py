"""The command line that every family's train script has."""

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from zoo import console
from zoo.config import Preset, override
from zoo.errors import ZooError, missing_extra
from zoo.models import preset as preset_named
from zoo.training.allocator import keep_freed_memory


def main(family: str, train: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Runs `train` as the command line asks, and starts no framework before it is understood.

    Args:
        family: Whose presets may be trained.
        train: `train(preset, output=..., data_dir=..., command=..., resume=...)`.
        arguments: Of the command line; None is the process's own.
    """

    @click.command(context_settings={"help_option_names": ["-h", "--help"]})
    @click.option(
        "--preset", "name", required=True, help="What to train; see `zoo list --presets`."
    )
    @click.option(
        "--set", "changes", multiple=True, metavar="FIELD=VALUE", help="Change a setting."
    )
    @click.option("--data", type=click.Path(path_type=Path), help="Folder of data sets.")
    @click.option("--output", type=click.Path(path_type=Path), help="New folder to train in.")
    @click.option("--resume", is_flag=True, help="Go on where a training in --output stopped.")
    def command(name, changes, data, output, resume):
        """Trains a preset and writes its model to a folder (runs/PRESET by default)."""
        preset: Preset = override(preset_named(name), changes)
        if preset.family != family:
            raise ZooError(f"{name} is a preset of the family {preset.family}, not of {family}.")
        words = ["python", "-m", f"zoo.models.{family}.train", "--preset", name]
        words += [word for change in changes for word in ("--set", change)]
        backend = os.environ.get("KERAS_BACKEND")
        keep_freed_memory()
        with console.native_notices_muted():
            try:
                import keras  # noqa: F401 (starts the backend, which announces itself)
            except ImportError as error:
                raise missing_extra(error.name, extra="train", purpose="Training") from error
        train(
            preset,
            output=output or Path("runs") / preset.name,
            data_dir=data,
            command=(f"KERAS_BACKEND={backend} " if backend else "") + shlex.join(words),
            resume=resume,
        )

    console.run(command, arguments)
