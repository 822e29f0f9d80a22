"""The command line `zoo`.

Results go to standard output, messages and progress to standard error; `zoo.console` has the exit
statuses.
"""

import contextlib
import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

import zoo
from zoo import console, models, paths, registry
from zoo.errors import ZooError, missing_extra
from zoo.runtime.load import RUNTIMES, Model, load
from zoo.runtime.result import Answer, Result, Written
from zoo.runtime.story_model import Story, StoryModel
from zoo.runtime.text_model import TextModel

_FILE_CHUNK = 512  # lines that are read, sorted by length and run together

_runtime = click.option(
    "--runtime", type=click.Choice(RUNTIMES), default="litert", show_default=True,
    help="What runs the model.",
)  # fmt: skip
_story = click.option(
    "--story",
    type=click.Path(path_type=Path),
    help="File of a story, a sentence a line; TEXT and lines are questions about it.",
)
_beam_size = click.option(
    "--beam-size",
    type=int,
    default=1,
    show_default=True,
    help="1 is greedy; a .tflite has one more.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(zoo.__version__, prog_name="zoo")
def cli():
    """Attention models: pull them, run them, look at them, export them."""


@cli.command("list")
@click.option("--presets", is_flag=True, help="What can be trained, instead of what is published.")
@_as_json
def list_command(presets: bool, as_json: bool):
    """List the published models."""
    if presets:
        rows = {name: preset.summary for name, preset in models.presets().items()}
    else:
        rows = {name: facts["summary"] for name, facts in registry.Registry().models().items()}
    if as_json:
        _print_json([{"name": name, "summary": summary} for name, summary in rows.items()])
        return
    width = max(map(len, rows), default=0)
    for name, summary in rows.items():
        click.echo(f"{name:{width}}  {summary}")


@cli.command()
@click.argument("name")
@_as_json
def info(name: str, as_json: bool):
    """Show what is known about the model NAME: its card, or with --json its manifest."""
    manifest = registry.resolve(name).manifest
    if as_json:
        _print_json(manifest)
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
@click.argument("text", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Read lines from FILE.")
@_story
@_runtime
@_beam_size
@click.option("--n-best", type=int, help="Print so many of the beam's outputs, best first.")
@click.option("--server", metavar="URL", help="Ask a server: grpc://host:8500, http://host:8501.")
@_as_json
@console.native_notices_muted()
def run(
    name: str,
    text: tuple[str, ...],
    file: Path | None,
    story: Path | None,
    runtime: str,
    beam_size: int,
    n_best: int | None,
    server: str | None,
    as_json: bool,
):
    """Run the model NAME on each TEXT, or on the lines of FILE or of standard input.

    Prints one line for each, in order; with --json text, score, tokens and alignment. With --n-best
    N it prints N lines for each, with --json one line, a list of N.

    A model that answers questions takes lines of JSON, `{"story": ["...", ...], "question":
    "..."}`; or, with --story, questions about that story.
    """
    if text and file:
        raise click.UsageError("Give either TEXT or --file, not both.")
    if server is None:
        model = load(registry.resolve(name), runtime=runtime, beam_size=beam_size)
    else:
        if beam_size != 1 or runtime != "litert":
            raise click.UsageError("--runtime and --beam-size are the server's to choose.")
        model, beam_size = _served(name, server)
    if n_best is not None and not 1 <= n_best <= beam_size:
        raise ZooError(f"--n-best must be 1 to --beam-size, here {beam_size}. Received: {n_best}.")
    if n_best is not None and not isinstance(model, TextModel):
        raise ZooError(f"--n-best is for models that write text. {name} is none.")
    read = _reader(model, story)
    with _lines(text, file) as lines:
        first = 1
        # A file is read in chunks, which the model sorts by length: memory stays constant. A line
        # that comes alone by standard input is answered at once where the engine takes one.
        size = model.engine.batch_size if file is None else _FILE_CHUNK
        for chunk in _chunks(_read(lines, read), size):
            if n_best is None:
                answers = model(chunk, first_line=first)
            else:
                answers = model.n_best(chunk, n_best, first_line=first)
            for answer in answers:
                _print_answer(answer, as_json)
            first += len(chunk)


def _served(name: str, url: str) -> tuple[Model, int]:
    """Returns a model of a server, and the beam size that it searches with."""
    try:
        from zoo.serving import Client
    except ImportError as error:
        raise missing_extra(error.name, extra="serve", purpose="A server") from error
    client = Client(url, model=registry.resolve(name).name, local=name)
    search = client.signatures().get("generate")
    return client.model, search.outputs["tokens"].shape[1] if search else 1


def _print_answer(answer: Result | Answer | Written | list[Result], as_json: bool) -> None:
    """Prints one input's result, or its list of results."""
    results = answer if isinstance(answer, list) else [answer]
    if as_json:
        rows = [result.as_dict() for result in results]
        click.echo(json.dumps(rows if isinstance(answer, list) else rows[0]))
        return
    for result in results:
        click.echo(console.one_line(result.text))


@cli.command()
@click.argument("name")
@click.argument("text")
@_story
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Picture: .png, .svg or .pdf."
)
@_runtime
@console.native_notices_muted()
def attend(name: str, text: str, story: Path | None, output: Path, runtime: str):
    """Draw where the model NAME looks in TEXT while it writes its answer.

    For a model that answers questions, TEXT is as in `zoo run`.
    """
    try:
        from zoo.visualize.alignment import save_alignment
        from zoo.visualize.memory import save_memory
    except ImportError as error:
        raise missing_extra(error.name, extra="plot", purpose="Drawing") from error

    model = load(registry.resolve(name), runtime=runtime)
    [result] = model([_reader(model, story)(_utf8(text, "TEXT"))])
    save = save_memory if isinstance(result, Written) else save_alignment
    save(result, output)


@cli.command()
@click.argument("name")
@click.option("--split", default="test", show_default=True, help="Of the data set.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of data sets.")
@_runtime
@_beam_size
@_as_json
@console.native_notices_muted()
def evaluate(name: str, split: str, data: Path | None, runtime: str, beam_size: int, as_json: bool):
    """Measure the model NAME on a split of the data set that it was trained on."""
    from zoo import evaluation
    from zoo.data import open_data
    from zoo.export.card import shown_score

    artefact = registry.resolve(name)
    dataset = open_data(models.trained_preset(artefact.manifest), data_dir=data)
    dataset.require_split(split)
    model = load(artefact, runtime=runtime, beam_size=beam_size)
    scores = {"model": name, "runtime": runtime, **evaluation.evaluate(model, dataset, split=split)}
    if as_json:
        _print_json(scores)
    else:
        measured = {scores["metric"]: scores["value"], **scores.get("also", {})}
        values = ", ".join(f"{name} {shown_score(name, x)}" for name, x in measured.items())
        click.echo(
            f"{name} {runtime}: {values} on {scores['rows']} rows of {split}, "
            f"{scores['seconds']} seconds"
        )
        for sizes, wrong in scores.get("wrong_bits_by_size", {}).items():
            click.echo(f"wrong bits of a sequence at size {sizes}: {wrong}")
        for task, error in scores.get("error_by_task", {}).items():
            click.echo(f"error of task {task}: {error:.1%}")
        if "signature" in scores:
            click.echo(f"signature of {scores['metric']}: {scores['signature']}")


@cli.command()
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
    if format_ == "saved_model" and (quantize or bundle):
        raise click.UsageError("--quantize and --bundle are options of --format litert.")
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
                export_litert(source, folder, quantize=quantize or "int8", beam_size=beam_size)
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


@cli.command()
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


@cli.command()
@click.argument("name", required=False)
@click.option("--bundle", type=click.Path(path_type=Path), help="Time this device bundle instead.")
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Of --bundle."
)
@click.option("--calls", type=int, default=200, show_default=True, help="How many to time.")
@_as_json
@console.native_notices_muted()
def benchmark(name: str | None, bundle: Path | None, threads: int, calls: int, as_json: bool):
    """Time the model NAME on every runtime that is installed, one text a call."""
    if (name is None) == (bundle is None):
        raise click.UsageError("Give either NAME or --bundle.")
    if bundle is not None:
        from zoo.runtime.benchmark_bundle import benchmark_bundle, table

        rows = benchmark_bundle(registry.resolve(bundle), threads=threads, calls=calls)
    else:
        from zoo.runtime.benchmark import benchmark, table

        rows = benchmark(registry.resolve(name), calls=calls)
    if as_json:
        _print_json(rows)
    else:
        click.echo(table(rows))


