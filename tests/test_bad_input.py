"""Whatever is wrong with the input, one line says so, and nothing is left behind."""

import dataclasses
import hashlib
import json
import resource
import shutil
import subprocess
import zipfile

import pytest
from conftest import NAME, Done

from zoo.data.dataset import read_rows
from zoo.errors import ZooError
from zoo.export.artefact import write_json, write_manifest
from zoo.layout import INDEX, MANIFEST

TEXT = "september 27, 1994"


def edit_json(path, change) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    write_json(path, value)


def rehash(registry) -> None:
    """Brings the index up to date with a manifest that a test has edited by hand."""
    content = (registry / NAME / "1" / MANIFEST).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    edit_json(
        registry / INDEX,
        lambda index: index["models"][NAME]["versions"]["1"].update(manifest_sha256=digest),
    )


def flip_a_bit(path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


COMMANDS = {
    "run": ("run", "{}", TEXT),
    "info": ("info", "{}"),
    "pull": ("pull", "{}"),
    "pull_to": ("pull", "{}", "--to", "out"),
    "attend": ("attend", "{}", TEXT, "--output", "out.png"),
    "evaluate": ("evaluate", "{}"),
    "benchmark": ("benchmark", "{}"),
    "export": ("export", "{}", "--format", "litert", "--to", "out"),
}


@pytest.fixture(params=COMMANDS)
def command(request):
    """Returns a function from a model to the arguments of a command on it; every command."""
    return lambda name: [argument.format(name) for argument in COMMANDS[request.param]]


def test_an_unknown_model_is_refused_with_close_names(zoo, command):
    zoo(*command("seq2seq_atention_dates")).refused(
        "Unknown model 'seq2seq_atention_dates'. Did you mean seq2seq_attention_dates"
    )


def test_an_unknown_version_is_refused_with_the_known(zoo, command):
    zoo(*command(f"{NAME}@7")).refused(f"Unknown version of {NAME} '7'. Known: 1.")


@pytest.mark.parametrize(
    "name", ["", "@", "@1", f"{NAME}@", f"{NAME}@01", f"{NAME}@1@1", "A", "a" * 300, "..", "\udcff"]
)
@pytest.mark.parametrize("first", ["run", "pull"])
def test_what_is_no_name_is_refused(zoo, first, name):
    zoo(first, name).refused()


@pytest.mark.parametrize("folder", ["./none", "/none", "~none/x", "none/" + "a" * 300, ".", "./"])
def test_a_folder_without_a_model_is_refused(zoo, folder):
    zoo("run", folder, TEXT).refused("folder" if "none" in folder else "no manifest.json")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", NAME, "--runtime", "torch", TEXT],
        ["run", NAME, "--beam-size", "many", TEXT],
        ["run", NAME, "--fast", TEXT],
        ["run", NAME, "--file", "x", TEXT],
        ["run"],
        ["attend", NAME, TEXT],
        ["evaluate", NAME, "--source", "a.txt"],
        ["evaluate", NAME, "--reference", "a.txt"],
        ["evaluate", NAME, "--source", "a", "--reference", "b", "--split", "test"],
        ["benchmark", NAME, "--threads", "2"],
        ["export", NAME],
        ["export", NAME, "--format", "onnx"],
        ["export", NAME, "--format", "litert", "--xla"],
        ["export", NAME, "--format", "litert", "--ids-only"],
        ["export", NAME, "--format", "litert", "--quantize", "int4"],
        ["export", NAME, "--format", "saved_model", "--quantize", "int8"],
        ["export", NAME, "--format", "saved_model", "--batch-size", "4"],
        ["export", NAME, "--format", "litert", "--batch-size", "0"],
        ["export", NAME, "--format", "litert", "--bundle", "--batch-size", "4"],
        ["export", NAME, "--format", "litert", "--to", "out.zip"],
        ["pull", NAME, "other"],
        ["fly"],
        ["--fly"],
    ],
)
def test_wrong_usage_exits_with_2(zoo, arguments):
    done = zoo(*arguments)
    assert (done.status, done.stdout, done.left) == (2, "", [])
    assert "Usage: " in done.stderr and "\nError: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        "nowhere://x",
        "s3://x",
        "http://127.0.0.1:1",
        "http://",
        "https://127.0.0.1:1/a b",
        "file:///none",
        "/none",
        "none",
        "~none/x",
        "/dev/null",
        "a" * 300,
    ],
)
@pytest.mark.parametrize("first", [["list"], ["run", NAME, TEXT]])
def test_a_registry_that_cannot_be_read_is_told_by_its_address(zoo, url, first):
    zoo(*first, registry=url).refused(url)


