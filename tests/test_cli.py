"""Lines in, lines out, at the command line."""

import gzip
import json
import os
import pty
import subprocess
import termios

import numpy as np
import pytest
from cases import ROOT
from conftest import NAME

from zoo.export.artefact import write_manifest
from zoo.layout import MANIFEST
from zoo.registry import Artefact

LIMIT = 32  # tokens that the model reads; one is a character here
DATE, ANSWER = "september 27, 1994", "1994-09-27"
# Where a case takes long; of Keras the default suite has `test_json_is_one_object_a_line`.
COSTLY_RUNTIMES = ["litert", "saved_model", pytest.param("keras", marks=pytest.mark.slow)]


@pytest.fixture(params=["file", "stdin"])
def run_lines(request, zoo, tmp_path):
    """Returns a function that runs the model on the bytes of a file, or of standard input."""

    def run(content: bytes, *options):
        if request.param == "stdin":
            return zoo("run", NAME, *options, stdin=content)
        file = tmp_path / "lines.txt"
        file.write_bytes(content)
        return zoo("run", NAME, "--file", file, *options)

    return run


def test_empty_input_gives_empty_output(run_lines):
    done = run_lines(b"")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("content", "answers"),
    [
        (b"september 27, 1994\n", [ANSWER]),
        (b"september 27, 1994", [ANSWER]),
        (b"september 27, 1994\r\n5/5/01\r\n", [ANSWER, "2001-05-05"]),
        (b"\n", [""]),
        (b"\r\n", [""]),
        (b"\n\n5/5/01\n\n", ["", "", "2001-05-05", ""]),
        (b"5/5/01\n\nseptember 27, 1994", ["2001-05-05", "", ANSWER]),
    ],
)
def test_a_line_in_is_a_line_out(run_lines, content, answers):
    done = run_lines(content)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout == "".join(f"{answer}\n" for answer in answers)


@pytest.mark.parametrize(
    "line",
    ["   ", "\t", "5/5/01\r5/6/01", "5/5/01\v\f\x1c\x85", "5/5/01\u2028", "\0", "日本語", "🙂" * 9],
)
def test_whatever_is_in_a_line_it_gives_one_line(run_lines, line):
    done = run_lines(f"{line}\n{DATE}\n".encode())
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.count("\n") == len(done.stdout.splitlines()) == 2
    assert done.stdout.endswith(f"\n{ANSWER}\n")