@cli.command()
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
@_beam_size
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


@cli.command()
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
@_beam_size
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


@contextlib.contextmanager
def _lines(text: Sequence[str], file: Path | None) -> Iterator[Iterator[str]]:
    """Yields the lines to run on: of the command line, a file, or standard input."""
    if text:
        yield (_utf8(value, f"TEXT {number}") for number, value in enumerate(text, start=1))
    elif file is None:
        if sys.stdin is None:
            raise ZooError("Standard input is closed. Give TEXT or --file.")
        yield _decoded(sys.stdin.buffer, "standard input")
    else:
        try:
            stream = file.open("rb")
        except OSError as error:
            raise ZooError(f"Cannot read {file}: {error.strerror}.") from error
        with stream:
            yield _with_progress(_decoded(stream, str(file)))


def _reader(model: Model, story: Path | None) -> Callable[[str], Any]:
    """Returns what turns a line into an input of `model`."""
    if story is None:
        return model.read
    if not isinstance(model, StoryModel):
        raise ZooError("--story is for models that answer questions about stories.")
    with _lines((), story) as lines:
        sentences = tuple(line for line in lines if line.strip())
    return lambda question: Story(sentences, question)


def _read(lines: Iterator[str], read: Callable[[str], Any]) -> Iterator:
    for number, line in enumerate(lines, start=1):
        try:
            yield read(line)
        except ZooError as error:
            raise ZooError(f"Line {number}: {error}") from error


def _chunks(lines: Iterator, size: int) -> Iterator[list]:
    """Yields lists of `size` lines, the last one shorter; and what was read before an error."""
    chunk = []
    try:
        for line in lines:
            chunk.append(line)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except ZooError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


def _with_progress(lines: Iterator[str]) -> Iterable[str]:
    from tqdm import tqdm

    return iter(tqdm(lines, unit=" lines", disable=None))


def _decoded(stream: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise ZooError(f"Expected UTF-8. Line {number} of {name} is not.") from error


def _utf8(text: str, name: str) -> str:
    """Returns an argument of the command line; bytes that are no UTF-8 arrive as surrogates."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ZooError(f"Expected UTF-8. {name} is not.") from error
    return text


def _print_json(value) -> None:
    click.echo(json.dumps(value, indent=2))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and exits; `arguments` are the process's own where None."""
    console.run(cli, arguments)
