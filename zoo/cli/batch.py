"""`zoo batch`: files of rows by Apache Beam."""

import logging

import click

from zoo import console
from zoo.cli import options
from zoo.errors import missing_extra


@click.command()
@click.argument("name")
@click.option("--input", "inputs", multiple=True, required=True, help="Files: a pattern or URL.")
@click.option("--output", required=True, help="A new folder or URL, or that of the same job.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "jsonl", "parquet"]),
    help="Of the files; else by their names.",
)
@click.option("--field", default="text", show_default=True, help="Of an object, or the column.")
@click.option("--full", is_flag=True, help="Write tokens and alignment as well.")
@click.option(
    "--shard-rows",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Rows of a file of results, and what is done again after a stop.",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Of this machine, where no runner is named.",
)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "saved_model"]),
    default="litert",
    show_default=True,
    help="What runs the model.",
)
@options.beam_size
@click.argument("beam_options", nargs=-1, type=click.UNPROCESSED)
@console.native_notices_muted()
def batch(name: str, inputs: tuple[str, ...], beam_options: tuple[str, ...], format_, **options):
    """Run the model NAME over files of rows by Apache Beam, and print how many rows there were.

    BEAM_OPTIONS, after --, are Beam's own, such as --runner FlinkRunner. The same command goes on
    where an earlier one was interrupted.
    """
    logging.getLogger().setLevel(logging.ERROR)  # Beam warns of packages that nothing here needs
    try:
        from zoo.batch import run_batch
    except ImportError as error:
        raise missing_extra(error.name, extra="batch", purpose="zoo batch") from error
    counts = run_batch(name, inputs, format=format_, beam_options=beam_options, **options)
    click.echo(", ".join(f"{count} {what}" for what, count in counts.items()))