@pytest.fixture(scope="module")
def cache_of_saved_models(tmp_path_factory):
    """Returns a cache that tests share, because building a SavedModel takes seconds."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("runtime", COSTLY_RUNTIMES)
def test_lines_are_counted_over_chunks_and_long_ones_are_told(zoo, runtime, cache_of_saved_models):
    zoo.cache = cache_of_saved_models
    lines = [DATE] * 1100
    long = {1: 33, 512: 40, 513: 34, 1025: 99}
    for number, length in long.items():
        lines[number - 1] = "9" * length
    lines[599] = "9" * LIMIT  # as long as the model reads
    lines[700] = ""
    done = zoo("run", NAME, "--runtime", runtime, stdin="".join(f"{line}\n" for line in lines))
    assert done.status == 0
    assert done.stderr.splitlines() == [
        f"Line {number} has {length} tokens; the model reads {LIMIT}, the rest is cut."
        for number, length in long.items()
    ]
    answers = done.stdout.split("\n")
    assert len(answers) == 1101 and answers.pop() == ""
    assert [number for number, answer in enumerate(answers, 1) if answer != ANSWER] == [
        1, 512, 513, 600, 701, 1025,
    ]  # fmt: skip
    assert answers[700] == ""


def test_a_long_line_is_read_up_to_the_limit(zoo):
    cut = zoo("run", NAME, DATE + "," * 99).stdout
    assert cut == zoo("run", NAME, (DATE + "," * 99)[:LIMIT]).stdout


def test_models_of_other_configurations_have_other_saved_models_in_the_cache(
    registry, tmp_path, monkeypatch
):
    from zoo.export import saved_model
    from zoo.runtime.load import saved_model_of

    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(saved_model, "export_saved_model", lambda _, folder, **options: folder)
    folder = registry / NAME / "1"
    plain = saved_model_of(Artefact.open(folder), beam_size=1)
    facts = json.loads((folder / MANIFEST).read_bytes())
    facts["configuration"]["decode"]["length_penalty"] = 2.0
    write_manifest(folder, facts, facts.pop("files"))
    assert saved_model_of(Artefact.open(folder), beam_size=1) != plain
    assert saved_model_of(Artefact.open(registry / NAME / "1"), beam_size=2) != plain


def test_texts_of_the_command_line_are_answered_in_order(zoo):
    done = zoo("run", NAME, DATE, "", "5/5/01")
    assert (done.status, done.stdout) == (0, f"{ANSWER}\n\n2001-05-05\n")


def test_a_text_may_open_with_a_hyphen_after_two(zoo):
    done = zoo("run", NAME, "--", "-5/5/01")
    assert (done.status, done.stdout.count("\n")) == (0, 1)


def test_a_beam_that_the_file_holds_is_used(zoo):
    greedy, beam = (
        json.loads(zoo("run", NAME, "--json", "--beam-size", size, "27 September 1994").stdout)
        for size in ("1", "4")
    )
    assert beam["score"] >= greedy["score"]


@pytest.mark.parametrize("runtime", COSTLY_RUNTIMES)
def test_n_best_are_the_beam_from_the_best_down(zoo, runtime, cache_of_saved_models):
    zoo.cache = cache_of_saved_models
    options = ("--runtime", runtime, "--beam-size", "4")
    lines = zoo("run", NAME, *options, "--n-best", "3", DATE, "5/5/01").stdout.splitlines()
    assert len(lines) == 6 and lines[0] == ANSWER and lines[3] == "2001-05-05"
    assert len(set(lines)) == 6
    done = zoo("run", NAME, *options, "--n-best", "3", "--json", DATE)
    [results] = map(json.loads, done.stdout.splitlines())
    assert [result["text"] for result in results] == lines[:3]
    scores = [result["score"] for result in results]
    assert scores == sorted(scores, reverse=True)


def test_hypotheses_that_there_are_not_are_not_listed(zoo):
    options = ("--beam-size", "4", "--n-best", "2")
    done = zoo("run", NAME, *options, "--json", "", DATE)
    empty, results = map(json.loads, done.stdout.splitlines())
    assert [(result["text"], result["score"]) for result in empty] == [("", 0.0)]
    assert len(results) == 2 and results[1]["score"] > -100
    lines = zoo("run", NAME, *options, "", DATE).stdout.split("\n")  # two for each all the same
    assert lines == ["", "", *(result["text"] for result in results), ""]


@pytest.fixture
def on_a_terminal(zoo):
    """Returns a function that runs a command and returns what a terminal shows, and its output."""

    def run(*arguments, output):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        stdout = theirs if output == "terminal" else subprocess.PIPE
        process = zoo.start(*arguments, stdin=theirs, stdout=stdout, stderr=theirs)
        os.close(theirs)
        shown = b""
        with process, os.fdopen(ours, "rb", buffering=0) as terminal:
            try:
                while chunk := terminal.read(10_000):
                    shown += chunk
            except OSError:  # how Linux says that the other end is closed
                pass
            printed = b"" if process.stdout is None else process.stdout.read()
        assert process.returncode == 0, shown
        return shown.decode(), printed.decode()

    return run


def test_answers_on_a_terminal_have_no_progress_among_them(zoo, on_a_terminal):
    (zoo.work / "lines").write_text(f"{DATE}\n5/5/01\n")
    shown, _ = on_a_terminal("run", NAME, "--file", "lines", output="terminal")
    assert shown == f"{ANSWER}\r\n2001-05-05\r\n"


def test_progress_is_of_the_bytes_of_the_file(zoo, on_a_terminal):
    (zoo.work / "lines").write_text(f"{DATE}\n{'9' * 40}\n" + f"{DATE}\n" * 1000)
    shown, printed = on_a_terminal("run", NAME, "--file", "lines", output="pipe")
    assert printed.startswith(f"{ANSWER}\n") and printed.count("\n") == 1002
    lines = [line for line in shown.replace("\r", "\n").split("\n") if line.strip()]
    assert lines[-1].startswith("100%|") and "19.1k/19.1k" in lines[-1]
    told = "Line 2 has 40 tokens; the model reads 32, the rest is cut."
    assert told in lines  # on a line of its own


def test_a_story_is_read_without_progress(zoo, on_a_terminal):
    (zoo.work / "story").write_text("Mary went to the kitchen.\n")
    arguments = ("run", "memory_network_babi_1k", "--story", "story", "Where is Mary?")
    assert on_a_terminal(*arguments, output="pipe") == ("", "kitchen\n")


def test_a_long_file_is_answered_in_its_order(zoo, tmp_path):
    """Longer than a chunk: chunks are sorted by length and run on every core."""
    days = [f"{1 + i % 12}/{1 + i % 28}/{70 + i % 30}" for i in range(1100)]
    file = tmp_path / "days.txt"
    file.write_text("\n".join(days))
    answers = zoo("run", NAME, "--file", file).stdout.splitlines()
    expected = [f"{1970 + i % 30}-{1 + i % 12:02d}-{1 + i % 28:02d}" for i in range(1100)]
    assert answers == expected


def test_a_file_may_be_compressed(zoo, tmp_path):
    file = tmp_path / "lines.gz"
    file.write_bytes(gzip.compress(f"{DATE}\n5/5/01".encode()))
    done = zoo("run", NAME, "--file", file)
    assert (done.status, done.stderr, done.stdout) == (0, "", f"{ANSWER}\n2001-05-05\n")


@pytest.mark.parametrize("runtime", ["litert", "saved_model", "keras"])
def test_json_is_one_object_a_line(zoo, runtime, cache_of_saved_models):
    zoo.cache = cache_of_saved_models
    done = zoo("run", NAME, "--json", "--runtime", runtime, stdin=f"{DATE}\n\n")
    assert (done.status, done.stderr) == (0, "")
    answer, empty = map(json.loads, done.stdout.splitlines())
    keys = {"text", "score", "tokens", "source_tokens", "alignment"}
    assert set(answer) == set(empty) == keys
    assert answer["text"] == ANSWER and answer["tokens"] == list(ANSWER)
    assert answer["source_tokens"] == list(DATE.replace(" ", "▁"))
    assert -1 < answer["score"] < 0
    alignment = np.array(answer["alignment"])
    assert alignment.shape == (len(ANSWER), len(DATE))
    np.testing.assert_allclose(alignment.sum(axis=1), 1, atol=1e-3)
    assert (empty["text"], empty["tokens"], empty["source_tokens"]) == ("", [], [])
    assert empty["alignment"] == [] and empty["score"] == 0


def test_json_without_attention_has_no_alignment(zoo):
    done = zoo("run", "seq2seq_plain_dates", "--json", DATE)
    assert json.loads(done.stdout)["alignment"] is None


@pytest.mark.parametrize("from_file", [True, False])
def test_a_reader_that_goes_away_gives_no_message(zoo, tmp_path, from_file):
    file = tmp_path / "lines.txt"
    file.write_text(f"{DATE}\n" * 5000)
    arguments = ["--file", file] if from_file else []
    with file.open("rb") as lines:
        process = subprocess.Popen(
            [*zoo.command("run", NAME), *arguments],
            stdin=lines,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=zoo.environment(),
        )
        with process:
            assert process.stdout.readline() == f"{ANSWER}\n".encode()
            process.stdout.close()
            assert process.stderr.read() == b""


def test_a_full_disk_behind_standard_output_is_told_in_a_line(zoo):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            zoo.command("run", NAME, DATE),
            stdout=full,
            stderr=subprocess.PIPE,
            env=zoo.environment(),
        )
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ") and done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("options", [[], ["--beam-size", "4"]])
def test_attend_draws_a_picture_and_prints_nothing(zoo, options):
    done = zoo("attend", NAME, DATE, "--output", "pictures/alignment.png", *options)
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    picture = zoo.work / "pictures" / "alignment.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert done.left == [picture.parent, picture]


def test_evaluate_prints_json(zoo):
    done = zoo("evaluate", "seq2seq_peeky_dates", "--json")
    assert (done.status, done.stderr) == (0, "")
    scores = json.loads(done.stdout)
    manifest = ROOT / "exports" / "seq2seq_peeky_dates" / "1" / "manifest.json"
    published = json.loads(manifest.read_bytes())["metrics"]["runtimes"]["litert"]
    del scores["seconds"], published["seconds"]
    assert scores == {"model": "seq2seq_peeky_dates", "runtime": "litert", **published}


def test_evaluate_measures_on_files_of_ones_own(zoo):
    sources = ["May 3, 2001", "september 27, 1994", "the day after"]
    rights = ["2001-05-03", "1994-09-27", "1999-01-01"]
    (zoo.work / "later.txt").write_text("\n".join(sources) + "\n")
    (zoo.work / "right.gz").write_bytes(gzip.compress("\n".join(rights).encode()))
    done = zoo("evaluate", NAME, "--source", "later.txt", "--reference", "right.gz", "--json")
    assert (done.status, done.stderr) == (0, "")
    scores = json.loads(done.stdout)
    assert (scores["rows"], scores["split"]) == (3, "later.txt")
    assert (scores["metric"], scores["value"]) == ("exact_match", pytest.approx(2 / 3))


def test_presets_are_listed(zoo):
    names = [line.split()[0] for line in zoo("list", "--presets").stdout.splitlines()]
    assert "seq2seq_test" in names and NAME in names


@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "-h"]])
def test_help_is_shown(zoo, arguments):
    done = zoo(*arguments)
    assert "Usage: " in done.stdout + done.stderr
    assert done.status in (0, 2)


def test_the_version_is_shown(zoo):
    assert zoo("--version").stdout.startswith("zoo, version ")
