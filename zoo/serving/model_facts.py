"""What the page shows of a model beside its answers: its card, examples, and what a browser runs.

A pure function of the model's files and of the samples that the project carries.
"""

import json

from zoo import layout, models
from zoo.config import Preset
from zoo.data.dataset import sample_pairs
from zoo.data.stories import sample_examples
from zoo.errors import ZooError
from zoo.export.card import card
from zoo.registry import Artefact

_EXAMPLES = 12
# What a browser needs to run a model itself.
BROWSER_FILES = (layout.TFLITE, layout.TOKENIZER)


def summary_of(artefact: Artefact) -> dict:
    """Returns what a list of models shows of one."""
    return {
        "name": artefact.name,
        "version": artefact.version,
        "summary": artefact.manifest["summary"],
        "modality": models.trained_preset(artefact.manifest).modality,
    }


def facts_of(artefact: Artefact, *, runtime: str, beam_size: int) -> dict:
    """Returns what the page knows of a model, as JSON has it.

    Args:
        artefact: The model.
        runtime: What serves it.
        beam_size: That the server searches with.
    """
    preset = models.trained_preset(artefact.manifest)
    return {
        **summary_of(artefact),
        "runtime": runtime,
        "beam_size": beam_size,
        "task": preset.data.name,
        "card": _card(artefact),
        "examples": _examples(artefact.manifest, preset),
        "limits": {
            name: value
            for name, value in artefact.manifest["configuration"]["model"].items()
            if name.startswith("max_")
        },
        "browser": _browser(artefact, beam_size),
    }


def _card(artefact: Artefact) -> str:
    if artefact.holds(layout.CARD):
        return artefact.read(layout.CARD).decode()
    return card(artefact.manifest)


def _examples(manifest: dict, preset: Preset) -> list[dict]:
    """Returns inputs with what is right for each; the last one is the card's, which it gets wrong.

    Those of sequences are drawn by the page.
    """
    examples = []
    if preset.modality == "text":
        examples = [
            {"input": source, "expected": target}
            for source, target in _sample(sample_pairs, preset.data)
        ]
    elif preset.modality == "story":
        examples = [
            {
                "input": {"story": list(found.sentences), "question": found.question},
                "expected": found.answer,
            }
            for found in _sample(sample_examples, preset.data.name)
        ]
    if failure := manifest.get("failure"):
        examples.append(
            {
                "input": json.loads(failure["input"])
                if preset.modality == "story"
                else failure["input"],
                "expected": failure["expected"],
                "reason": failure["reason"],
            }
        )
    return examples


def _sample(read, data) -> list:
    try:
        return read(data)[:_EXAMPLES]
    except ZooError:  # a data set of the user's own has no sample
        return []


def _browser(artefact: Artefact, beam_size: int) -> dict | None:
    """Returns what a browser needs to answer as the server does; None where it cannot."""
    if not artefact.holds(layout.TFLITE):
        return None
    held = artefact.manifest["litert"]["beam_size"]
    if beam_size not in (1, held):
        return None
    return {
        "signature": "generate_beam" if beam_size > 1 else "generate",
        "files": [file for file in BROWSER_FILES if artefact.holds(file)],
        "bytes": sum(
            artefact.manifest["files"][file]["bytes"]
            for file in BROWSER_FILES
            if artefact.holds(file)
        ),
    }
