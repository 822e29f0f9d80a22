"""Writes the manifest that makes a folder a model, and the index that makes folders a registry."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from zoo import paths
from zoo.config import Preset
from zoo.layout import FORMAT, MANIFEST, parse_manifest
from zoo.signature import Signature, TensorSpec


def describe(
    preset: Preset, *, version: int, parameters: int, signatures: Sequence[Signature], command: str
) -> dict:
    """Returns a manifest's facts about a model, without its files.

    Args:
        preset: What was trained, as it was trained.
        version: From 1.
        parameters: How many numbers its weights hold.
        signatures: What it can be asked.
        command: The command that trained it.
    """
    return {
        "format": FORMAT,
        "name": preset.name,
        "version": version,
        "family": preset.family,
        "summary": preset.summary,
        "paper": preset.paper,
        "license": "Apache-2.0",
        "dataset": preset.data.name,
        "command": command,
        "parameters": parameters,
        "configuration": preset.configuration(),
        "signatures": {
            signature.name: {
                "inputs": _specs(signature.inputs),
                "outputs": _specs(signature.outputs),
            }
            for signature in signatures
        },
    }


def carried_facts(manifest: dict, *, runtime: str) -> dict:
    """Returns what a manifest says of its model that holds for an export to `runtime` as well.

    Not what it says of files and formats, nor a score that another file on that runtime got.
    """
    facts = {
        name: value
        for name, value in manifest.items()
        if name not in ("files", "litert", "saved_model", "failure")
    }
    if "metrics" in facts:
        measured = facts["metrics"]["runtimes"]
        kept = {name: score for name, score in measured.items() if name != runtime}
        facts["metrics"] = {**facts["metrics"], "runtimes": kept}
    return facts


def write_manifest(folder: Path, facts: dict, files: Iterable[str]) -> None:
    """Writes `manifest.json` with `facts` and the size and sha256 of `files`, paths in `folder`."""
    listed = {}
    for file in sorted(files):
        content = (folder / file).read_bytes()
        listed[file] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    write_json(folder / MANIFEST, {**facts, "files": listed})


def index_of(registry: Path) -> dict:
    """Returns the index of the registry in a folder, from the manifests that lie in it."""
    models: dict[str, dict] = {}
    for path in sorted(registry.glob(f"*/*/{MANIFEST}")):
        content = path.read_bytes()
        manifest = parse_manifest(content, path)
        entry = models.setdefault(manifest["name"], {"latest": 0, "versions": {}})
        entry["versions"][str(manifest["version"])] = {
            "manifest_sha256": hashlib.sha256(content).hexdigest(),
            "bytes": sum(facts["bytes"] for facts in manifest["files"].values()),
        }
        if manifest["version"] > entry["latest"]:
            entry |= {"latest": manifest["version"], "summary": manifest["summary"]}
    return {"format": FORMAT, "models": models}


def write_json(path: Path, value: dict) -> None:
    """Writes `value` to `path`, sorted, whole or not at all."""
    with paths.new_file(path) as partial:
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False)
        partial.write_text(text + "\n", encoding="utf-8")


def _specs(specs: dict[str, TensorSpec]) -> dict:
    return {name: {"shape": list(spec.shape), "dtype": spec.dtype} for name, spec in specs.items()}