def test_a_server_that_is_not_there_is_not_taken_for_a_missing_file(zoo):
    zoo("list", registry="http://127.0.0.1:1").refused("Cannot read http://127.0.0.1:1/index.json")


def test_a_server_that_fails_is_told(zoo, registry, serve):
    url = serve(registry, failing=True).url
    zoo("list", registry=url).refused(f"Cannot read {url}/{INDEX}: 500")


def test_an_index_that_is_not_there_is_told(zoo, registry, serve):
    (registry / INDEX).unlink()
    url = serve(registry).url
    zoo("list", registry=url).refused(f"There is no {url}/{INDEX}.")


def test_http_without_its_extra_says_what_to_install(zoo):
    code = "import sys; sys.modules['aiohttp'] = None; from zoo.cli import main; main()"
    zoo("list", registry="http://127.0.0.1:1", program=("-c", code)).refused(
        "needs the package aiohttp", "pip install 'attention-zoo[http]'"
    )


@pytest.mark.parametrize("file", ["none", ".", "none/none", "a" * 300])
def test_a_file_that_cannot_be_read_is_refused(zoo, file):
    zoo("run", NAME, "--file", file).refused(f"Cannot read {file}: ")


def test_a_file_that_only_says_it_is_gzip_is_refused(zoo, tmp_path):
    file = tmp_path / "lines.gz"
    file.write_text("5/5/01\n")
    zoo("run", NAME, "--file", file).refused(f"Expected a gzip file at {file}. Received: ")


@pytest.mark.parametrize("content", [b"\xff\n", b"5/5/01\n\xc3", b"a\n\n\xed\xa0\x80\n"])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_lines_that_are_not_utf8_are_refused_by_number(zoo, tmp_path, content, way):
    file = tmp_path / "lines"
    file.write_bytes(content)
    number = content.count(b"\n") + (not content.endswith(b"\n"))
    if way == "stdin":
        done, name = zoo("run", NAME, stdin=content), "standard input"
    else:
        done, name = zoo("run", NAME, "--file", file), file
    # The lines before were answered as they came.
    assert done.stdout.count("\n") == number - 1
    dataclasses.replace(done, stdout="").refused(f"Expected UTF-8. Line {number} of {name} is not.")


@pytest.mark.parametrize("first", ["run", "attend"])
def test_an_argument_that_is_not_utf8_is_refused(zoo, first):
    output = ["--output", "x.png"] if first == "attend" else []
    zoo(first, NAME, b"\xff", *output).refused("Expected UTF-8. TEXT")


@pytest.mark.parametrize(
    "line",
    [
        '{"story": ["\\ud800"], "question": "Where?"}',
        '{"story": ["Mary went."], "question": "\\udcff?"}',
    ],
)
def test_a_story_that_utf8_cannot_hold_is_refused(zoo, line):
    zoo("run", "memory_network_babi_1k", line).refused("Line 1: Expected UTF-8.", "is not: ")


def test_more_than_one_answer_is_refused_of_what_has_one(zoo):
    zoo("run", "memory_network_babi_1k", "{}", "--n-best", "2").refused(
        "--n-best is for models that write text. memory_network_babi_1k is none."
    )


@pytest.mark.parametrize("size", ["0", "-1"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", NAME, TEXT],
        ["run", NAME, TEXT, "--runtime", "keras"],
        ["evaluate", NAME],
        ["export", NAME, "--format", "litert"],
        ["export", NAME, "--format", "saved_model"],
    ],
)
def test_a_beam_of_nothing_is_refused(zoo, arguments, size):
    zoo(*arguments, "--beam-size", size).refused(f"beam_size must be at least 1. Received: {size}.")


