"""The folder of one training: its report, its checkpoint, its logs and, at the end, its model.

report.json               configuration, versions, device, metrics of each epoch
tokenizer.model           of a model that reads or writes text
checkpoints/epoch-0007.weights.h5     weights and optimizer after the last whole epoch, and
                          after those before it that the model will be the mean of
logs/                     for TensorBoard
model.weights.h5          the trained weights
manifest.json             written last: a folder without it is no finished training
"""

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

import keras

from zoo import layout, paths, weights
from zoo.config import Preset, from_dict
from zoo.errors import ZooError
from zoo.export import artefact

_HOW_LONG = {"epochs", "steps", "attempts", "patience", "goal", "enough", "processes"}
_PACKAGES = ("keras", "tensorflow", "jax", "numpy", "sentencepiece")


class RunFolder:
    """A training's folder, opened to begin or to resume.

    Args:
        folder: Where it is.
        preset: What is trained.
        command: The command line that trains it, for the report.
        resume: Go on from the last checkpoint of `folder`, if there is one.

    Raises:
        ZooError: If the folder holds something and `resume` is False, or holds the training of
            another model or data set.
    """

    def __init__(self, folder: Path, preset: Preset, *, command: str, resume: bool):
        self.folder = folder
        self.logs = folder / "logs"
        self._checkpoints = folder / "checkpoints"
        # What resumes without a checkpoint was stopped before its first; anything else is not ours.
        if not (resume and self._checkpoints.is_dir()):
            paths.require_new_folder(folder)
        self.report = {
            "preset": preset.name,
            "command": command,
            "configuration": preset.configuration(),
            "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "seed": preset.train.seed,
            "backend": keras.backend.backend(),
            "device": device(),
            "python": platform.python_version(),
            "versions": _versions(),
            "epochs": [],
        }
        self._kept = preset.train.average
        self.checkpoint = max(self.checkpoints(), default=None)
        if self.checkpoint is not None:
            self._take_over(preset)
        try:
            self._checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ZooError(f"Cannot write to {folder}: {error.strerror}.") from error

    def checkpoints(self) -> list[Path]:
        """Returns the checkpoints that are kept, the last epoch's last."""
        return sorted(self._checkpoints.glob("epoch-*.weights.h5"))

    @property
    def epochs_done(self) -> int:
        """Whole epochs that the last checkpoint stands after."""
        return len(self.report["epochs"])

    @property
    def steps_done(self) -> int:
        """Updates that the last checkpoint stands after."""
        return sum(epoch["steps"] for epoch in self.report["epochs"])

    def restore(self, model: keras.Model) -> None:
        """Gives `model` and its optimizer what the last checkpoint holds, if there is one.

        Raises:
            ZooError: If the checkpoint is damaged.
        """
        if self.checkpoint is None:
            return
        try:
            model.load_weights(self.checkpoint)  # with the optimizer's variables
        except (OSError, ValueError) as error:
            raise ZooError(f"The checkpoint {self.checkpoint} is damaged: {error}") from error

    def end_epoch(self, facts: dict, *, save_checkpoint: Callable[[Path], None]) -> None:
        """Adds an epoch to the report and keeps its checkpoint and those that will be averaged.

        The report goes first: killed between the two, the folder resumes from the checkpoint
        before, and forgets the epoch that has none.
        """
        self.report["epochs"].append(facts)
        self.write_report()
        with paths.new_file(self._checkpoints / f"epoch-{facts['epoch']:04d}.weights.h5") as path:
            save_checkpoint(path)
        for old in self.checkpoints()[: -self._kept]:
            old.unlink()

    def write(self, file: str, content: bytes) -> None:
        """Writes a file of the folder, whole or not at all."""
        with paths.new_file(self.folder / file) as path:
            path.write_bytes(content)

    def finish(self, task, preset: Preset) -> None:
        """Writes the trained weights and the manifest, which makes the folder a model.

        Args:
            task: The family's task with the trained model.
            preset: What was trained.
        """
        with paths.new_file(self.folder / layout.WEIGHTS) as path:
            weights.save(task.model, path)
        facts = artefact.describe(
            preset,
            version=1,
            parameters=task.model.count_params(),
            signatures=task.signatures(),
            command=self.report["command"],
        )
        facts["training"] = self.report
        files = [layout.WEIGHTS]
        if (self.folder / layout.TOKENIZER).is_file():  # of models that read or write text
            files.append(layout.TOKENIZER)
        artefact.write_manifest(self.folder, facts, files)

    def write_report(self) -> None:
        """Writes `report.json` as it stands."""
        self.write("report.json", (json.dumps(self.report, indent=2) + "\n").encode())

    def _take_over(self, preset: Preset) -> None:
        """Goes on with the report of the training that the checkpoint belongs to."""
        path = self.folder / "report.json"
        try:
            earlier = json.loads(path.read_text(encoding="utf-8"))
            # As a preset: a field that came later stands at its default in an older report.
            before = from_dict(
                type(preset), {**earlier["configuration"], "card": None}
            ).configuration()
            for part in ("name", "model", "train", "data"):
                if _lasting(before[part]) != _lasting(self.report["configuration"][part]):
                    raise ZooError(
                        f"{self.folder} holds a training with another {part}: {before[part]}."
                    )
            self.report["epochs"] = earlier["epochs"][: self._checkpoint_epoch()]
            self.report["started"] = earlier["started"]
        except (OSError, KeyError, TypeError, json.JSONDecodeError) as error:
            raise ZooError(f"{path} is damaged, so that its training cannot resume.") from error

    def _checkpoint_epoch(self) -> int:
        return int(self.checkpoint.name.removeprefix("epoch-").removesuffix(".weights.h5"))


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _lasting(configuration):
    """Returns what of a configuration a resumed training may not change: all but how long."""
    if not isinstance(configuration, dict):
        return configuration
    return {name: value for name, value in configuration.items() if name not in _HOW_LONG}


def device() -> str:
    """Returns what this process computes on, in words."""
    if keras.backend.backend() == "jax":
        import jax

        device = jax.devices()[0]
        if device.platform != "cpu":
            return device.device_kind
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return f"{os.cpu_count()} CPU cores, {model}"
