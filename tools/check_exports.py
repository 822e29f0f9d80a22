"""Brings the cards, the index and README.md's table up to date with the manifests in `exports/`.

    python tools/check_exports.py [--check]

With --check it writes nothing, and exits with 1 if something is out of date, damaged or too large.
"""

import argparse
import json
from pathlib import Path

from zoo import layout, registry
from zoo.errors import ZooError
from zoo.export.artefact import index_of, write_json, write_manifest
from zoo.export.card import card, write_card
from zoo.registry import Artefact

ROOT = Path(__file__).resolve().parent.parent
EXPORTS = ROOT / "exports"
README = ROOT / "README.md"
TABLE_BEGINS = "<!-- models: written by tools/check_exports.py -->\n"
TABLE_ENDS = "<!-- end of models -->"
FILE_LIMIT = 8_000_000  # bytes; what git holds well. Larger models belong on an object store.
ALL_LIMIT = 120 * 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, say what is wrong")
    arguments = parser.parse_args()
    if not arguments.check:
        bring_up_to_date(EXPORTS)
    faults = find_faults(EXPORTS)
    for fault in faults:
        print(fault)
    parser.exit(1 if faults else 0)


def bring_up_to_date(exports: Path) -> None:
    """Writes every card anew from its manifest, and the index from the manifests."""
    for manifest in sorted(exports.glob(f"*/*/{layout.MANIFEST}")):
        artefact = Artefact.open(manifest.parent)
        facts = {name: value for name, value in artefact.manifest.items() if name != "files"}
        write_card(facts, artefact.folder / layout.CARD)
        write_manifest(artefact.folder, facts, artefact.manifest["files"])
    write_json(exports / layout.INDEX, index_of(exports))
    README.write_text(readme_with_table(exports), encoding="utf-8")


def readme_with_table(exports: Path) -> str:
    """Returns the README with a row a published model between its two marks."""
    rows = ["| model | what it does | data | score | .tflite |", "| --- | --- | --- | --- | --- |"]
    for name in registry.Registry(str(exports)).models():
        manifest = registry.Registry(str(exports)).find(name).manifest
        score = manifest["metrics"]["runtimes"]["litert"]
        size = manifest["files"][layout.TFLITE]["bytes"]
        rows.append(
            f"| `{name}` | {manifest['summary']} | `{manifest['dataset']}` "
            f"| {_shown(score)}{_searched(manifest)} "
            f"| {size / 1e6:.2f} MB |"
        )
    before, rest = README.read_text(encoding="utf-8").split(TABLE_BEGINS)
    _, after = rest.split(TABLE_ENDS)
    return before + TABLE_BEGINS + "\n".join(rows) + "\n" + TABLE_ENDS + after


def _searched(manifest: dict) -> str:
    beam_size = manifest["metrics"]["beam_size"]
    return f", beam {beam_size}" if beam_size > 1 else ""


def _shown(score: dict) -> str:
    if score["metric"] == "bleu":
        text = f"BLEU {score['value']:.1f}"
        for metric, value in score.get("also", {}).items():
            text += f", {metric.removeprefix('bleu_').replace('_', ' ')} {value:.1f}"
        return text
    if score["metric"] in ("wrong_bits", "bits_above_optimum"):
        counted = score["metric"].replace("_", " ")
        return f"{score['value']:.2f} {counted} a sequence, mean of {score['rows']}"
    return f"{score['metric'].replace('_', ' ')} {score['value']:.2%} of {score['rows']:,}"


def find_faults(exports: Path) -> list[str]:
    """Returns what is wrong in a folder of exports, a line each."""
    faults = []
    index = exports / layout.INDEX
    if not index.is_file() or json.loads(index.read_bytes()) != index_of(exports):
        faults.append(f"{index} is out of date.")
    elif README.read_text(encoding="utf-8") != readme_with_table(exports):
        faults.append(f"The table in {README} is out of date.")
    for manifest in sorted(exports.glob(f"*/*/{layout.MANIFEST}")):
        try:
            artefact = Artefact.open(manifest.parent)
            for file, facts in artefact.manifest["files"].items():
                artefact.read(file)
                if facts["bytes"] > FILE_LIMIT:
                    faults.append(f"{artefact.path(file)} is larger than {FILE_LIMIT} bytes.")
            if artefact.read(layout.CARD).decode() != card(artefact.manifest):
                faults.append(f"{artefact.path(layout.CARD)} is out of date.")
            extra = {path.name for path in artefact.folder.iterdir()}
            extra -= {*artefact.manifest["files"], layout.MANIFEST}
            faults += [f"{artefact.folder / name} is not in the manifest." for name in extra]
        except ZooError as error:
            faults.append(str(error))
    if sum(path.stat().st_size for path in exports.rglob("*") if path.is_file()) > ALL_LIMIT:
        faults.append(f"{exports} is larger than {ALL_LIMIT} bytes.")
    return faults


if __name__ == "__main__":
    main()