@pytest.mark.parametrize("n", ["0", "5"])
def test_more_than_the_beam_has_is_refused(zoo, n):
    zoo("run", NAME, TEXT, "--beam-size", "4", "--n-best", n).refused(
        f"--n-best must be 1 to the beam size, here 4. Received: {n}."
    )


def test_a_beam_that_the_file_does_not_hold_is_refused(zoo):
    zoo("run", NAME, TEXT, "--beam-size", "3").refused(
        "holds the beam sizes 1 and 4. Received: 3.", "--beam-size 3"
    )


def test_a_training_has_no_tflite_to_run(zoo, tiny_run):
    zoo("run", tiny_run, TEXT).refused(f"zoo export {tiny_run} --format litert")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([NAME, TEXT, "--output", "x.gif"], "Expected a picture ending in .png, .svg, .pdf"),
        ([NAME, TEXT, "--output", "."], "Expected a picture"),
        ([NAME, TEXT, "--output", "/dev/null/x.png"], "Cannot write /dev/null/x.png: "),
        ([NAME, TEXT, "--output", "a" * 300 + ".png"], "Cannot write aaa"),
        ([NAME, "", "--output", "new/x.png"], "The output is empty"),
        (["seq2seq_plain_dates", TEXT, "--output", "x.png"], "has no attention"),
    ],
)
def test_what_cannot_be_drawn_is_refused(zoo, arguments, message):
    zoo("attend", *arguments).refused(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "tset"], "Unknown split 'tset'. Did you mean test?"),
        (["--data", "none"], "Expected the data set 'dates' at none/dates. Nothing is there."),
    ],
)
def test_what_cannot_be_evaluated_is_refused(zoo, arguments, message):
    zoo("evaluate", NAME, *arguments).refused(message)


@pytest.mark.parametrize(
    ("name", "source", "reference", "message"),
    [
        (NAME, "two", "one", "Expected 2 lines in one, as in two. Received: 1."),
        (NAME, "none", "one", "Expected a file at none. Received: No such file or directory."),
        (NAME, "one", "none", "Expected a file at none. Received: No such file or directory."),
        (NAME, "empty", "empty", "Expected lines in empty. It is empty."),
        (NAME, "one", "latin", "Expected UTF-8 in latin. Received: "),
        ("memory_network_babi_1k", "one", "one", "--source is for models from text to text."),
    ],
)
def test_files_that_cannot_be_evaluated_are_refused(zoo, name, source, reference, message):
    files = {"one": b"a\n", "two": b"a\nb\n", "empty": b"", "latin": b"\xe4\n"}
    for file, content in files.items():
        (zoo.work / file).write_bytes(content)
    zoo("evaluate", name, "--source", source, "--reference", reference).refused(message)


@pytest.mark.parametrize("calls", ["0", "-1"])
def test_a_benchmark_of_no_calls_is_refused(zoo, calls):
    zoo("benchmark", NAME, "--calls", calls).refused("calls must be at least 1")


