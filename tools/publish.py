"""Publishes a finished training: exports it, measures it on every runtime, adds it to `exports/`.

    python tools/publish.py runs/seq2seq_attention_dates [--version 2] [--quantize none]
        [--data DIR]

The scores in a published manifest and card come from this tool and from nowhere else.
"""

import argparse
import datetime
import tempfile
from pathlib import Path

from zoo import layout, models, paths, weights
from zoo.data import open_data
from zoo.errors import ZooError
from zoo.evaluation import evaluate
from zoo.export.artefact import index_of, write_json, write_manifest
from zoo.export.card import write_card
from zoo.export.litert import export_litert
from zoo.registry import Artefact
from zoo.runtime.load import RUNTIMES, load
from zoo.training.run_folder import device

# Weights above this are published as float16: half the bytes, to read and to keep in git.
LARGEST_FLOAT32_WEIGHTS = 6_000_000
EXPORTS = Path(__file__).resolve().parent.parent / "exports"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a finished training")
    parser.add_argument("--version", type=int, default=1)
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--quantize", default="int8", choices=["none", "float16", "int8"])
    arguments = parser.parse_args()
    try:
        folder = publish(
            arguments.run,
            version=arguments.version,
            quantize=arguments.quantize,
            data_dir=arguments.data,
        )
        print(folder)
    except ZooError as error:
        parser.exit(1, f"Error: {error}\n")


def publish(run: Path, *, version: int, quantize: str, data_dir: Path | None) -> Path:
    """Returns the folder in `exports/` that the training in `run` was published to."""
    source = Artefact.open(run)
    source.manifest["version"] = version
    preset = models.preset(source.name)
    if preset.card is None:
        raise ZooError(f"The preset {preset.name} has no card, so it is not meant to be published.")
    if preset.configuration() != models.trained_preset(source.manifest).configuration():
        raise ZooError(f"{run} was not trained as the preset {preset.name} says today.")
    target = EXPORTS / source.name / str(version)
    with tempfile.TemporaryDirectory() as folder:
        if source.manifest["files"][layout.WEIGHTS]["bytes"] > LARGEST_FLOAT32_WEIGHTS:
            source = with_half_weights(source, Path(folder) / "half")
        exported = export_litert(source, Path(folder) / "export", quantize=quantize)
        dataset = open_data(preset, data_dir=data_dir)
        beam_size = preset.decode.beam_size
        scores = {}
        for runtime in RUNTIMES:
            model = load(exported, runtime=runtime, beam_size=beam_size)
            scores[runtime] = evaluate(model, dataset)
            print(f"{runtime}: {scores[runtime]}")
        manifest = {name: facts for name, facts in exported.manifest.items() if name != "files"}
        manifest["metrics"] = {
            "runtimes": scores,
            "beam_size": beam_size,
            "date": datetime.date.today().isoformat(),
            "device": device(),
        }
        model = load(exported)
        [answer] = model([model.read(preset.card.hard_input)])
        if answer.text == preset.card.hard_input_expected:
            raise ZooError(f"{preset.card.hard_input!r} is no failure: the model gets it right.")
        manifest["failure"] = {
            "input": preset.card.hard_input,
            "expected": preset.card.hard_input_expected,
            "output": answer.text,
            "reason": preset.card.hard_input_reason,
        }
        with paths.new_folder(target) as published:
            for file in exported.manifest["files"]:
                (published / file).write_bytes(exported.read(file))
            write_card(manifest, published / layout.CARD)
            write_manifest(published, manifest, exported.manifest["files"])
    write_json(EXPORTS / layout.INDEX, index_of(EXPORTS))
    return target


def with_half_weights(source: Artefact, folder: Path) -> Artefact:
    """Returns `source` again, in a new folder, its weights rounded to float16."""
    folder.mkdir()
    facts = {name: value for name, value in source.manifest.items() if name != "files"}
    for file in source.manifest["files"]:
        if file != layout.WEIGHTS:
            (folder / file).write_bytes(source.read(file))
    weights.halve(source.folder / layout.WEIGHTS, folder / layout.WEIGHTS)
    write_manifest(folder, {**facts, "weights": "float16"}, source.manifest["files"])
    return Artefact.open(folder)


if __name__ == "__main__":
    main()
