"""Options that several commands have, and how they print JSON."""

import json
from pathlib import Path

import click

from zoo.runtime.load import RUNTIMES

runtime = click.option(
    "--runtime", type=click.Choice(RUNTIMES), default="litert", show_default=True,
    help="What runs the model.",
)  # fmt: skip
story = click.option(
    "--story",
    type=click.Path(path_type=Path),
    help="File of a story, a sentence a line; TEXT and lines are questions about it.",
)
beam_size = click.option(
    "--beam-size",
    type=int,
    default=1,
    show_default=True,
    help="1 is greedy; a .tflite has one more.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def print_json(value) -> None:
    """Prints `value` for people and programs to read."""
    click.echo(json.dumps(value, indent=2))