def test_a_bundle_that_is_a_zip_is_to_be_unpacked(zoo, tmp_path):
    bundle = tmp_path / "app.zip"
    with zipfile.ZipFile(bundle, "w") as content:
        content.writestr("model.tflite", b"")
    zoo("benchmark", "--bundle", bundle).refused(f"Expected a folder. {bundle} is a zip: unpack it")


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        (["pull", NAME], NAME),
        (["export", NAME, "--format", "litert"], NAME),
        (["export", NAME, "--format", "saved_model"], NAME),
    ],
)
@pytest.mark.parametrize("taken", ["file", "file above", "full folder"])
def test_an_output_folder_that_is_taken_is_refused(zoo, arguments, target, taken):
    folder = zoo.work / "out" / target / "1"
    if taken == "full folder":
        file = folder / "mine"
        message = "is not empty"
    else:
        file = folder if taken == "file" else zoo.work / "out"
        message = "Expected a folder to write to." if taken == "file" else "Cannot write to"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    zoo(*arguments, "--to", "out").refused(message, f"out/{target}")
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("package", "extra", "arguments"),
    [
        ("matplotlib", "plot", ["attend", NAME, TEXT, "--output", "x.png"]),
        ("tensorflow", "train", ["export", NAME, "--format", "saved_model"]),
        ("tensorflow", "train", ["export", NAME, "--format", "litert"]),
        ("tensorflow", "train", ["run", NAME, TEXT, "--runtime", "saved_model"]),
        ("tensorflow", "train", ["run", NAME, TEXT, "--runtime", "keras"]),
        ("tensorflow", "train", ["evaluate", NAME, "--runtime", "keras"]),
        ("tensorflow_text", "train", ["export", NAME, "--format", "saved_model"]),
        ("tensorflow_text", "train", ["run", NAME, TEXT, "--runtime", "saved_model"]),
        ("keras", "train", ["export", NAME, "--format", "saved_model"]),
        ("keras", "train", ["export", NAME, "--format", "litert"]),
        ("keras", "train", ["run", NAME, TEXT, "--runtime", "keras"]),
    ],
)
def test_a_missing_extra_is_named_with_its_command(zoo, package, extra, arguments):
    code = f"import sys; sys.modules[{package!r}] = None; from zoo.cli import main; main()"
    zoo(*arguments, program=("-c", code)).refused(
        f"needs the package {package}", f"pip install 'attention-zoo[{extra}]'"
    )


@pytest.mark.parametrize("file", ["model.tflite", "tokenizer.model", MANIFEST])
@pytest.mark.parametrize("where", ["registry", "server", "cache"])
def test_one_flipped_bit_is_refused(zoo, registry, serve, file, where):
    url = registry if where == "registry" else serve(registry).url
    if where == "cache":
        folder = zoo.work / zoo("pull", NAME, registry=url).stdout.strip()
    else:
        folder = registry / NAME / "1"
    flip_a_bit(folder / file)
    zoo("run", NAME, TEXT, registry=url).refused(f"/{file} is damaged: expected sha256 ")


@pytest.mark.parametrize("file", ["model.tflite", "tokenizer.model"])
def test_one_flipped_bit_in_a_folder_is_refused(zoo, registry, file):
    folder = registry / NAME / "1"
    flip_a_bit(folder / file)
    zoo("run", folder, TEXT).refused(f"/{file} is damaged: expected sha256 ")


def test_one_flipped_bit_in_the_weights_is_refused(zoo, registry):
    flip_a_bit(registry / NAME / "1" / "model.weights.h5")
    zoo("run", NAME, TEXT, "--runtime", "keras", registry=registry).refused(
        "/model.weights.h5 is damaged: expected sha256 "
    )


def test_a_damaged_model_in_the_cache_is_not_pulled_over_but_told(zoo, registry, serve):
    url = serve(registry).url
    folder = zoo.work / zoo("pull", NAME, registry=url).stdout.strip()
    flip_a_bit(folder / "golden.npz")
    zoo("pull", NAME, registry=url).refused(
        "/golden.npz is damaged: ", f"Remove {folder} and pull again."
    )
    shutil.rmtree(folder)
    assert zoo("pull", NAME, registry=url).status == 0


