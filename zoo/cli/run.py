"""`zoo run` and `zoo attend`: a model's answers, and where it looks for them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from zoo import console, registry
from zoo.cli import options
from zoo.cli.lines import chunks, open_lines
from zoo.data.stories import Story
from zoo.errors import ZooError, missing_extra
from zoo.runtime.load import Model, load
from zoo.runtime.result import Answer, Result, Written
from zoo.runtime.story_model import StoryModel
from zoo.runtime.text_model import TextModel
from zoo.text.utf8 import require_utf8

FILE_CHUNK = 512  # lines that are read, sorted by length and run together


@click.command()
@click.argument("name")
@click.argument("text", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="Read lines from FILE, or FILE.gz.")
@options.story
@options.runtime
@options.beam_size
@click.option("--n-best", type=int, help="Print so many of the beam's outputs, best first.")
@click.option("--server", metavar="URL", help="Ask a server: grpc://host:8500, http://host:8501.")
@options.as_json
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

    Prints one line for each, in order. With --n-best N it prints N lines for each, empty ones where
    the search found fewer; with --json one line, a list of those found.

    A model that answers questions takes lines of JSON, `{"story": ["...", ...], "question":
    "..."}`; or, with --story, questions about that story. One of sequences takes its task's bits,
    as in `10110010 01101001`.

    With --json a line holds all of a result: text, and of a text score, tokens, source_tokens and
    alignment; of an answer probability, sentences, question, alignment and reads; of a sequence
    outputs, write_weights and read_weights.
    """
    if text and file:
        raise click.UsageError("Give either TEXT or --file, not both.")
    if server is None:
        model = load(registry.resolve(name), runtime=runtime, beam_size=beam_size)
    else:
        if beam_size != 1 or runtime != "litert":
            raise click.UsageError("--runtime and --beam-size are the server's to choose.")
        model, beam_size = _served(name, server)
    if n_best is not None and not isinstance(model, TextModel):
        raise ZooError(f"--n-best is for models that write text. {name} is none.")
    if n_best is not None and not 1 <= n_best <= beam_size:
        raise ZooError(
            f"--n-best must be 1 to the beam size, here {beam_size}. Received: {n_best}."
        )
    read = _reader(model, story)
    with open_lines(text, file) as lines:
        first = 1
        # A file is read in chunks, which the model sorts by length: memory stays constant. A line
        # that comes alone by standard input is answered at once where the engine takes one.
        size = model.engine.batch_size if file is None else FILE_CHUNK
        for chunk in chunks(_read(lines, read), size):
            if n_best is None:
                answers = model(chunk, first_line=first)
            else:
                answers = model.n_best(chunk, n_best, first_line=first)
            for answer in answers:
                _print_answer(answer, as_json, n_best or 1)
            first += len(chunk)


@click.command()
@click.argument("name")
@click.argument("text")
@options.story
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="Picture: .png, .svg or .pdf."
)
@options.runtime
@options.beam_size
@console.native_notices_muted()
def attend(name: str, text: str, story: Path | None, output: Path, runtime: str, beam_size: int):
    """Draw where the model NAME looks in TEXT while it writes its answer.

    For a model that answers questions, TEXT is as in `zoo run`.
    """
    try:
        from zoo.visualize.alignment import save_alignment
        from zoo.visualize.memory import save_memory
    except ImportError as error:
        raise missing_extra(error.name, extra="plot", purpose="Drawing") from error

    model = load(registry.resolve(name), runtime=runtime, beam_size=beam_size)
    [result] = model([_reader(model, story)(require_utf8(text, "TEXT"))])
    save = save_memory if isinstance(result, Written) else save_alignment
    save(result, output)


def _served(name: str, url: str) -> tuple[Model, int]:
    """Returns a model of a server, and the beam size that it searches with."""
    try:
        from zoo.serving import Client
    except ImportError as error:
        raise missing_extra(error.name, extra="serve", purpose="A server") from error
    client = Client(url, model=registry.resolve(name).name, local=name)
    click.get_current_context().call_on_close(client.close)
    search = client.signatures().get("generate")
    return client.model, search.outputs["tokens"].shape[1] if search else 1


def _reader(model: Model, story: Path | None) -> Callable[[str], Any]:
    """Returns what turns a line into an input of `model`."""
    if story is None:
        return model.read
    if not isinstance(model, StoryModel):
        raise ZooError("--story is for models that answer questions about stories.")
    with open_lines((), story, progress=False) as lines:
        sentences = tuple(line for line in lines if line.strip())
    return lambda question: Story(sentences, question)


def _read(lines: Iterator[str], read: Callable[[str], Any]) -> Iterator:
    for number, line in enumerate(lines, start=1):
        try:
            yield read(line)
        except ZooError as error:
            raise ZooError(f"Line {number}: {error}") from error


def _print_answer(
    answer: Result | Answer | Written | list[Result], as_json: bool, lines: int
) -> None:
    """Prints one input's result, or its list of results; as text, always so many lines."""
    results = answer if isinstance(answer, list) else [answer]
    if as_json:
        rows = [result.as_dict() for result in results]
        click.echo(json.dumps(rows if isinstance(answer, list) else rows[0]))
        return
    texts = [console.one_line(result.text) for result in results]
    for text in texts + [""] * (lines - len(texts)):
        click.echo(text)
