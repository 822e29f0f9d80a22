"""`zoo batch` answers every row of its files once, in order, or says why not."""

import base64
import bz2
import json
import signal
import time

import pytest
from conftest import NAME

import zoo as library

LIMIT = 32  # tokens that the model reads; one is a character here
LONG = "9" * (LIMIT + 1)
# Lines of each file: the model's input, or None where the row is none.
ROWS = {
    "a.jsonl": ["5/5/01", None, "september 27, 1994", None, None, "", LONG, None, "9月27日", None],
    "b.txt": ["5/6/01", "", "a\tb", None, "MAY 13, 1971"],
    "deep/b.txt.bz2": ["5/7/01", "5/8/01", "5/9/01"],
    "c.parquet": ["5/10/01", None, "5/11/01"],
}
BAD_JSON = [b'{"text": 3}', b"", b'{"text": "x"', b'["x"]', b'{"text": "\\ud800 5/6/01"}']


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Returns a folder with files of every format, and bad rows among the good ones."""
    import pyarrow
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("in")
    bad = iter(BAD_JSON)
    lines = [
        next(bad) if text is None else json.dumps({"id": 1, "text": text}).encode()
        for text in ROWS["a.jsonl"]
    ]
    (folder / "a.jsonl").write_bytes(b"\n".join(lines))  # no line break at the end
    lines = [b"5/\xff/01" if text is None else text.encode() for text in ROWS["b.txt"]]
    (folder / "b.txt").write_bytes(b"".join(line + b"\r\n" for line in lines))
    (folder / "deep").mkdir()
    content = "".join(f"{text}\n" for text in ROWS["deep/b.txt.bz2"])
    (folder / "deep" / "b.txt.bz2").write_bytes(bz2.compress(content.encode()))
    table = pyarrow.table({"text": ROWS["c.parquet"], "other": [1, 2, 3]})
    pq.write_table(table, folder / "c.parquet", row_group_size=2)
    (folder / "empty.txt").write_bytes(b"")
    return folder


def arguments(inputs, output, *options) -> tuple[str, ...]:
    return ("batch", NAME, "--input", f"{inputs}/**", "--output", str(output), *options)


@pytest.fixture(scope="module")
def done(inputs, tmp_path_factory):
    """Returns the output folder of a job over `inputs` in shards of two rows."""
    from conftest import Zoo

    folder = tmp_path_factory.mktemp("job")
    finished = Zoo(folder)(*arguments(inputs, folder / "out", "--shard-rows", "2"))
    assert (finished.status, finished.stderr) == (0, "")
    assert finished.stdout == "11 shards, 21 rows, 14 results, 7 errors, 1 cut\n"
    return folder / "out"


def lines_of(folder, name) -> list[dict]:
    """Returns what is written about a file, shard after shard."""
    found = sorted(folder.glob(f"{name}-??????.jsonl"))
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_one_line_in_its_order(done, inputs, name):
    results, errors = lines_of(done / "results", name), lines_of(done / "errors", name)
    good = [line for line, text in enumerate(ROWS[name], start=1) if text is not None]
    bad = [line for line, text in enumerate(ROWS[name], start=1) if text is None]
    assert [x["line"] for x in results] == good
    assert [x["line"] for x in errors] == bad
    assert {x["file"] for x in results + errors} == {str(inputs / name)}


@pytest.mark.parametrize("name", ROWS)
def test_answers_are_those_of_the_model(done, name):
    texts = [text for text in ROWS[name] if text is not None]
    for actual, expected in zip(
        lines_of(done / "results", name), library.load(NAME)(texts), strict=True
    ):
        assert actual["text"] == expected.text
        assert actual["score"] == pytest.approx(expected.score, abs=1e-5)
        assert set(actual) - {"cut"} == {"file", "line", "text", "score"}


def test_a_row_that_is_cut_says_so(done):
    cut = {x["line"] for x in lines_of(done / "results", "a.jsonl") if x.get("cut")}
    assert cut == {ROWS["a.jsonl"].index(LONG) + 1}


def test_a_bad_row_is_kept_with_its_reason(done):
    errors = lines_of(done / "errors", "a.jsonl")
    assert [x["row"].encode() for x in errors] == BAD_JSON
    assert [x["error"].partition(". ")[0].rstrip(".") for x in errors] == [
        "Expected a string as 'text'", "Expected JSON", "Expected JSON", "Expected a JSON object",
        "Expected UTF-8",
    ]  # fmt: skip
    [error] = lines_of(done / "errors", "b.txt")
    assert error["error"] == "Expected UTF-8."
    assert base64.b64decode(error["row_base64"]) == b"5/\xff/01"
    [error] = lines_of(done / "errors", "c.parquet")
    assert error["row"] == {"text": "None"}


def test_nothing_else_is_left(done):
    names = {path.name for path in done.iterdir()}
    assert names == {"done", "errors", "job.json", "results", "summary.json"}
    assert not list(done.rglob(".partial-*"))
    summary = json.loads((done / "summary.json").read_text())
    assert summary == {"shards": 11, "rows": 21, "results": 14, "errors": 7, "cut": 1}


def test_a_job_goes_on_with_what_is_missing(done, inputs, zoo, tmp_path):
    import shutil

    output = shutil.copytree(done, tmp_path / "out")
    kept, redone = (output / "results" / f"{x}.jsonl" for x in ("b.txt-000000", "a.jsonl-000001"))
    expected = redone.read_bytes()
    kept.write_text("kept")
    redone.unlink()
    (output / "done" / "a.jsonl-000001.json").unlink()

    again = zoo(*arguments(inputs, output, "--shard-rows", "2"))

    assert (again.status, again.stderr) == (0, "")
    assert again.stdout == "11 shards, 21 rows, 14 results, 7 errors, 1 cut\n"
    assert redone.read_bytes() == expected
    assert kept.read_text() == "kept"


@pytest.fixture
def refused():
    """Returns a function that calls `run_batch` and returns the error."""
    from zoo.batch import run_batch
    from zoo.errors import ZooError

    def call(inputs, output, **options):
        with pytest.raises(ZooError) as error:
            patterns = inputs if isinstance(inputs, list) else [inputs]
            run_batch(NAME, [str(x) for x in patterns], str(output), **options)
        return str(error.value)

    return call


@pytest.mark.filterwarnings("ignore")  # Beam's own
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"shard_rows": 3}, "another shard_rows: 2. Received: 3"),
        ({"shard_rows": 2, "full": True}, "another full: False"),
        ({"shard_rows": 2, "beam_size": 4}, "another beam_size: 1"),
    ],
)
def test_another_job_in_the_same_folder_is_refused(refused, done, inputs, options, words):
    before = (done / "job.json").read_bytes()
    assert words in refused(f"{inputs}/**", done, **options)
    assert (done / "job.json").read_bytes() == before


@pytest.mark.filterwarnings("ignore")
def test_a_wrong_order_is_refused_before_anything_is_written(refused, inputs, tmp_path):
    output = tmp_path / "out"
    assert "There are none" in refused(inputs / "*.csv", output)
    assert "where the output goes" in refused(inputs / "*", inputs)
    assert "no option --fnord" in refused(inputs / "*", output, beam_options=["--fnord=1"])
    assert "Expected UTF-8. The field" in refused(inputs / "*", output, field="\udcff")
    (tmp_path / "a.csv").write_text("x")
    assert "--format is needed" in refused(tmp_path / "*.csv", output)
    assert not output.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_changed_since_is_refused(refused, tmp_path):
    from zoo.batch import run_batch

    file = tmp_path / "a.txt"
    file.write_text("5/5/01\n")
    run_batch(NAME, [str(file)], str(tmp_path / "out"))
    file.write_text("5/6/01\n")  # as long as before
    assert "has changed" in refused(file, tmp_path / "out")
    file.write_text("5/5/01\n5/6/01\n")
    assert "has changed" in refused(file, tmp_path / "out")


@pytest.mark.filterwarnings("ignore")
def test_a_story_that_the_model_cannot_read_is_kept_with_its_reason(tmp_path):
    from zoo.batch import run_batch

    good = '{"story": ["Mary went to the kitchen."], "question": "Where is Mary?"}'
    bad = '{"story": ["\\ud800"], "question": "Where is Mary?"}'
    (tmp_path / "a.jsonl").write_text(f"{bad}\n{good}\n")
    counts = run_batch("memory_network_babi_1k", [f"{tmp_path}/a.jsonl"], str(tmp_path / "out"))
    assert (counts["results"], counts["errors"]) == (1, 1)
    [result] = lines_of(tmp_path / "out" / "results", "a.jsonl")
    [error] = lines_of(tmp_path / "out" / "errors", "a.jsonl")
    assert (result["line"], result["text"], error["line"]) == (2, "kitchen", 1)
    assert "Expected UTF-8" in error["error"] and error["row"] == bad


@pytest.mark.filterwarnings("ignore")
def test_files_that_are_named_as_the_output_lose_nothing(tmp_path):
    from zoo.batch import run_batch

    names = ["a.jsonl", "errors/a.jsonl", "results/a.jsonl", "done/a.jsonl", "summary.json"]
    for name in names:
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"text": "5/5/01"}\nbad row of ' + name)
    out = tmp_path / "out"
    counts = run_batch(NAME, [f"{tmp_path}/in/**"], str(out), format="jsonl")
    assert (counts["rows"], counts["results"], counts["errors"]) == (10, 5, 5)
    for name in names:
        [result], [error] = lines_of(out / "results", name), lines_of(out / "errors", name)
        assert (result["file"], result["text"]) == (str(tmp_path / "in" / name), "2001-05-05")
        assert error["row"] == f"bad row of {name}"


@pytest.mark.filterwarnings("ignore")
def test_files_whose_output_would_meet_are_refused(refused, tmp_path):
    for name in ("a.txt", "a.txt-000000.jsonl/b.txt", "deep/a.txt"):
        file = tmp_path / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("5/5/01")
    out = tmp_path / "out"
    assert "the same output" in refused([tmp_path / "in" / "**"], out)
    assert "the same output" in refused([tmp_path / "in/a.txt", tmp_path / "in/deep/a.txt"], out)
    assert not out.exists()


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_two_patterns_match_is_read_once(tmp_path):
    from zoo.batch import run_batch

    file = tmp_path / "in" / "deep" / "a.txt"
    file.parent.mkdir(parents=True)
    file.write_text("5/5/01")
    patterns = [f"{tmp_path}/in/**", f"{tmp_path}/in/deep/*.txt"]
    assert run_batch(NAME, patterns, str(tmp_path / "out"))["rows"] == 1
    assert len(lines_of(tmp_path / "out" / "results", "deep/a.txt")) == 1


@pytest.mark.filterwarnings("ignore")
def test_a_column_that_is_missing_is_named(refused, inputs, tmp_path):
    assert "'date'" in refused(inputs / "*.parquet", tmp_path / "out", field="date")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "format", "words"),
    [("a.txt", "parquet", "a.txt as parquet: "), ("a.txt.gz", None, "a.txt.gz as text: ")],
)
def test_a_file_that_is_something_else_is_named_and_leaves_nothing(
    refused, tmp_path, caplog, name, format, words
):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_text("5/5/01\n")
    error = refused(tmp_path / "in" / name, tmp_path / "out", format=format)
    assert error.startswith("Cannot read ") and words in error
    assert "while running" not in error and "same command" not in error
    assert caplog.records == [] and not (tmp_path / "out").exists()


def dates(rows: int) -> list[tuple[str, str]]:
    return [
        (f"{1 + i % 12}/{1 + i % 28}/{70 + i % 30}",
         f"{1970 + i % 30}-{1 + i % 12:02d}-{1 + i % 28:02d}")
        for i in range(rows)
    ]  # fmt: skip


def test_a_saved_model_answers_rows_as_the_tflite_does(zoo):
    (zoo.work / "in.txt").write_bytes(b"september 27, 1994\n5/\xff/01\n\n5/6/01\n")
    command = ("batch", NAME, "--input", "in.txt", "--output", "out", "--runtime", "saved_model")
    done = zoo(*command)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "1 shards, 4 rows, 3 results, 1 errors, 0 cut\n"
    results = lines_of(zoo.work / "out" / "results", "in.txt")
    assert [(x["line"], x["text"]) for x in results] == [
        (1, "1994-09-27"), (3, ""), (4, "2001-05-06"),
    ]  # fmt: skip


@pytest.mark.slow
def test_ten_thousand_rows_come_back_in_two_processes(zoo):
    pairs = dates(10_000)
    (zoo.work / "in.txt").write_text("".join(f"{text}\n" for text, _ in pairs))
    done = zoo("batch", NAME, "--input", "in.txt", "--output", "out", "--processes", "2")
    assert (done.status, done.stderr) == (0, "")
    results = lines_of(zoo.work / "out" / "results", "in.txt")
    assert [x["line"] for x in results] == list(range(1, 10_001))
    assert [x["text"] for x in results] == [answer for _, answer in pairs]


@pytest.mark.slow
def test_a_job_that_is_killed_goes_on(zoo):
    pairs = dates(4000)
    (zoo.work / "in.txt").write_text("".join(f"{text}\n" for text, _ in pairs))
    command = ("batch", NAME, "--input", "in.txt", "--output", "out", "--shard-rows", "100")
    process = zoo.start(*command)
    out = zoo.work / "out"
    while not list(out.glob("done/*")):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "summary.json").exists()
    first = {path.name: path.stat().st_ino for path in out.glob("done/*")}

    done = zoo(*command)

    assert done.stdout == "40 shards, 4000 rows, 4000 results, 0 errors, 0 cut\n"
    assert [x["text"] for x in lines_of(out / "results", "in.txt")] == [
        answer for _, answer in pairs
    ]
    assert first.items() <= {path.name: path.stat().st_ino for path in out.glob("done/*")}.items()


@pytest.mark.slow
def test_rows_of_a_sequence_model_are_read_by_it(zoo):
    (zoo.work / "in.txt").write_text("10110010 01101001\nno bits\n" + "10110010 " * 500 + "\n")
    done = zoo("batch", "neural_turing_machine_copy", "--input", "in.txt", "--output", "out")
    assert done.stdout == "1 shards, 3 rows, 1 results, 2 errors, 0 cut\n", done.stderr
    [result] = lines_of(zoo.work / "out" / "results", "in.txt")
    assert (result["line"], result["text"]) == (1, "10110010 01101001")
    errors = lines_of(zoo.work / "out" / "errors", "in.txt")
    assert [x["line"] for x in errors] == [2, 3] and "room for" in errors[1]["error"]