def _half_the_file(path, content, stream):
    """Sends half of what its header announced, and hangs up."""
    stream.write(content[: len(content) // 2] if path.endswith(".tflite") else content)


def _no_bytes(path, content, stream):
    stream.write(b"" if path.endswith(".tflite") else content)


@pytest.mark.parametrize("to", [[], ["--to", "out"]])
@pytest.mark.parametrize("send", [_half_the_file, _no_bytes])
def test_a_truncated_download_is_refused(zoo, registry, serve, send, to):
    url = serve(registry, send).url
    zoo("pull", NAME, *to, registry=url).refused(f"{url}/{NAME}/1/model.tflite")


@pytest.mark.parametrize("change", [lambda file: file[:-1], lambda file: file + b"\0"])
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_file_of_another_length_is_refused(zoo, registry, serve, change, kind):
    file = registry / NAME / "1" / "model.tflite"
    file.write_bytes(change(file.read_bytes()))
    url = registry if kind == "folder" else serve(registry).url
    zoo("pull", NAME, "--to", "out", registry=url).refused("model.tflite is damaged: expected ")


def test_a_server_that_never_ends_a_file_is_refused(zoo, registry, serve):
    def send(path, content, stream):
        stream.write(content)
        while path.endswith(".tflite"):
            stream.write(content)

    url = serve(registry, send, lengths=False).url
    zoo("pull", NAME, registry=url).refused("model.tflite is damaged: expected ", "Received: more")


@pytest.mark.parametrize("file", ["model.tflite", MANIFEST])
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_file_that_the_registry_lacks_is_refused(zoo, registry, serve, file, kind):
    (registry / NAME / "1" / file).unlink()
    url = registry if kind == "folder" else serve(registry).url
    zoo("run", NAME, TEXT, registry=url).refused(file)


@pytest.mark.parametrize("file", ["../x", "/etc/x", "a/../../x", "..\\x", "a\\..\\..\\x"])
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_a_manifest_that_climbs_out_is_refused(zoo, registry, serve, file, kind):
    facts = {"bytes": 1, "sha256": "0" * 64}
    edit_json(registry / NAME / "1" / MANIFEST, lambda x: x["files"].update({file: facts}))
    rehash(registry)
    url = registry if kind == "folder" else serve(registry).url
    zoo("pull", NAME, registry=url).refused(f"{file!r}, which is not inside its folder")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..\\x", ".."])
@pytest.mark.parametrize("kind", ["folder", "server"])
def test_an_index_that_climbs_out_is_refused(zoo, registry, serve, name, kind):
    edit_json(registry / INDEX, lambda x: x["models"].update({name: x["models"][NAME]}))
    url = registry if kind == "folder" else serve(registry).url
    zoo("pull", NAME, registry=url).refused(f"the entry {name!r} is wrong")


@pytest.mark.parametrize("file", [INDEX, f"{NAME}/1/{MANIFEST}"])
def test_a_newer_format_is_refused(zoo, registry, file):
    edit_json(registry / file, lambda x: x.update(format=2))
    if file != INDEX:
        rehash(registry)
    zoo("run", NAME, TEXT, registry=registry).refused(
        f"{file} has format 2; this zoo reads up to 1. Upgrade attention-zoo."
    )


@pytest.mark.parametrize("content", ["<html>", '{"format": 1}'])
@pytest.mark.parametrize("file", [INDEX, f"{NAME}/1/{MANIFEST}"])
def test_what_is_no_json_or_another_is_refused(zoo, registry, command, file, content):
    (registry / file).write_text(content)
    if file != INDEX:
        rehash(registry)
    zoo(*command(NAME), registry=registry).refused(file)


@pytest.fixture
def other_weights(registry):
    """Returns a model whose configuration asks for other weights than it has."""
    folder = registry / NAME / "1"
    facts = json.loads((folder / MANIFEST).read_bytes())
    facts["configuration"]["model"]["units"] = 128
    write_manifest(folder, facts, facts.pop("files"))
    return folder


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "{}", TEXT, "--runtime", "keras"],
        ["export", "{}", "--format", "litert", "--to", "out"],
    ],
)
def test_weights_of_another_shape_are_refused(zoo, other_weights, arguments):
    zoo(*(argument.format(other_weights) for argument in arguments)).refused(
        "Expected weight ", "Received: "
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "seq2sec"}, "Unknown family 'seq2sec'. Did you mean seq2seq"),
        ({"configuration": {}}, "Seq2SeqPreset lacks "),
    ],
)
def test_a_model_of_another_zoo_is_refused(zoo, registry, change, message):
    folder = registry / NAME / "1"
    edit_json(folder / MANIFEST, lambda manifest: manifest.update(change))
    zoo("evaluate", folder).refused(message)


