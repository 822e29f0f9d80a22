"""What a registry and a model's folder hold, and how their JSON files are read.

Files from outside are not trusted: a manifest or an index is checked before anything in it is used.
Standard library only.
"""

import hashlib
import json
import re

from zoo.config import NAME
from zoo.errors import ZooError

FORMAT = 1  # of manifests and indexes; raised when an older zoo could not read a newer one
INDEX = "index.json"
MANIFEST = "manifest.json"
# What a model's folder may hold beside its manifest.
CARD = "card.md"
GOLDEN = "golden.npz"
SAVED_MODEL = "saved_model.pb"
TFLITE = "model.tflite"
TOKENIZER = "tokenizer.model"
WEIGHTS = "model.weights.h5"

# What every reader of a manifest counts on.
_MANIFEST_FACTS = {
    "name": str,
    "version": int,
    "family": str,
    "summary": str,
    "paper": str,
    "license": str,
    "dataset": str,
    "command": str,
    "parameters": int,
    "configuration": dict,
    "signatures": dict,
    "training": dict,
    "files": dict,
}
# What it counts on where the manifest lists the file.
_SECTIONS = {
    TFLITE: ("litert", {"beam_size": int, "quantize": str, "signatures": dict}),
    SAVED_MODEL: ("saved_model", {"beam_size": int, "ids_only": bool, "serving_flags": list}),
}


def parse_index(content: bytes, location: object) -> dict:
    """Returns an index after checking its format and that its names are names.

    Raises:
        ZooError: If it is no index, or of a newer format.
    """
    index = _parse(content, location)
    try:
        for name, facts in index["models"].items():
            versions = facts["versions"]
            well_formed = (
                NAME.fullmatch(name)
                and str(facts["latest"]) in versions
                and all(re.fullmatch("[1-9][0-9]*", version) for version in versions)
                and isinstance(facts["summary"], str)
                and all(isinstance(x["manifest_sha256"], str) for x in versions.values())
            )
            if not well_formed:
                raise ZooError(
                    f"{location} is no index of a registry: the entry {name!r} is wrong."
                )
    except (KeyError, TypeError, AttributeError) as error:
        raise ZooError(f"{location} is no index of a registry.") from error
    return index


def parse_manifest(content: bytes, location: object) -> dict:
    """Returns a manifest after checking its format and that its files stay in their folder.

    Raises:
        ZooError: If it is no manifest, of a newer format, or names a path that climbs out.
    """
    manifest = _parse(content, location)
    try:
        _require_facts(manifest, _MANIFEST_FACTS, location)
        if not NAME.fullmatch(manifest["name"]) or manifest["version"] < 1:
            raise ZooError(f"{location} is no manifest of a model: its name or version is wrong.")
        for file, facts in manifest["files"].items():
            _check_file_name(file, location)
            _require_facts(facts, {"bytes": int, "sha256": str}, location)
        for file, (section, expected) in _SECTIONS.items():
            if file in manifest["files"]:
                _require_facts(manifest[section], expected, location)
    except (KeyError, TypeError) as error:
        raise ZooError(f"{location} is no manifest of a model.") from error
    return manifest


def check_sha256(content: bytes, expected: str, location: object) -> None:
    """Raises ZooError unless `expected` is the sha256 of `content`."""
    require_sha256(hashlib.sha256(content).hexdigest(), expected, location)


def require_sha256(actual: str, expected: str, location: object) -> None:
    """Raises ZooError unless `actual` is `expected`."""
    if actual != expected:
        raise ZooError(f"{location} is damaged: expected sha256 {expected}. Received: {actual}.")


def _parse(content: bytes, location: object) -> dict:
    try:
        parsed = json.loads(content)
        found = parsed["format"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ZooError(f"{location} is not a file of this zoo.") from error
    if type(found) is not int or not 1 <= found <= FORMAT:
        raise ZooError(
            f"{location} has format {found}; this zoo reads up to {FORMAT}. Upgrade attention-zoo."
        )
    return parsed


def _require_facts(facts: dict, expected: dict[str, type], location: object) -> None:
    for name, kind in expected.items():
        if type(facts[name]) is not kind:
            raise ZooError(
                f"{location} is no manifest of a model: {name!r} should be {kind.__name__}."
            )


def _check_file_name(file: str, location: object) -> None:
    """Raises ZooError unless `file` stays inside its folder and is no manifest itself."""
    parts = file.split("/")
    plain = all(re.fullmatch(r"[\w.-]+", part) and part not in (".", "..") for part in parts)
    if not plain or file == MANIFEST:
        raise ZooError(f"{location} names the file {file!r}, which is not inside its folder.")
