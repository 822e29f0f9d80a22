"""Whatever is killed at any moment, nothing half-made is taken for whole."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from cases import weights_in
from conftest import NAME

from zoo.layout import MANIFEST, WEIGHTS

TEXT, ANSWER = "september 27, 1994", "1994-09-27\n"


class HalfOf:
    """Sends half of one file, once, and says so; the rest never comes."""

    def __init__(self, file):
        self.file = file
        self.reached = threading.Event()
        self.over = threading.Event()

    def __call__(self, path, content, stream):
        if path.endswith(self.file) and not self.reached.is_set():
            stream.write(content[: len(content) // 2])
            stream.flush()
            self.reached.set()
            self.over.wait(60)
        else:
            stream.write(content)


@pytest.mark.parametrize("file", [MANIFEST, "card.md", WEIGHTS, "tokenizer.model"])
def test_a_killed_pull_leaves_no_model_and_the_next_one_works(zoo, registry, serve, file):
    half = HalfOf(file)
    server = serve(registry, half)
    with zoo.start("pull", NAME, registry=server.url) as process:
        assert half.reached.wait(60)
        process.kill()
    half.over.set()
    assert process.returncode == -signal.SIGKILL
    [partial] = zoo.cache.glob(f"models/*/{NAME}/*")
    assert partial.name.startswith(".partial-")
    assert zoo("run", partial, TEXT).status == 1
    again = zoo("pull", NAME, registry=server.url)
    assert (again.status, again.stderr) == (0, "")
    server.stop()
    assert zoo("run", NAME, TEXT, registry=server.url).stdout == ANSWER


def test_a_killed_pull_is_no_model_without_the_server(zoo, registry, serve):
    half = HalfOf("tokenizer.model")
    server = serve(registry, half)
    with zoo.start("pull", NAME, registry=server.url) as process:
        assert half.reached.wait(60)
        process.kill()
    half.over.set()
    server.stop()
    zoo("run", NAME, TEXT, registry=server.url).refused(f"Cannot read {server.url}/index.json")


@pytest.fixture
def interruptible():
    """Lets SIGINT reach children: a shell that starts a job in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_pull_leaves_nothing_and_says_nothing(zoo, registry, serve):
    half = HalfOf(WEIGHTS)
    server = serve(registry, half)
    with zoo.start("pull", NAME, registry=server.url) as process:
        assert half.reached.wait(60)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate()
    half.over.set()
    assert (process.returncode, output, errors.strip()) == (130, b"", b"")
    assert not zoo.cache.exists()


TRAIN = ("-m", "zoo.models.seq2seq.train")


@pytest.mark.parametrize(
    ("preset", "killed_at"),
    [
        ("seq2seq_test_plain", "Epoch 2/3"),  # with dropout
        pytest.param("seq2seq_test", "Epoch 3/3", marks=pytest.mark.slow),
        pytest.param("seq2seq_test", "Epoch 1/3", marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_is_refused_and_resumes_to_the_same_weights(zoo, preset, killed_at):
    arguments = ["--preset", preset, "--set", "train.epochs=3", "--output"]
    assert zoo(*arguments, "whole", program=TRAIN).status == 0

    with zoo.start(*arguments, "killed", program=TRAIN, stderr=subprocess.DEVNULL) as process:
        while killed_at.encode() not in process.stdout.readline():
            assert process.poll() is None
        process.kill()
    assert process.returncode == -signal.SIGKILL
    message = "The training in killed is not finished; go on with --resume."
    zoo("run", "./killed", TEXT).refused(message)
    zoo("run", "./killed", TEXT, "--runtime", "keras").refused(message)
    zoo("export", "./killed", "--format", "litert").refused(message)

    resumed = zoo(*arguments, "killed", "--resume", program=TRAIN)
    assert resumed.status == 0, resumed.stderr
    expected, actual = weights_in(zoo.work / "whole"), weights_in(zoo.work / "killed")
    assert actual.keys() == expected.keys()
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []


def test_a_training_killed_before_its_manifest_is_finished_by_resuming(zoo, tiny_run, monkeypatch):
    from zoo.models.seq2seq import train

    folder = zoo.work / "run"
    shutil.copytree(tiny_run, folder)
    for file in (MANIFEST, WEIGHTS):
        (folder / file).unlink()
    monkeypatch.setenv("ZOO_CACHE", str(zoo.cache))
    arguments = ["--preset", "seq2seq_test", "--set", "train.steps=4", "--resume"]
    train.main([*arguments, "--output", str(folder)])
    expected, actual = weights_in(tiny_run), weights_in(folder)
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []
    assert zoo("info", folder).status == 0


@pytest.mark.slow
def test_an_export_killed_at_any_moment_leaves_no_model_and_the_next_one_works(zoo, tiny_run):
    command = ("export", tiny_run, "--format", "litert", "--to")
    started = time.monotonic()
    assert zoo(*command, "whole").status == 0
    seconds = time.monotonic() - started

    moments = random.Random(0)
    folder = zoo.work / "out" / "seq2seq_test" / "1"
    killed = 0
    for _ in range(8):
        with zoo.start(*command, "out", start_new_session=True) as process:
            try:
                process.wait(moments.uniform(0.1, 0.95) * seconds)
            except subprocess.TimeoutExpired:
                process.kill()  # it alone: the converter that it has started goes on
                killed += 1
        if folder.exists():  # it came to its end before the kill
            assert zoo("run", folder, TEXT).status == 0
            shutil.rmtree(folder)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for partial in folder.parent.glob(".partial-*"):
            zoo("run", partial, TEXT).refused("no manifest.json")
    assert killed
    assert zoo(*command, "out").status == 0
    assert zoo("run", folder, TEXT).status == 0