def test_a_disk_that_fills_up_is_refused(zoo, registry, serve):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))

    done = subprocess.run(
        zoo.command("pull", NAME),
        capture_output=True,
        text=True,
        env=zoo.environment(serve(registry).url),
        preexec_fn=limit,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Cannot write to ") and done.stderr.count("\n") == 1
    assert not zoo.cache.exists()


TRAIN = ("-m", "zoo.models.seq2seq.train")


@pytest.fixture
def train_here(zoo, monkeypatch, capsys):
    """Returns a function that runs the train script in this process, which has TensorFlow open."""
    from zoo.models.seq2seq import train

    def run(*arguments) -> Done:
        monkeypatch.chdir(zoo.work)
        monkeypatch.setenv("ZOO_CACHE", str(zoo.cache))
        monkeypatch.delenv("ZOO_DATA", raising=False)
        before = zoo.files()
        with pytest.raises(SystemExit) as ended:
            train.main([str(argument) for argument in arguments])
        return Done(ended.value.code, *capsys.readouterr(), sorted(zoo.files() - before))

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "seq2sec_test"], "Unknown preset 'seq2sec_test'. Did you mean seq2seq_test"),
        (["--preset", "seq2seq_test", "--set", "train.epochs"], "Expected field=value"),
        (["--preset", "seq2seq_test", "--set", "train.epoch=3"], "Did you mean epochs"),
        (["--preset", "seq2seq_test", "--set", "train.epochs=0"], "does not accept epochs=0"),
        (["--preset", "seq2seq_test", "--set", "data.name=date"], "Unknown data set 'date'"),
        (["--preset", "seq2seq_test", "--data", "none"], "Expected the data set 'dates' at none"),
        (["--preset", "seq2seq_test", "--set", "model.vocab_size=9"], "model.vocab_size=62"),
        (["--preset", "seq2seq_test", "--set", "train.start_from=fnord"], "Unknown model 'fnord'"),
        (
            ["--preset", "seq2seq_test", "--set", f"train.start_from={NAME}"],
            "Expected weight 'decoder/layer_0/gru_cell/bias' of shape (2, 96)",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(train_here, arguments, message):
    train_here(*arguments, "--output", "out").refused(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\tb\na\tb\tc\n", "Expected 2 columns in {}:2. Received: 3."),
        ("a\tb\n\n", "Expected 2 columns in {}:2. Received: 1."),
        ("a", "Expected 2 columns in {}:1. Received: 1."),
        (b"\xff\tb", "Expected UTF-8 in {}. Received: "),
    ],
)
def test_pairs_that_are_none_are_refused_by_line(tmp_path, content, message):
    path = tmp_path / "pairs.tsv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ZooError) as error:
        list(read_rows(path, 2))
    assert message.format(path) in str(error.value)


def test_pairs_hold_any_character_but_tabs_and_line_ends(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_bytes("a\u2028b\x85\x1c\tc\v\fd\r\n e\rf \t".encode())
    assert list(read_rows(path, 2)) == [("a\u2028b\x85\x1c", "c\v\fd"), (" e\rf ", "")]


def test_a_file_without_a_line_has_no_pairs(tmp_path):
    (tmp_path / "pairs.tsv").write_bytes(b"")
    assert list(read_rows(tmp_path / "pairs.tsv", 2)) == []


def test_a_training_on_three_columns_is_refused_and_leaves_no_folder(zoo, tmp_path):
    folder = tmp_path / "data" / "dates"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        (folder / f"{split}.tsv").write_text("a\tb\tc\n")
    done = zoo(
        "--preset", "seq2seq_test", "--data", tmp_path / "data", "--output", "out", program=TRAIN
    )
    assert (done.status, done.left) == (1, [])
    assert "Expected 2 columns in " in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_folder_in_use_is_not_trained_in(train_here, tiny_run):
    before = sorted(tiny_run.rglob("*"))
    train_here("--preset", "seq2seq_test", "--output", tiny_run).refused("is not empty")
    assert sorted(tiny_run.rglob("*")) == before


def test_another_training_is_not_resumed(train_here, tiny_run):
    train_here("--preset", "seq2seq_test_plain", "--output", tiny_run, "--resume").refused(
        "holds a training with another name: seq2seq_test."
    )
