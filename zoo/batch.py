"""Runs a model over files of rows, as an Apache Beam pipeline: here in processes, or on an engine.

    files -> shards of rows -> rows -> RunInference -> results, a file a shard

A shard is so many rows of one input file. Its results come in the order of its rows, a line of JSON
each, in OUT/results/FILE-SHARD.jsonl; a row that cannot be read or answered is a line of
OUT/errors/FILE-SHARD.jsonl instead, with the row and the reason. A shard's files are renamed into
place when all of its rows are there, counted, and OUT/done/FILE-SHARD.json says so; the same
command, run again after it was interrupted, leaves finished shards alone. OUT/job.json says what is
being run, and OUT/summary.json, at the end, how many rows, results and errors there are. No name of
a file can be mistaken for another's output: names have folders of their own.

Files are read and written by Beam's file systems, so that gs://, s3:// and hdfs:// work where
Beam's extras are installed.
"""

import base64
import contextlib
import dataclasses
import itertools
import json
import logging
import os
import posixpath
import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystem import BeamIOError, CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from zoo import models, registry
from zoo.config import require_choice, unknown_name
from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.runtime.engine import Engine
from zoo.runtime.load import Model, Runtime, load
from zoo.text.utf8 import require_utf8

FORMATS = ("text", "jsonl", "parquet")
JOB, SUMMARY = "job.json", "summary.json"
RESULTS, ERRORS, DONE = "results", "errors", "done"  # folders
_SUFFIXES = {".txt": "text", ".text": "text", ".jsonl": "jsonl", ".ndjson": "jsonl"} | {
    ".parquet": "parquet"
}
_COMPRESSED = (".gz", ".bz2", ".zst")
_ANSWER = ("text", "score", "probability")  # what of a result is written, where it has it
_MAX_BATCH_SIZE = 256
_COUNTS = ("shards", "rows", "results", "errors", "cut")
_STEP = re.compile(r" \[while running '.*'\]")  # what Beam adds to an error
_ERROR = f"{ZooError.__module__}.{ZooError.__name__}: "  # before one in a traceback
# What a user can put right is told once, by `run_batch`, and needs no traceback: where it happens,
# and where what workers log arrives.
for _logger in ("common", "portability.local_job_service"):
    logging.getLogger(f"apache_beam.runners.{_logger}").addFilter(
        lambda record: not isinstance(record.msg, ZooError) and _ERROR not in record.getMessage()
    )


@dataclasses.dataclass(frozen=True)
class Job:
    """What is run; workers get a copy."""

    model: str  # a published name and version, or a folder that every worker sees
    manifest_sha256: str
    registry: str
    runtime: Runtime
    beam_size: int
    format: str | None  # of the files; None goes by their names
    field: str  # of a JSON object or of a Parquet file
    full: bool
    shard_rows: int


@dataclasses.dataclass(frozen=True)
class File:
    """A file of rows, and what tells that it has changed."""

    location: str
    name: str  # below the folders of the output
    bytes: int
    # When it was written, in seconds; a checksum where the file system does not say.
    version: float | str


@dataclasses.dataclass(frozen=True)
class Shard:
    """Rows of one file."""

    file: str  # where it lies
    name: str  # below the folders of the output
    format: str
    index: int
    first_row: int  # from 1, of the file
    rows: int
    start: int  # the first byte, of lines; the row group, of Parquet

    @property
    def output(self) -> str:
        """The path of its files below the folders of the output, without a suffix."""
        return f"{self.name}-{self.index:06d}"


