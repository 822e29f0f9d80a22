"""`zoo export` and `zoo deploy`: files for servers and devices."""

from pathlib import Path

import click

from zoo import console, paths, registry
from zoo.errors import ZooError, missing_extra


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--format", "format_", type=click.Choice(["saved_model", "litert"]), required=True)
@click.option(
    "--to",
    type=click.Path(path_type=Path),
    help="Writes TO/NAME/VERSION; default FORMAT or bundle.",
)
@click.option(
    "--quantize", type=click.Choice(["none", "float16", "int8"]), help="litert: int8 by default."
)
@click.option("--beam-size", type=int, help="saved_model: 1 by default. litert: of generate_beam.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), help="litert: inputs of a call; 1 by default."
)
@click.option("--ids-only", is_flag=True, help="saved_model: token ids in and out, core operators.")
@click.option("--xla", is_flag=True, help="saved_model: compile the loop.")
@click.option(
    "--bundle", is_flag=True, help="litert: all that an app needs; a zip where TO ends in .zip."
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    help="saved_model: remove all but so many of the newest versions.",
)
@console.native_notices_muted()
def export(
    names: tuple[str, ...],
    format_: str,
    to: Path | None,
    quantize: str | None,
    beam_size: int | None,
    batch_size: int | None,
    ids_only: bool,
    xla: bool,
    bundle: bool,
    keep: int | None,
):
    """Export each model NAME, or the training in the folder NAME, and print the folder written.

    saved_model: for TensorFlow Serving, strings in and strings out; TO is its base path, with
    models.config, batching.config and monitoring.config. litert: model.tflite, with the signatures
    generate, generate_beam, start and step.
    """
    if format_ == "litert" and (ids_only or xla or keep is not None):
        raise click.UsageError("--ids-only, --xla and --keep are options of --format saved_model.")
    if format_ == "saved_model" and (quantize or bundle or batch_size):
        raise click.UsageError(
            "--quantize, --batch-size and --bundle are options of --format litert."
        )
    if to and to.suffix == ".zip" and not bundle:
        raise click.UsageError("A zip is what --bundle writes.")
    if bundle and batch_size:
        raise click.UsageError("--batch-size is no option of --bundle: an app asks one at a time.")
    if beam_size is not None and beam_size < 1:
        raise ZooError(f"beam_size must be at least 1. Received: {beam_size}.")
    base = to or Path("bundle" if bundle else format_)
    # Each before the seconds that TensorFlow takes to start.
    sources = [registry.resolve(name) for name in names]
    folders = [base / source.name / str(source.version) for source in sources]
    if bundle and base.suffix == ".zip":
        if len(names) > 1:
            raise ZooError(f"A zip holds one model. Received: {', '.join(names)}.")
        folders = [base]
    for folder in folders:
        if folder.suffix != ".zip":
            paths.require_new_folder(folder)
    if len(set(folders)) < len(folders):
        raise ZooError(f"Expected each model once. Received: {', '.join(names)}.")
    try:
        if bundle:
            from zoo.export.bundle import export_bundle

            for source, folder in zip(sources, folders, strict=True):
                click.echo(export_bundle(source, folder, quantize=quantize, beam_size=beam_size))
        elif format_ == "litert":
            from zoo.export.litert import export_litert

            for source, folder in zip(sources, folders, strict=True):
                export_litert(
                    source,
                    folder,
                    quantize=quantize or "int8",
                    beam_size=beam_size,
                    batch_size=batch_size or 1,
                )
                click.echo(folder)
        else:
            from zoo.serving import layout

            for source in sources:
                layout.require_room(source, base, keep=keep)
            options = {"beam_size": beam_size or 1, "ids_only": ids_only, "xla": xla}
            for source in sources:
                click.echo(layout.add_version(source, base, keep=keep, **options).folder)
    except ImportError as error:
        raise missing_extra(error.name, extra="train", purpose="Exporting") from error


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--target", type=click.Choice(["compose", "kubernetes", "kserve"]), required=True,
    help="What starts the server.",
)  # fmt: skip
@click.option("--to", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option(
    "--models", type=click.Path(path_type=Path), default="models", show_default=True,
    help="What `zoo export --format saved_model --to` wrote.",
)  # fmt: skip
@click.option("--image", help="Of TensorFlow Serving, instead of the one pinned here.")
@click.option("--cpus", type=click.IntRange(min=1), default=2, show_default=True, help="A server.")
def deploy(
    names: tuple[str, ...], target: str, to: Path, models: Path, image: str | None, cpus: int
):
    """Write files that start TensorFlow Serving's image with each model NAME, and print them."""
    from zoo.serving.deploy import IMAGE, deploy

    for file in deploy(names, target, to, base=models, image=image or IMAGE, cpus=cpus):
        click.echo(file)
