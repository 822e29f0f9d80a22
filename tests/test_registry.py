"""A name finds its files: in a folder, behind a URL, and in the cache without either."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cases import ROOT
from conftest import NAME

from zoo.errors import ZooError
from zoo.export.artefact import index_of, write_json, write_manifest
from zoo.layout import INDEX, MANIFEST, parse_index, parse_manifest
from zoo.registry import Artefact, Registry, resolve

TEXT, ANSWER = "september 27, 1994", "1994-09-27\n"


def add_version(registry: Path, version: int, **changes) -> None:
    """Adds a version with the files of version 1 and `changes` in its manifest."""
    folder = registry / NAME / str(version)
    if version != 1:
        shutil.copytree(registry / NAME / "1", folder)
    facts = json.loads((folder / MANIFEST).read_bytes())
    files = facts.pop("files")
    write_manifest(folder, {**facts, "version": version, **changes}, files)
    write_json(registry / INDEX, index_of(registry))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_name_is_its_latest_version(registry):
    add_version(registry, 2)
    add_version(registry, 10)
    assert Registry(str(registry)).find(NAME).version == 10


def test_a_name_with_a_version_is_that_version(registry):
    add_version(registry, 2)
    found = Registry(str(registry)).find(f"{NAME}@1")
    assert (found.version, found.folder) == (1, registry / NAME / "1")


@pytest.mark.parametrize("url", ["{}", "{}/", "file://{}", "file://localhost{}"])
def test_a_folder_is_a_registry(zoo, registry, url):
    done = zoo("run", NAME, TEXT, registry=url.format(registry))
    assert (done.status, done.stdout, done.stderr, done.left) == (0, ANSWER, "", [])


def test_a_server_is_a_registry(zoo, registry, serve):
    done = zoo("run", NAME, TEXT, registry=serve(registry).url)
    assert (done.status, done.stdout, done.stderr) == (0, ANSWER, "")


def test_any_url_of_fsspec_is_a_registry(zoo, registry):
    code = (
        "import sys, fsspec, zoo.cli; "
        "fsspec.filesystem('memory').put(sys.argv.pop(), '/', recursive=True); "
        "zoo.cli.main()"
    )
    url = f"memory://{registry.name}"
    done = zoo("run", NAME, TEXT, registry, registry=url, program=("-c", code))
    assert (done.status, done.stdout, done.stderr) == (0, ANSWER, "")


def test_a_folder_with_a_model_needs_no_registry(zoo, registry):
    done = zoo("run", registry / NAME / "1", TEXT, registry="http://127.0.0.1:1")
    assert (done.status, done.stdout) == (0, ANSWER)


def test_a_folder_in_the_working_folder_needs_no_slash(zoo, registry):
    shutil.copytree(registry / NAME / "1", zoo.work / "mine")
    assert zoo("run", "mine", TEXT, registry=registry).stdout == ANSWER


def test_a_published_name_goes_before_a_folder_of_that_name(zoo, registry):
    (zoo.work / NAME).mkdir()
    assert zoo("run", NAME, TEXT, registry=registry).stdout == ANSWER


def test_a_cached_name_goes_before_a_folder_of_that_name_without_the_server(zoo, registry, serve):
    server = serve(registry)
    zoo("pull", NAME, registry=server.url)
    server.stop()
    (zoo.work / NAME).mkdir()
    assert zoo("run", NAME, TEXT, registry=server.url).stdout == ANSWER


def test_of_a_folder_of_versions_the_newest_is_taken(registry):
    for version in (2, 10):
        add_version(registry, version)
    assert resolve(registry / NAME).version == 10
    assert resolve(registry / NAME / "2").version == 2


def test_a_path_object_is_a_folder_even_if_it_looks_like_a_name(registry, monkeypatch):
    monkeypatch.chdir(registry / NAME)
    assert resolve(Path("1")).name == NAME


def test_a_home_folder_is_written_with_a_tilde(registry, monkeypatch):
    monkeypatch.setenv("HOME", str(registry.parent))
    assert resolve(f"~/{registry.name}/{NAME}/1").name == NAME
    assert Registry(f"~/{registry.name}").find(NAME).name == NAME


def test_list_prints_a_line_for_every_model(zoo, registry):
    done = zoo("list", registry=registry)
    summary = json.loads((registry / INDEX).read_bytes())["models"][NAME]["summary"]
    assert (done.status, done.stdout) == (0, f"{NAME}  {summary}\n")


def test_list_prints_json(zoo, registry):
    [model] = json.loads(zoo("list", "--json", registry=registry).stdout)
    assert model["name"] == NAME
    assert model["summary"] == Registry(str(registry)).models()[NAME]["summary"]


def test_info_prints_the_card(zoo, registry):
    card = (registry / NAME / "1" / "card.md").read_text(encoding="utf-8")
    assert zoo("info", NAME, registry=registry).stdout == card


def test_info_prints_the_manifest_as_json(zoo, registry):
    manifest = json.loads((registry / NAME / "1" / MANIFEST).read_bytes())
    assert json.loads(zoo("info", NAME, "--json", registry=registry).stdout) == manifest


def test_info_shows_a_training(zoo, tiny_run):
    done = zoo("info", tiny_run)
    assert (done.status, done.stderr) == (0, "")
    assert done.stdout.startswith("# seq2seq_test, version 1\n")


def test_a_pulled_model_runs_without_its_server(zoo, registry, serve):
    server = serve(registry)
    pulled = zoo("pull", NAME, registry=server.url)
    server.stop()
    assert (pulled.status, pulled.stderr) == (0, "")
    assert files_in(Path(pulled.stdout.strip())) == files_in(registry / NAME / "1")
    done = zoo("run", NAME, TEXT, registry=server.url)
    assert (done.status, done.stdout, done.stderr, done.left) == (0, ANSWER, "", [])


def test_a_second_pull_fetches_nothing_again(zoo, registry, serve):
    server = serve(registry)
    first = zoo("pull", NAME, registry=server.url)
    server.requests.clear()
    second = zoo("pull", NAME, registry=server.url)
    assert set(server.requests) == {"/index.json"}
    assert (second.status, second.stdout, second.left) == (0, first.stdout, [])


def test_a_pulled_model_is_run_without_asking_the_server(zoo, registry, serve):
    server = serve(registry)
    zoo("pull", NAME, registry=server.url)
    server.requests.clear()
    zoo("run", NAME, TEXT, registry=server.url)
    assert server.requests == []


def test_pull_fetches_the_version_that_is_now_the_latest(zoo, registry, serve):
    server = serve(registry)
    zoo("pull", NAME, registry=server.url)
    add_version(registry, 2)
    assert Path(zoo("pull", NAME, registry=server.url).stdout.strip()).name == "2"
    server.stop()
    for version in ("", "@1", "@2"):
        assert zoo("run", NAME + version, TEXT, registry=server.url).stdout == ANSWER


def test_a_version_that_the_cache_has_not_is_fetched(zoo, registry, serve):
    server = serve(registry)
    zoo("pull", NAME, registry=server.url)
    add_version(registry, 2)
    assert zoo("run", f"{NAME}@2", TEXT, registry=server.url).stdout == ANSWER


def test_a_newer_version_of_one_model_takes_no_other_model_out_of_the_cache(zoo, registry, serve):
    other = registry / "other" / "1"
    shutil.copytree(registry / NAME / "1", other)
    facts = json.loads((other / MANIFEST).read_bytes())
    write_manifest(other, {**facts, "name": "other"}, facts.pop("files"))
    write_json(registry / INDEX, index_of(registry))
    server = serve(registry)
    zoo("pull", NAME, registry=server.url)
    add_version(registry, 2)
    zoo("pull", "other", registry=server.url)
    server.stop()
    assert zoo("run", NAME, TEXT, registry=server.url).stdout == ANSWER


def test_a_pull_that_was_killed_before_its_last_file_is_completed_by_the_next(zoo, registry, serve):
    server = serve(registry)
    folder = Path(zoo("pull", NAME, registry=server.url).stdout.strip())
    (folder.parent / INDEX).unlink()
    zoo("pull", NAME, registry=server.url)
    server.stop()
    assert zoo("run", NAME, TEXT, registry=server.url).stdout == ANSWER


def test_two_registries_do_not_share_what_they_call_by_one_name(zoo, registry, serve):
    one = serve(registry)
    zoo("pull", NAME, registry=one.url)
    add_version(registry, 1, summary="Another.")
    other = serve(registry)
    assert (
        json.loads(zoo("info", NAME, "--json", registry=other.url).stdout)["summary"]
        != (json.loads(zoo("info", NAME, "--json", registry=one.url).stdout)["summary"])
    )


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_pull_copies_to_a_folder(zoo, registry, serve, kind):
    url = registry if kind == "folder" else serve(registry).url
    done = zoo("pull", NAME, "--to", "mine", registry=url)
    assert (done.status, done.stdout, done.stderr) == (0, f"mine/{NAME}/1\n", "")
    assert files_in(zoo.work) == {f"mine/{NAME}/1/{x}" for x in files_in(registry / NAME / "1")}
    assert not zoo.cache.exists()
    assert zoo("run", f"mine/{NAME}/1", TEXT, registry="/nowhere").stdout == ANSWER


def test_pulled_folders_can_be_read_by_other_users(zoo, registry):
    zoo("pull", NAME, "--to", "mine", registry=registry)
    assert (zoo.work / "mine" / NAME / "1").stat().st_mode & 0o777 == 0o755


def test_processes_that_pull_at_once_leave_one_whole_model(zoo, registry, serve):
    server = serve(registry)
    processes = [zoo.start("pull", NAME, registry=server.url) for _ in range(5)]
    outputs = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, outputs
    assert len(set(outputs)) == 1
    folder = Path(outputs[0][0].decode().strip())
    for file in Artefact.open(folder).manifest["files"]:
        Artefact.open(folder).read(file)
    assert {path.name for path in folder.parent.iterdir()} == {"1", INDEX}


def test_a_file_larger_than_a_block_comes_from_a_server_without_ranges(zoo, registry, serve):
    folder = registry / NAME / "1"
    (folder / "extra.bin").write_bytes(b"\1" * (16 << 20))  # fsspec's block has 5 MiB
    facts = json.loads((folder / MANIFEST).read_bytes())
    write_manifest(folder, facts, [*facts.pop("files"), "extra.bin"])
    write_json(registry / INDEX, index_of(registry))
    done = zoo("pull", NAME, registry=serve(registry).url)
    assert (done.status, done.stderr) == (0, "")


def test_models_are_listed_in_order(registry):
    index = json.loads((registry / INDEX).read_bytes())
    index["models"] = {name: index["models"][NAME] for name in ("b", "c", "a")}
    write_json(registry / INDEX, index)
    assert list(Registry(str(registry)).models()) == ["a", "b", "c"]


def test_what_is_called_by_another_name_in_the_index_is_refused(zoo, registry, serve):
    index = json.loads((registry / INDEX).read_bytes())
    index["models"] = {"other": index["models"][NAME]}
    write_json(registry / INDEX, index)
    shutil.copytree(registry / NAME, registry / "other")
    zoo("pull", "other", registry=serve(registry).url).refused(
        "Expected other version 1 at http://", f"Received: {NAME} version 1."
    )
    with pytest.raises(ZooError, match=f"Expected other version 1 .* Received: {NAME} version 1"):
        Registry(str(registry)).find("other")


def test_a_registry_that_lacks_what_its_index_lists_says_so(registry):
    shutil.rmtree(registry / NAME / "1")
    with pytest.raises(ZooError, match="does not carry version 1. Set ZOO_REGISTRY"):
        Registry(str(registry)).find(NAME)


def test_a_file_is_read_only_if_the_manifest_lists_it(registry):
    (registry / NAME / "1" / "notes.txt").write_text("x")
    with pytest.raises(ZooError, match="holds no notes.txt. It holds: card.md, golden.npz"):
        Registry(str(registry)).find(NAME).read("notes.txt")


VERSION = {"manifest_sha256": "0" * 64, "bytes": 1}
ENTRY = {"latest": 1, "summary": "", "versions": {"1": VERSION}}


@pytest.mark.parametrize(
    "index",
    [
        b"",
        b"\xff\xfe",
        b"<html>Not found</html>",
        b"null",
        b"[]",
        b'"format"',
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "models": []}',
        b'{"format": "1", "models": {}}',
        b'{"format": true, "models": {}}',
        b'{"format": 0, "models": {}}',
        b'{"format": 1, "models": {"a": null}}',
        b'{"format": 1, "models": {"a": {}}}',
        b"[" * 100_000,
        json.dumps({"format": 1, "models": {"../a": ENTRY}}).encode(),
        json.dumps({"format": 1, "models": {"/a": ENTRY}}).encode(),
        json.dumps({"format": 1, "models": {"..": ENTRY}}).encode(),
        json.dumps({"format": 1, "models": {"": ENTRY}}).encode(),
        json.dumps({"format": 1, "models": {"a": {**ENTRY, "latest": 2}}}).encode(),
        json.dumps({"format": 1, "models": {"a": {**ENTRY, "summary": 1}}}).encode(),
        json.dumps({"format": 1, "models": {"a": {**ENTRY, "versions": ["1"]}}}).encode(),
        json.dumps({"format": 1, "models": {"a": {**ENTRY, "versions": {"1": {}}}}}).encode(),
        json.dumps(
            {"format": 1, "models": {"a": {**ENTRY, "versions": {"1": VERSION, "../2": VERSION}}}}
        ).encode(),
    ],
)
def test_what_is_no_index_is_refused(index):
    with pytest.raises(ZooError, match=r"^here "):
        parse_index(index, "here")


def test_an_index_is_returned_as_it_is():
    index = {"format": 1, "models": {"a_1": ENTRY}}
    assert parse_index(json.dumps(index).encode(), "here") == index


@pytest.fixture(scope="module")
def manifest():
    return (ROOT / "exports" / NAME / "1" / MANIFEST).read_bytes()


def test_a_manifest_is_returned_as_it_is(manifest):
    assert parse_manifest(manifest, "here") == json.loads(manifest)


@pytest.mark.parametrize(
    "missing",
    [
        "format", "name", "version", "family", "summary", "paper", "license", "dataset", "command",
        "parameters", "configuration", "signatures", "training", "files", "litert",
    ],
)  # fmt: skip
def test_a_manifest_without_a_fact_is_refused(manifest, missing):
    facts = json.loads(manifest)
    del facts[missing]
    with pytest.raises(ZooError, match=r"^here "):
        parse_manifest(json.dumps(facts).encode(), "here")


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": "../a"},
        {"name": "A"},
        {"version": "1"},
        {"version": 0},
        {"version": True},
        {"family": ["seq2seq"]},
        {"configuration": []},
        {"files": []},
        {"files": {"a": None}},
        {"files": {"a": {"bytes": "1", "sha256": ""}}},
        {"files": {"a": {"bytes": 1}}},
        {"litert": {"beam_size": "4", "quantize": "int8", "signatures": {}}},
    ],
)
def test_a_manifest_with_a_fact_of_another_kind_is_refused(manifest, change):
    facts = {**json.loads(manifest), **change}
    with pytest.raises(ZooError, match=r"^here is no manifest of a model"):
        parse_manifest(json.dumps(facts).encode(), "here")


@pytest.mark.parametrize(
    "file",
    [
        "../x", "/etc/x", "a/../../x", "a/../x", "..", ".", "./x", "a/./x", "a//x", "a/", "", "~/x",
        "..\\x", "a\\..\\x", "C:\\x", "C:x", "x\n", "x\0", MANIFEST,
    ],
)  # fmt: skip
def test_a_manifest_with_a_file_outside_its_folder_is_refused(manifest, file):
    facts = json.loads(manifest)
    facts["files"] = {file: {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}}
    with pytest.raises(ZooError, match="which is not inside its folder"):
        parse_manifest(json.dumps(facts).encode(), "here")


@pytest.mark.parametrize("file", ["x", "variables/variables.index", "a-b.c_d", "..a"])
def test_a_manifest_with_a_file_inside_its_folder_is_taken(manifest, file):
    facts = json.loads(manifest)
    facts["files"] = {file: {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}}
    assert parse_manifest(json.dumps(facts).encode(), "here") == facts


def test_resolving_a_name_imports_no_framework(zoo, registry):
    code = (
        "import sys; from zoo import registry; registry.resolve(sys.argv[1]); "
        "print({'numpy', 'keras', 'tensorflow', 'fsspec'} & set(sys.modules))"
    )
    done = zoo(NAME, registry=registry, program=("-c", code))
    assert (done.stdout, done.stderr) == ("set()\n", "")
