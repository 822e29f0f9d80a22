"""`zoo serve`: models by TensorFlow Serving's API."""

from pathlib import Path

import click

from zoo.cli import options
from zoo.errors import missing_extra


@click.command()
@click.argument("name", nargs=-1, required=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 is every address.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8501, show_default=True, help="REST."
)
@click.option("--grpc-port", type=click.IntRange(0, 65535), default=8500, show_default=True)
@click.option(
    "--runtime",
    type=click.Choice(["litert", "saved_model"]),
    default="litert",
    show_default=True,
    help="What runs the models.",
)
@options.beam_size
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="Processes a model; by default the cores are shared among the models of litert.",
)
@click.option(
    "--batch-delay",
    type=click.FloatRange(0, 1000),
    default=0.0,
    show_default=True,
    help="Milliseconds that a row waits for others to go with; rows that wait anyway always do.",
)
@click.option(
    "--max-batch",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    help="Rows of one call of a model.",
)
@click.option(
    "--max-body",
    type=click.FloatRange(0, min_open=True),
    default=64.0,
    show_default=True,
    help="MiB of a request.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(1),
    default=1024,
    show_default=True,
    help="Of a request.",
)
@click.option(
    "--max-waiting",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Rows in a model's queue; past it requests are refused.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds for a request that states no deadline.",
)
@click.option(
    "--keep",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many of a model's newest versions to serve.",
)
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME:LABEL=VERSION",
    help="Gives a version a label, and serves it.",
)
@click.option(
    "--poll",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Seconds between looks for new versions.",
)
@click.option(
    "--browser-runtime",
    type=click.Path(path_type=Path),
    envvar="ZOO_BROWSER_RUNTIME",
    help="Folder of LiteRT for browsers, so that the page can run models itself; "
    "zoo/serving/README.md says how to get it.",
)
def serve(
    name: tuple[str, ...],
    host: str,
    port: int,
    grpc_port: int,
    runtime: str,
    beam_size: int,
    workers: int | None,
    batch_delay: float,
    max_batch: int,
    max_body: float,
    max_rows: int,
    max_waiting: int,
    timeout: float,
    keep: int,
    labels: tuple[str, ...],
    poll: float,
    browser_runtime: Path | None,
):  # fmt: skip
    """Serve models as TensorFlow Serving does, by REST and gRPC, until stopped.

    NAME is as in `zoo run`, or a folder of `zoo export` with a folder for each version; new
    versions are taken up while it runs.
    """
    try:
        from zoo.serving import serve as serving
    except ImportError as error:
        raise missing_extra(error.name, extra="serve", purpose="Serving") from error
    settings = serving.Settings(
        host=host,
        port=port,
        grpc_port=grpc_port,
        runtime=runtime,
        beam_size=beam_size,
        workers=workers,
        keep=keep,
        labels=serving.parse_labels(labels),
        batching=serving.Batching(most_rows=max_batch, delay=batch_delay / 1000),
        limits=serving.Limits(
            body_bytes=int(max_body * 2**20),
            bodies_bytes=int(max_body * 2**20) * 4,
            rows=max_rows,
            waiting_rows=max_waiting,
            seconds=timeout,
        ),
        poll_seconds=poll,
        browser_runtime=browser_runtime,
    )
    serving.serve(name, settings, click.echo)