def run_batch(
    name: str,
    inputs: Sequence[str],
    output: str,
    *,
    runtime: Runtime = "litert",
    beam_size: int = 1,
    format: str | None = None,
    field: str = "text",
    full: bool = False,
    shard_rows: int = 10_000,
    processes: int = 1,
    beam_options: Sequence[str] = (),
) -> dict[str, int]:
    """Runs a model over files and returns the counts of OUT/summary.json.

    Args:
        name: A published name, or a folder with a model that every worker sees.
        inputs: Patterns of files; `**` stands for any folders. A file that several match is read
            once.
        output: A new folder, or that of the same job, interrupted.
        runtime: What runs the model; `litert` needs no TensorFlow.
        beam_size: Of the search.
        format: Of `FORMATS`, for all files; None goes by their names.
        field: The field of a JSON object, or the column, that holds the model's input. A model of
            stories reads the fields or columns `story` and `question`.
        full: Write all that a result has, not its text and its score alone.
        shard_rows: Rows of a shard; of Parquet it is a row group instead.
        processes: Of this machine, unless `beam_options` name a runner.
        beam_options: Beam's own.

    Raises:
        ZooError: If there is no such model or file, the output folder holds something else, or the
            pipeline fails.
    """
    artefact = registry.resolve(name)
    require_utf8(field, "The field")
    job = Job(
        model=_worker_name(name, artefact),
        manifest_sha256=artefact.manifest_sha256(),
        registry=registry.Registry().url,
        runtime=runtime,
        beam_size=beam_size,
        format=format,
        field=field,
        full=full,
        shard_rows=shard_rows,
    )
    # Refuses what cannot run, and makes a SavedModel once where it is not made yet.
    load(artefact, runtime=runtime, beam_size=beam_size)
    files = _matched(inputs, output)
    runner, options = _options(beam_options, processes)
    _start(job, files, output)
    pipeline = beam.Pipeline(runner=runner, options=options)
    _build(pipeline, job, files, output, models.trained_preset(artefact.manifest).modality)
    try:
        pipeline.run().wait_until_finish()
    except Exception as error:  # of whatever library the runner uses
        [reason] = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        reason = _STEP.sub("", reason)
        _forget_unless_begun(output)
        told = reason.removeprefix(_ERROR)
        if isinstance(error, ZooError) or told != reason:  # a worker's comes as text
            raise ZooError(told) from error
        raise ZooError(
            f"The pipeline failed: {reason} The same command goes on with what is missing."
        ) from error
    return json.loads(_read(_join(output, SUMMARY)))


def _build(pipeline, job: Job, files: list[File], output: str, modality: str) -> None:
    handler = KeyedModelHandler(ZooHandler(job))
    shards = (
        pipeline
        | "Files" >> beam.Create([(x.location, x.name, _format_of(job, x.location)) for x in files])
        | "SpreadFiles" >> beam.Reshuffle()
        | "Split" >> beam.FlatMap(_split, job.shard_rows)
        | "Finished" >> beam.ParDo(_Finished(output)).with_outputs("finished", main="open")
    )
    rows = (
        shards.open
        | "SpreadShards" >> beam.Reshuffle()
        | "Read" >> beam.ParDo(_Read(job.field, modality)).with_outputs("bad", main="good")
    )
    answers = rows.good | "SpreadRows" >> beam.Reshuffle() | "Answer" >> RunInference(handler)
    counts = (
        (
            shards.open | "Expect" >> beam.Map(lambda shard: (shard.output, (0, shard))),
            answers | "ByShard" >> beam.Map(lambda pair: (pair[0][0], (pair[0][1], pair[1]))),
            rows.bad,
        )
        | "Together" >> beam.Flatten()
        | "Shards" >> beam.GroupByKey()
        | "Write" >> beam.ParDo(_Write(output))
    )
    (
        (counts, shards.finished)
        | "All" >> beam.Flatten()
        | "Count" >> beam.CombineGlobally(_total)
        | "Summary" >> beam.Map(lambda total: _write(_join(output, SUMMARY), [total]))
    )


