"""The base path that TensorFlow Serving mounts at /models.

    <base>/models.config                which models there are: --model_config_file
    <base>/batching.config              how requests become batches: --batching_parameters_file
    <base>/monitoring.config            metrics for Prometheus: --monitoring_config_file
    <base>/<name>/<version>/            a SavedModel, with its warm-up requests

A version appears whole or not at all, a server that watches the folder takes it as soon as it is
there, and the newest one answers. What is written of `models.config` by hand, such as labels, stays
when a model is added, but for comments; the other two files are written once and are then yours.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from zoo import paths
from zoo.errors import ZooError
from zoo.export.artefact import write_manifest
from zoo.export.saved_model import export_saved_model
from zoo.registry import Artefact
from zoo.runtime.saved_model_engine import SavedModelEngine
from zoo.serving.files import (
    BATCHING_CONFIG,
    MODELS_CONFIG,
    MONITORING_CONFIG,
    MOUNT,
    versions,
)
from zoo.serving.warm_up import BATCH_SIZES, write_warm_up

_BATCHING = f"""\
# BatchingParameters of TensorFlow Serving; it takes a thread a core.
#
# Strings, as `serving_default` takes them, batch as they are. A client of a signature on token ids
# pads them to the model's longest source: requests of other lengths that share a batch are refused.
# `step` has a scalar input, which no batch can have: its clients name the outputs that they want
# (`output_filter`) and so pass the batcher by, or use a server without --enable_batching.
max_batch_size {{ value: {BATCH_SIZES[-1]} }}
{"".join(f"allowed_batch_sizes: {size}{chr(10)}" for size in BATCH_SIZES)}\
enable_large_batch_splitting {{ value: true }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
"""
_MONITORING = """\
# MonitoringConfig of TensorFlow Serving.
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""
_HEADER = "# ModelServerConfig of TensorFlow Serving, extended by `zoo export`.\n"


def version_folder(source: Artefact, base: Path) -> Path:
    """Returns where a model's version lies in a base path."""
    return base / source.name / str(source.version)


def require_room(source: Artefact, base: Path, *, keep: int | None = None) -> None:
    """Raises ZooError if `add_version` would refuse, as far as that can be told at once."""
    paths.require_new_folder(version_folder(source, base))
    read_models_config(base)
    if keep is None:
        return
    newer = [version for version in versions(base / source.name) if version > source.version]
    if len(newer) >= keep:
        raise ZooError(
            f"--keep {keep} would remove version {source.version} of {source.name} at once: "
            f"{base / source.name} holds the newer {', '.join(map(str, newer))}."
        )


def add_version(source: Artefact, base: Path, *, keep: int | None = None, **options) -> Artefact:
    """Exports a model into a base path and returns the SavedModel.

    Args:
        source: A published model or a finished training.
        base: The base path; new, or of an earlier call.
        keep: How many versions of the model stay, 1 or more, the newest and those that
            `models.config` names; None is all.
        options: Of `export_saved_model`.

    Raises:
        ZooError: If the version is there already, `models.config` is none, or the export fails.
    """
    require_room(source, base, keep=keep)
    target = version_folder(source, base)
    with paths.new_folder(target) as folder:
        exported = export_saved_model(source, folder, **options)
        write_warm_up(exported, SavedModelEngine(folder))
        facts = {name: value for name, value in exported.manifest.items() if name != "files"}
        written = (path for path in folder.rglob("*") if path.is_file())
        files = (path.relative_to(folder).as_posix() for path in written)
        write_manifest(folder, facts, [file for file in files if file != "manifest.json"])
    with _locked(base):
        config = _with_models(read_models_config(base), base)
        _write(base / MODELS_CONFIG, _HEADER + text_format.MessageToString(config))
        for file, content in ((BATCHING_CONFIG, _BATCHING), (MONITORING_CONFIG, _MONITORING)):
            if not (base / file).exists():
                _write(base / file, content)
        if keep is not None:
            _prune(base / source.name, keep, pinned=_pinned(config, source.name))
    return Artefact.open(target)


def read_models_config(base: Path) -> model_server_config_pb2.ModelServerConfig:
    """Returns the `models.config` of a base path; an empty one where there is none.

    Raises:
        ZooError: If it is no ModelServerConfig, or has no list of models.
    """
    path = base / MODELS_CONFIG
    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (FileNotFoundError, NotADirectoryError):
        return config
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ZooError(
            f"Expected a ModelServerConfig of TensorFlow Serving in {path}: {error}"
        ) from error
    if config.WhichOneof("config") == "custom_model_config":
        raise ZooError(f"Expected a model_config_list in {path}. Received: a custom_model_config.")
    return config


def _with_models(
    config: model_server_config_pb2.ModelServerConfig, base: Path
) -> model_server_config_pb2.ModelServerConfig:
    """Returns `config` with an entry for every model in `base`, also of an export cut short."""
    models = config.model_config_list.config
    listed = {model.name for model in models}
    for name in sorted(folder.name for folder in base.iterdir() if versions(folder)):
        if name not in listed:
            models.add(name=name, base_path=f"{MOUNT}/{name}", model_platform="tensorflow")
    return config


def _pinned(config: model_server_config_pb2.ModelServerConfig, name: str) -> set[int]:
    """Returns the versions that `config` names: in a label, or as the ones to serve."""
    [model] = [model for model in config.model_config_list.config if model.name == name]
    return {*model.version_labels.values(), *model.model_version_policy.specific.versions}


def _prune(folder: Path, keep: int, pinned: set[int]) -> None:
    """Removes all versions but the newest `keep` and those that are `pinned`."""
    for version in versions(folder)[:-keep]:
        if version in pinned:
            continue
        # Renamed first: a server sees a version that is whole, or none.
        (folder / str(version)).replace(folder / f".removed-{version}")
    for going in folder.glob(".removed-*"):  # by a run that was killed, too
        shutil.rmtree(going)


def _write(path: Path, content: str) -> None:
    with paths.new_file(path) as partial:
        partial.write_text(content, encoding="utf-8")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, so that two exports at once lose no entry of each other."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
