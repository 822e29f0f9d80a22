"""The command line `zoo`.

Results go to standard output, messages and progress to standard error; `zoo.console` has the exit
statuses.
"""

import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import click

import zoo
from zoo import console, models, registry
from zoo.cli import options
from zoo.cli.batch import batch
from zoo.cli.export import deploy, export
from zoo.cli.run import attend, run
from zoo.cli.serve import serve
from zoo.errors import ZooError
from zoo.runtime.load import load


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli():
    """Attention models: pull them, run them, look at them, export them."""


@cli.command("list")
@click.option("--presets", is_flag=True, help="What can be trained, instead of what is published.")
@options.as_json
def list_command(presets: bool, as_json: bool):
    """List the published models."""
    if presets:
        rows = {name: preset.summary for name, preset in models.presets().items()}
    else:
        rows = {name: facts["summary"] for name, facts in registry.Registry().models().items()}
    if as_json:
        options.print_json([{"name": name, "summary": summary} for name, summary in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, summary in rows.items():
        click.echo(f"{name:{width}}  {summary}")


@cli.command()
@click.argument("name")
@options.as_json
def info(name: str, as_json: bool):
    """Show what is known about the model NAME: its card, or with --json its manifest."""
    manifest = registry.resolve(name).manifest
    if as_json:
        options.print_json(manifest)
    else:
        from zoo.export.card import card

        click.echo(card(manifest), nl=False)


@cli.command()
@click.argument("name")
@click.option("--to", type=click.Path(path_type=Path), help="Copy it to TO/NAME/VERSION instead.")
def pull(name: str, to: Path | None):
    """Fetch the model NAME into the cache, and print its folder."""
    click.echo(registry.Registry().pull(name, to=to).folder)


@cli.command()
@click.argument("name")
@click.option("--split", help="Of the data set: test, unless another is named.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of data sets.")
@click.option(
    "--source", type=click.Path(path_type=Path), help="Measure on this file's lines instead."
)
@click.option(
    "--reference",
    "references",
    type=click.Path(path_type=Path),
    multiple=True,
    help="What is right for the lines of --source; may be given again.",
)
@options.runtime
@options.beam_size
@options.as_json
@console.native_notices_muted()
def evaluate(
    name: str,
    split: str | None,
    data: Path | None,
    source: Path | None,
    references: tuple[Path, ...],
    runtime: str,
    beam_size: int,
    as_json: bool,
):
    """Measure the model NAME on a split of the data set that it was trained on, or on your files.

    A file holds a text a line and may be compressed by gzip.
    """
    if (source is None) == bool(references):
        raise click.UsageError("--source and --reference go together.")
    if source is not None and (split or data):
        raise click.UsageError("--split and --data are of a data set, not of --source.")
    from zoo import evaluation
    from zoo.data import open_data
    from zoo.data.dataset import read_parallel_files
    from zoo.export.card import shown_score, signatures_of

    artefact = registry.resolve(name)
    preset = models.trained_preset(artefact.manifest)
    if source is None:
        dataset, split = open_data(preset, data_dir=data), split or "test"
        dataset.require_split(split)
    elif preset.modality == "text":
        dataset, split = read_parallel_files(preset.data, source, references), source.name
    else:
        raise ZooError(f"--source is for models from text to text. {name} is none.")
    model = load(artefact, runtime=runtime, beam_size=beam_size)
    scores = {"model": name, "runtime": runtime, **evaluation.evaluate(model, dataset, split=split)}
    if as_json:
        options.print_json(scores)
    else:
        measured = {scores["metric"]: scores["value"], **scores.get("also", {})}
        values = ", ".join(f"{name} {shown_score(name, x)}" for name, x in measured.items())
        click.echo(
            f"{name} {runtime}: {values} on {scores['rows']} rows of {split}, "
            f"{scores['seconds']} seconds"
        )
        for sizes, bits in scores.get(f"{scores['metric']}_by_size", {}).items():
            counted = scores["metric"].replace("_", " ")
            click.echo(f"{counted} of a sequence at size {sizes}: {bits}")
        for task, error in scores.get("error_by_task", {}).items():
            click.echo(f"error of task {task}: {error:.1%}")
        for metric, signature in signatures_of(scores).items():
            click.echo(f"signature of {metric}: {signature}")


@cli.command()
@click.argument("name", required=False)
@click.option("--bundle", type=click.Path(path_type=Path), help="Time this device bundle instead.")
@click.option("--threads", type=click.IntRange(min=1), help="Of --bundle: 1 by default.")
@click.option("--calls", type=int, default=200, show_default=True, help="How many to time.")
@options.as_json
@console.native_notices_muted()
def benchmark(
    name: str | None, bundle: Path | None, threads: int | None, calls: int, as_json: bool
):
    """Time the model NAME on every runtime that is installed, one input a call."""
    if (name is None) == (bundle is None):
        raise click.UsageError("Give either NAME or --bundle.")
    if threads and not bundle:
        raise click.UsageError("--threads is an option of --bundle.")
    if bundle is not None:
        from zoo.runtime.benchmark_bundle import benchmark_bundle, table

        if zipfile.is_zipfile(bundle):
            raise ZooError(f"Expected a folder. {bundle} is a zip: unpack it, and name the folder.")
        rows = benchmark_bundle(registry.resolve(bundle), threads=threads or 1, calls=calls)
    else:
        from zoo.runtime.benchmark import benchmark, table

        rows = benchmark(registry.resolve(name), calls=calls)
    if as_json:
        options.print_json(rows)
    else:
        click.echo(table(rows))
    if all("error" in row for row in rows):
        sys.exit(1)


for command in (run, attend, export, deploy, serve, batch):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; `arguments` are the process's own where None."""
    console.run(cli, arguments)