class ZooHandler(ModelHandler[str, dict, Model]):
    """Answers lines with a model of the zoo, on whichever runtime the job names.

    A line that the model refuses is answered with `error` instead; the others of its batch are not
    affected.
    """

    def __init__(self, job: Job):
        super().__init__(max_batch_size=_MAX_BATCH_SIZE)
        self._job = job

    def load_model(self) -> Model:
        """Returns the model, with one core: a worker is a process, and there are others."""
        job = self._job
        artefact = registry.resolve(job.model, registry=job.registry)
        if artefact.manifest_sha256() != job.manifest_sha256:
            raise ZooError(f"{artefact.folder} holds another model than the job began with.")
        model = load(artefact, runtime=job.runtime, beam_size=job.beam_size)
        model.engine = _OneCore(model.engine)
        return model

    def run_inference(
        self, batch: Sequence[str], model: Model, inference_args: dict[str, Any] | None = None
    ) -> Iterable[dict]:
        """Returns the answer to each line, in order; of one that is refused, with the line."""
        read, errors = {}, {}
        for at, line in enumerate(batch):
            try:
                read[at] = model.read(line)
            except ZooError as error:
                errors[at] = {"error": str(error)}
        answered = self._answered(list(read.values()), model)
        answers = dict(zip(read, answered, strict=True)) | errors
        for at, answer in answers.items():
            if "error" in answer:
                answer["row"] = batch[at]
        return [answers[at] for at in range(len(batch))]

    def get_metrics_namespace(self) -> str:
        """Returns where Beam's metrics of the model stand."""
        return "zoo"

    def _answered(self, inputs: list, model: Model) -> list[dict]:
        with _told_lines() as cut:
            try:
                results = model(inputs)
            except ZooError as error:
                if len(inputs) == 1:
                    return [{"error": str(error)}]
                return [answer for each in inputs for answer in self._answered([each], model)]
        answers = [self._answer(result) for result in results]
        for line in cut:  # what the model did not read of an input
            answers[line - 1]["cut"] = True
        return answers

    def _answer(self, result) -> dict:
        if self._job.full:
            return result.as_dict()
        return {name: getattr(result, name) for name in _ANSWER if hasattr(result, name)}


class _OneCore:
    """An engine that leaves the other cores alone."""

    def __init__(self, engine: Engine):
        self.run = engine.run
        self.batch_size = engine.batch_size
        self.length_step = engine.length_step

    def run_all(self, signature: str, batches: Sequence) -> list[dict]:
        return [self.run(signature, **batch) for batch in batches]


class _told_lines(logging.Handler):
    """Collects the numbers of the lines that a model warns about, instead of the warnings."""

    def __init__(self):
        super().__init__()
        self._lines: set[int] = set()
        self._log = logging.getLogger("zoo")

    def __enter__(self) -> set[int]:
        self._before = self._log.level, self._log.propagate
        self._log.setLevel(logging.WARNING)
        self._log.propagate = False
        self._log.addHandler(self)
        return self._lines

    def __exit__(self, *error) -> None:
        self._log.removeHandler(self)
        level, self._log.propagate = self._before
        self._log.setLevel(level)  # and not the attribute: loggers remember what is enabled

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.add(record.args[0])


def _split(file: tuple[str, str, str], shard_rows: int) -> Iterator[Shard]:
    """Yields the shards of a file: a location, a name and a format.

    Raises:
        ZooError: If the file is not what its format or its compression says.
    """
    location, name, format = file
    try:
        sizes, starts = _sizes_and_starts(location, format, shard_rows)
    except Exception as error:  # of the libraries of many formats and file systems
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ZooError(f"Cannot read {location} as {format}: {reason}") from error
    first = 1
    for index, (rows, start) in enumerate(zip(sizes, starts, strict=True)):
        if rows:
            yield Shard(location, name, format, index, first, rows, start)
        first += rows


