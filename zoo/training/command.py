"""The command line that every family's train script has."""

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from zoo.config import Preset, override
from zoo.errors import ZooError
from zoo.models import preset as preset_named


def main(family: str, train: Callable[..., None], arguments: Sequence[str] | None = None) -> None:
    """Runs `train` as the command line asks.

    Args:
        family: Whose presets may be trained.
        train: `train(preset, output=..., data_dir=..., command=..., resume=...)`.
        arguments: Of the command line; None is the process's own.
    """

    @click.command(name=f"python -m zoo.models.{family}.train")
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
        train(
            preset,
            output=output or Path("runs") / preset.name,
            data_dir=data,
            command=(f"KERAS_BACKEND={backend} " if backend else "") + shlex.join(words),
            resume=resume,
        )

    try:
        command.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (ZooError, click.Abort) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
