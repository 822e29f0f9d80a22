"""`zoo export --format saved_model` writes what TensorFlow Serving mounts."""

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from cases import ROOT, published
from google.protobuf import text_format
from serving_messages import BatchingParameters, MonitoringConfig
from tensorflow_serving.apis import prediction_log_pb2
from tensorflow_serving.config import model_server_config_pb2

from zoo import cli
from zoo.errors import ZooError
from zoo.export.artefact import write_manifest
from zoo.layout import MANIFEST
from zoo.registry import Artefact
from zoo.runtime.saved_model_engine import SavedModelEngine
from zoo.serving import layout
from zoo.serving.warm_up import BATCH_SIZES, WARM_UP

NAME = "seq2seq_peeky_dates"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Returns a base path that the command wrote."""
    folder = tmp_path_factory.mktemp("base") / "models"
    command = [sys.executable, "-m", "zoo", "export", NAME, "--format", "saved_model"]
    done = subprocess.run([*command, "--to", folder], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{folder / NAME / '1'}\n", "")
    return folder


def models_of(base: Path) -> list:
    """Returns the entries of a base path's models.config, parsed as the server does."""
    text = (base / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return list(config.model_config_list.config)


def logs_of(folder: Path) -> list:
    """Returns the warm-up records of a version."""
    records = tf.data.TFRecordDataset(str(folder / WARM_UP)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(record) for record in records]


def test_base_path_holds_a_folder_a_model_and_three_files(base):
    assert {path.name for path in base.iterdir()} == {
        NAME, "models.config", "batching.config", "monitoring.config",
    }  # fmt: skip
    assert [path.name for path in (base / NAME).iterdir()] == ["1"]


def test_models_config_names_the_model_where_the_server_sees_it(base):
    [model] = models_of(base)
    assert model.name == NAME
    assert model.base_path == f"/models/{NAME}"
    assert model.model_platform == "tensorflow"


def test_batching_config_ends_its_sizes_with_the_largest_batch(base):
    text = (base / "batching.config").read_text()
    config = text_format.Parse(text, BatchingParameters())
    sizes = list(config.allowed_batch_sizes)
    assert sizes == sorted(sizes) == list(BATCH_SIZES)
    assert config.max_batch_size.value == sizes[-1]  # or the server does not start
    assert config.enable_large_batch_splitting.value
    assert not config.pad_variable_length_inputs  # it would pad with a token


def test_monitoring_config_turns_prometheus_on(base):
    text = (base / "monitoring.config").read_text()
    config = text_format.Parse(text, MonitoringConfig())
    assert config.prometheus_config.enable
    assert config.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_warm_up_asks_every_signature_at_a_few_batch_sizes(base):
    requests = [log.predict_log.request for log in logs_of(base / NAME / "1")]
    assert {request.model_spec.name for request in requests} == {NAME}
    asked = {}
    for request in requests:
        sizes = {x.tensor_shape.dim[0].size for x in request.inputs.values() if x.tensor_shape.dim}
        assert len(sizes) == 1
        asked.setdefault(request.model_spec.signature_name, set()).update(sizes)
    whole = set(BATCH_SIZES)
    few = {1, 4}
    assert asked == {"serving_default": whole, "generate": whole, "start": few, "step": few}
    assert len(requests) <= 1000  # the most that the server takes


def test_every_warm_up_request_is_answered(base):
    engine = SavedModelEngine(base / NAME / "1")
    for log in logs_of(base / NAME / "1"):
        request = log.predict_log.request
        inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
        outputs = engine.run(request.model_spec.signature_name, **inputs)
        assert set(request.output_filter) <= set(outputs)
        for array in outputs.values():
            assert array.dtype.kind != "f" or np.isfinite(array).all()


def test_warm_up_texts_are_those_of_the_data_set(base):
    sample = (ROOT / "datasets" / "dates" / "sample.tsv").read_text()
    for log in logs_of(base / NAME / "1"):
        request = log.predict_log.request
        if request.model_spec.signature_name == "serving_default":
            for text in request.inputs["text"].string_val:
                assert f"{text.decode()}\t" in sample


def test_warm_up_with_a_scalar_passes_the_batcher_by(base):
    """The batcher refuses scalars, but takes only requests for all of a signature's outputs."""
    for log in logs_of(base / NAME / "1"):
        request = log.predict_log.request
        scalar = any(not x.tensor_shape.dim for x in request.inputs.values())
        assert bool(request.output_filter) == scalar
        assert scalar == (request.model_spec.signature_name == "step")


def test_manifest_lists_the_warm_up(base):
    assert Artefact.open(base / NAME / "1").holds(WARM_UP)


def test_a_version_that_is_there_is_refused(base, zoo):
    done = zoo("export", NAME, "--format", "saved_model", "--to", base)
    done.refused(str(base / NAME / "1"), "not empty")


def test_a_model_that_is_named_twice_is_refused(zoo):
    zoo("export", NAME, NAME, "--format", "saved_model").refused("each model once", NAME)


def test_a_file_that_is_no_models_config_is_refused_and_stays(tmp_path):
    file = tmp_path / "models.config"
    file.write_text("model_config_list { sonfig { } }")
    with pytest.raises(ZooError, match=f"ModelServerConfig .*{file}.*sonfig"):
        layout.add_version(published(NAME), tmp_path)
    assert list(tmp_path.iterdir()) == [file]


@pytest.fixture
def source(tmp_path):
    """Returns a function from a name and a version to a model."""

    def made(name: str = NAME, version: int = 1) -> Artefact:
        folder = tmp_path / "sources" / f"{name}-{version}"
        shutil.copytree(ROOT / "exports" / NAME / "1", folder)
        facts = json.loads((folder / MANIFEST).read_bytes())
        facts |= {"name": name, "version": version}
        write_manifest(folder, facts, facts.pop("files"))
        return Artefact.open(folder)

    return made


@pytest.fixture
def quick(monkeypatch):
    """Exports without TensorFlow: what is tested is where things go."""

    def export(source, target, **options):
        write_manifest(target, source.manifest, [])
        return Artefact.open(target)

    monkeypatch.setattr(layout, "export_saved_model", export)
    monkeypatch.setattr(layout, "SavedModelEngine", lambda folder: None)
    monkeypatch.setattr(layout, "write_warm_up", lambda exported, engine: None)


def test_the_command_takes_several_models(quick, source, tmp_path, capsys):
    base = tmp_path / "models"
    folders = [str(source("one").folder), str(source("two", 3).folder)]
    cli.main(["export", *folders, "--format", "saved_model", "--to", str(base)])
    assert capsys.readouterr().out == f"{base / 'one' / '1'}\n{base / 'two' / '3'}\n"
    assert [model.name for model in models_of(base)] == ["one", "two"]


def test_a_further_model_extends_the_list_and_keeps_what_was_written_by_hand(
    quick, source, tmp_path
):
    base = tmp_path / "models"
    layout.add_version(source("one"), base)
    config = layout.read_models_config(base)
    [model] = config.model_config_list.config
    model.version_labels["stable"] = 1
    (base / "models.config").write_text(text_format.MessageToString(config))
    (base / "batching.config").write_text("max_batch_size { value: 8 }\n")

    layout.add_version(source("two"), base)

    one, two = models_of(base)
    assert (one.name, dict(one.version_labels), two.name) == ("one", {"stable": 1}, "two")
    assert (base / "batching.config").read_text() == "max_batch_size { value: 8 }\n"


def test_exports_at_once_lose_no_model(quick, source, tmp_path):
    base = tmp_path / "models"
    sources = [source(f"model_{number}") for number in range(8)]
    threads = [threading.Thread(target=layout.add_version, args=(x, base)) for x in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {model.name for model in models_of(base)} == {x.name for x in sources}


def test_a_model_whose_export_was_killed_before_the_list_is_listed_by_the_next(
    quick, source, tmp_path
):
    base = tmp_path / "models"
    layout.add_version(source("one"), base)
    (base / "models.config").unlink()
    layout.add_version(source("two"), base)
    assert [model.name for model in models_of(base)] == ["one", "two"]


def test_keep_removes_the_oldest_but_those_that_the_list_names(quick, source, tmp_path):
    base = tmp_path / "models"
    for version in (1, 2, 3, 9):
        layout.add_version(source(version=version), base)
    config = layout.read_models_config(base)
    config.model_config_list.config[0].version_labels["stable"] = 2
    (base / "models.config").write_text(text_format.MessageToString(config))

    layout.add_version(source(version=10), base, keep=2)

    assert sorted(path.name for path in (base / NAME).iterdir()) == ["10", "2", "9"]


def test_keep_refuses_a_version_that_it_would_remove_at_once(quick, source, tmp_path):
    base = tmp_path / "models"
    for version in (2, 3):
        layout.add_version(source(version=version), base)
    with pytest.raises(ZooError, match="remove version 1 .* newer 2, 3"):
        layout.add_version(source(version=1), base, keep=2)
    assert layout.versions(base / NAME) == [2, 3]


def test_a_version_whose_warm_up_fails_is_not_there(quick, source, tmp_path, monkeypatch):
    def refuse(exported, engine):
        raise ZooError("not finite")

    monkeypatch.setattr(layout, "write_warm_up", refuse)
    with pytest.raises(ZooError, match="not finite"):
        layout.add_version(source(), tmp_path / "models")
    assert not (tmp_path / "models").exists()