def _sizes_and_starts(location: str, format: str, shard_rows: int) -> tuple[list, Sequence]:
    """Returns of each shard of a file how many rows it has, and `Shard.start`."""
    if format == "parquet":
        sizes = _row_groups(location)
        return sizes, range(len(sizes))
    if location.endswith(_COMPRESSED):  # cannot be read from the middle
        with FileSystems.open(location) as stream:
            return [sum(1 for _ in _each_line(stream))], [0]
    sizes, starts, at = [], [], 0
    with FileSystems.open(location, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
        for row, line in enumerate(_each_line(stream)):
            if row % shard_rows == 0:
                sizes.append(0)
                starts.append(at)
            sizes[-1] += 1
            at += len(line)
    return sizes, starts


class _Finished(beam.DoFn):
    """Passes shards on that are not finished; of the others, what they counted, as `finished`."""

    def __init__(self, output: str):
        self._output = output

    def process(self, shard: Shard):
        try:
            counts = json.loads(_read(_join(self._output, DONE, f"{shard.output}.json")))
        except FileNotFoundError:
            yield shard
        else:
            yield beam.pvalue.TaggedOutput("finished", counts)


class _Read(beam.DoFn):
    """Yields the rows of a shard, `((shard, row), line)`; those that are none as `bad`."""

    def __init__(self, field: str, modality: str):
        self._fields = ("story", "question") if modality == "story" else (field,)
        self._modality = modality

    def process(self, shard: Shard):
        read = {"text": _decoded, "jsonl": self._json, "parquet": self._record}[shard.format]
        raw = self._records(shard) if shard.format == "parquet" else _lines(shard)
        for row, value in enumerate(raw, start=shard.first_row):
            try:
                yield (shard.output, row), read(value)
            except ZooError as error:
                bad = {"error": str(error), **_shown(value)}
                yield beam.pvalue.TaggedOutput("bad", (shard.output, (row, bad)))

    def _records(self, shard: Shard) -> Iterator[dict]:
        import pyarrow.parquet as pq

        with FileSystems.open(shard.file, compression_type=CompressionTypes.UNCOMPRESSED) as file:
            opened = pq.ParquetFile(file)
            missing = [x for x in self._fields if x not in opened.schema_arrow.names]
            if missing:
                columns = unknown_name("column", missing[0], opened.schema_arrow.names)
                raise ZooError(f"{shard.file}: {columns}")
            for batch in opened.iter_batches(row_groups=[shard.start], columns=self._fields):
                yield from batch.to_pylist()

    def _json(self, line: bytes) -> str:
        text = _decoded(line)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ZooError(f"Expected JSON. {error}.") from error
        if not isinstance(found, dict):
            raise ZooError("Expected a JSON object.")
        return self._record(found)

    def _record(self, found: dict) -> str:
        """Returns what `model.read` reads."""
        if self._modality == "story":
            return json.dumps({name: found.get(name) for name in self._fields})
        [field] = self._fields
        if not isinstance(found.get(field), str):
            raise ZooError(f"Expected a string as {field!r}.")
        return require_utf8(found[field], repr(field))


class _Write(beam.DoFn):
    """Writes a shard's files when all of its rows are there, and yields its counts."""

    def __init__(self, output: str):
        self._output = output

    def process(self, element: tuple[str, Iterable[tuple[int, Any]]]):
        name, found = element
        answers = dict(found)
        shard = answers.pop(0)
        expected = range(shard.first_row, shard.first_row + shard.rows)
        if sorted(answers) != list(expected):
            raise RuntimeError(f"Shard {name} has {len(answers)} answers to {shard.rows} rows.")
        ordered = [{"file": shard.file, "line": row, **answers[row]} for row in expected]
        errors = [answer for answer in ordered if "error" in answer]
        results = [answer for answer in ordered if "error" not in answer]
        if errors:
            _write(_join(self._output, ERRORS, f"{name}.jsonl"), errors)
        _write(_join(self._output, RESULTS, f"{name}.jsonl"), results)
        counts = {
            "shards": 1,
            "rows": shard.rows,
            "results": len(results),
            "errors": len(errors),
            "cut": sum("cut" in answer for answer in results),
        }
        _write(_join(self._output, DONE, f"{name}.json"), [counts])
        yield counts


def _lines(shard: Shard) -> Iterator[bytes]:
    compression = CompressionTypes.UNCOMPRESSED
    if shard.file.endswith(_COMPRESSED):
        compression = CompressionTypes.AUTO
    with FileSystems.open(shard.file, compression_type=compression) as stream:
        if shard.start:
            stream.seek(shard.start)
        for line in itertools.islice(_each_line(stream), shard.rows):
            yield line.removesuffix(b"\n").removesuffix(b"\r")


def _each_line(stream) -> Iterator[bytes]:
    return iter(stream.readline, b"")  # Beam's compressed files cannot be iterated over


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ZooError("Expected UTF-8.") from error


def _shown(value: bytes | dict) -> dict:
    """Returns a row that cannot be read, as JSON takes it."""
    if isinstance(value, dict):
        return {"row": {name: str(field) for name, field in value.items()}}
    try:
        return {"row": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"row_base64": base64.b64encode(value).decode()}


def _row_groups(location: str) -> list[int]:
    import pyarrow.parquet as pq

    with FileSystems.open(location, compression_type=CompressionTypes.UNCOMPRESSED) as file:
        facts = pq.ParquetFile(file).metadata
        return [facts.row_group(index).num_rows for index in range(facts.num_row_groups)]


def _total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    counts = list(counts)
    return {name: sum(each[name] for each in counts) for name in _COUNTS}


def _matched(patterns: Sequence[str], output: str) -> list[File]:
    """Returns every file once, by its location; its name is by the first pattern that it matches.

    Raises:
        ZooError: If there is none, or the output of one would meet another's or an input.
    """
    files: dict[str, File] = {}
    for pattern in patterns:
        pattern = pattern if "://" in pattern else os.path.abspath(pattern)
        try:
            [found] = FileSystems.match([pattern])
        except (BeamIOError, ValueError) as error:
            raise ZooError(f"Cannot read {pattern}: {error}") from error
        if not found.metadata_list:
            raise ZooError(f"Expected files at {pattern}. There are none.")
        whole = pattern.partition("*")[0].partition("?")[0].partition("[")[0]
        folder = posixpath.dirname(whole.replace(os.sep, "/")) + "/"
        for facts in found.metadata_list:
            path = require_utf8(facts.path, "The name of a file")
            if path not in files:
                name = path.replace(os.sep, "/").removeprefix(folder)
                version = facts.last_updated_in_seconds or FileSystems.checksum(path)
                files[path] = File(path, name, facts.size_in_bytes, version)
    _require_outputs_apart(files.values())
    inside = _location(output).replace(os.sep, "/") + "/"
    for path in files:
        if path.replace(os.sep, "/").startswith(inside):
            raise ZooError(f"Expected input outside {output}, where the output goes. Found {path}.")
    return [files[path] for path in sorted(files)]


def _require_outputs_apart(files: Iterable[File]) -> None:
    by_name: dict[str, File] = {}
    for file in files:
        if (other := by_name.setdefault(file.name, file)) is not file:
            raise ZooError(f"{other.location} and {file.location} would have the same output.")
    for file in by_name.values():
        for folder in _folders(file.name):  # none may be a file that a shard of another has
            shard = re.fullmatch(r"(.*)-[0-9]{6,}\.jsonl?", folder, re.DOTALL)
            if shard and (other := by_name.get(shard[1])):
                raise ZooError(f"{other.location} and {file.location} would have the same output.")


def _folders(name: str) -> Iterator[str]:
    while name := posixpath.dirname(name):
        yield name


def _start(job: Job, files: list[File], output: str) -> None:
    """Writes OUT/job.json; of a job that goes on, checks that it is the same one.

    Raises:
        ZooError: If the folder holds something else, or a file has changed since.
    """
    for file in files:
        _format_of(job, file.location)  # refuses the unknown
    path = _join(output, JOB)
    facts = dataclasses.asdict(job) | {"files": {}}
    try:
        before = json.loads(_read(path))
    except FileNotFoundError:
        [found] = FileSystems.match([_join(output, "*")])
        if found.metadata_list:
            raise ZooError(f"The output folder {output} is not empty.") from None
    else:
        for name, value in facts.items():
            if name != "files" and before.get(name) != value:
                raise ZooError(
                    f"{output} holds a job with another {name}: {before.get(name)!r}. "
                    f"Received: {value!r}."
                )
        facts["files"] = before["files"]
    for file in files:
        now = {"name": file.name, "bytes": file.bytes, "version": file.version}
        before = facts["files"].setdefault(file.location, now)
        if before != now:
            raise ZooError(
                f"{file.location} has changed since the job in {output} began. Expected: {before}. "
                f"Found: {now}."
            )
    _write(path, [facts])


def _forget_unless_begun(output: str) -> None:
    """Removes OUT/job.json where nothing else was written, so that another job may begin there."""
    [found] = FileSystems.match([_join(output, "**")])
    if [facts.path for facts in found.metadata_list] == [_join(output, JOB)]:
        FileSystems.delete([_join(output, JOB)])
        with contextlib.suppress(OSError):  # an object store has no folders
            os.rmdir(output)


def _format_of(job: Job, location: str) -> str:
    if job.format is not None:
        require_choice("format", job.format, FORMATS)
        return job.format
    stem = location
    for suffix in _COMPRESSED:
        stem = stem.removesuffix(suffix)
    suffix = posixpath.splitext(stem)[1]
    if suffix not in _SUFFIXES:
        raise ZooError(f"--format is needed for {location}. Known: {', '.join(_SUFFIXES)}.")
    return _SUFFIXES[suffix]


def _worker_name(name: str, artefact: Artefact) -> str:
    """Returns what a worker, in another folder, finds the same model by."""
    if name.partition("@")[0] == artefact.name and registry.Registry().has(artefact.name):
        return f"{artefact.name}@{artefact.version}"
    return str(artefact.folder.resolve())


def _options(beam_options: Sequence[str], processes: int) -> tuple[Any, PipelineOptions]:
    """Returns the runner, None where Beam's options name it, and the options."""
    options = PipelineOptions(list(beam_options))
    known = options.get_all_options()
    unknown = options.get_all_options(retain_unknown_options=True).keys() - known.keys()
    if unknown:
        raise ZooError(f"Beam has no option --{min(unknown)}.")
    if known["runner"]:
        return None, options
    # What Beam's DirectRunner runs a pipeline with where it does not download another runner.
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    mode = "multi_processing" if processes > 1 else "in_memory"
    direct = [f"--direct_num_workers={processes}", f"--direct_running_mode={mode}"]
    return FnApiRunner(), PipelineOptions([*direct, *beam_options])


def _location(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)


def _join(folder: str, *parts: str) -> str:
    return posixpath.join(_location(folder), *parts)


def _read(location: str) -> bytes:
    """Returns the bytes of a file.

    Raises:
        FileNotFoundError: If it is not there.
    """
    if not FileSystems.exists(location):
        raise FileNotFoundError(location)
    with FileSystems.open(location) as file:
        return file.read()


def _write(location: str, rows: Iterable[dict]) -> None:
    """Writes rows as JSON, a line each, and renames them into place."""
    folder, name = posixpath.split(location)
    if "://" not in location:
        Path(folder).mkdir(parents=True, exist_ok=True)
    partial = posixpath.join(folder, f".partial-{uuid.uuid4().hex}-{name}")
    try:
        with FileSystems.create(partial) as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        FileSystems.rename([partial], [location])
    except BaseException:
        if FileSystems.exists(partial):
            FileSystems.delete([partial])
        raise
