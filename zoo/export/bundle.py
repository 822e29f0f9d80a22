"""Writes what an app needs to run a model on a device: one folder, or one zip.

    model.tflite        LiteRT's built-in operators alone
    tokenizer.model     of a model of text: SentencePiece
    vocabulary.txt      of a model of text: the piece of each id, a line each, from 0
    signature.json      names, shapes and dtypes of all tensors, limits, special ids
    golden/             inputs and this file's answers to them, a `.npy` a tensor, a row an example;
                        examples.json has the rows as people read them
    check.py            compares the model on this device with golden/
    README.md, card.md  for the person who builds the app
    manifest.json       size and sha256 of each file; `zoo run FOLDER` runs the bundle

A published model is bundled without TensorFlow: its `.tflite` is taken as it is.
"""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from zoo import layout, models, paths
from zoo.data.algorithmic import TASKS
from zoo.errors import ZooError
from zoo.export.artefact import write_json, write_manifest
from zoo.registry import Artefact
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.runtime.load import load, sample_inputs
from zoo.text.tokenizer import END_ID, PAD_ID, START_ID, UNKNOWN_ID, Tokenizer

SIGNATURE = "signature.json"
GOLDEN_FOLDER = "golden"
_EXAMPLES = f"{GOLDEN_FOLDER}/examples.json"
_VOCABULARY = "vocabulary.txt"
_CHECK = "check.py"
_README = "README.md"
_ROWS = 8  # golden examples: enough to notice an error, and still small

_CHECK_SOURCE = '''\
"""Compares the model on this device with its golden vectors; needs ai-edge-litert and numpy."""
import json, pathlib
import numpy as np
from ai_edge_litert.interpreter import Interpreter

folder = pathlib.Path(__file__).parent
facts = json.loads((folder / "signature.json").read_text())
main = facts["signatures"][facts["main"]]
golden = {x: np.load(folder / f"golden/{x}.npy") for x in (*main["inputs"], *main["outputs"])}
run = Interpreter(str(folder / "model.tflite"), num_threads=1).get_signature_runner(facts["main"])
for row in range(facts["golden_rows"]):
    for name, array in run(**{x: golden[x][row : row + 1] for x in main["inputs"]}).items():
        np.testing.assert_allclose(array, golden[name][row : row + 1], atol=1e-3, err_msg=name)
print(f"{facts['name']}: {facts['golden_rows']} golden examples are right")
'''  # fmt: skip


def export_bundle(
    source: Artefact, target: Path, *, quantize: str | None = None, beam_size: int | None = None
) -> Path:
    """Writes the bundle of a model and returns `target`.

    Args:
        source: A published model, an exported one or a finished training.
        target: A new folder, or a file that ends in `.zip`.
        quantize: As in `export_litert`; None takes the `.tflite` that the source holds.
        beam_size: Of `generate_beam`; None as well.

    Raises:
        ZooError: If the target is there already, or a new `.tflite` cannot be made.
    """
    require_new_bundle(target)
    if not _holds(source, quantize, beam_size):
        from zoo.export.litert import export_litert  # needs TensorFlow

        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "1"
            options = {"quantize": quantize or "int8", "beam_size": beam_size}
            return export_bundle(export_litert(source, folder, **options), target)
    if target.suffix != ".zip":
        with paths.new_folder(target) as folder:
            _write_bundle(source, folder)
        return target
    with tempfile.TemporaryDirectory() as made, paths.new_file(target) as partial:
        folder = Path(made) / source.name
        folder.mkdir()
        _write_bundle(source, folder)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(made))
    return target


def _holds(source: Artefact, quantize: str | None, beam_size: int | None) -> bool:
    """Returns True if the source's `.tflite` is the one that is asked for."""
    if not source.holds(layout.TFLITE):
        return False
    facts = source.manifest["litert"]
    return quantize in (None, facts["quantize"]) and beam_size in (None, facts["beam_size"])


def require_new_bundle(target: Path) -> None:
    """Raises ZooError if there is something at `target` already."""
    if target.suffix != ".zip":
        paths.require_new_folder(target)
    elif target.exists():
        raise ZooError(f"Expected a new file to write to. {target} is there already.")


def _write_bundle(source: Artefact, folder: Path) -> None:
    preset = models.trained_preset(source.manifest)
    copied = [file for file in (layout.TFLITE, layout.TOKENIZER, layout.CARD) if source.holds(file)]
    for file in copied:
        (folder / file).write_bytes(source.read(file))
    written = [*copied, SIGNATURE, _CHECK, _README]

    tokenizer = None
    if layout.TOKENIZER in copied:
        tokenizer = Tokenizer(source.read(layout.TOKENIZER))
        pieces = tokenizer.pieces(range(tokenizer.vocab_size))
        (folder / _VOCABULARY).write_text("".join(f"{x}\n" for x in pieces), encoding="utf-8")
        written.append(_VOCABULARY)

    engine = LiteRTEngine(source.read(layout.TFLITE))
    signatures = engine.signatures()
    main = "generate" if "generate" in signatures else "predict"
    golden = _golden(source, engine, main, list(signatures[main]["inputs"]))
    (folder / GOLDEN_FOLDER).mkdir()
    for name, array in golden.items():
        np.save(folder / GOLDEN_FOLDER / f"{name}.npy", array, allow_pickle=False)
        written.append(f"{GOLDEN_FOLDER}/{name}.npy")
    rows = len(next(iter(golden.values())))
    examples = _examples(source, preset, rows)
    text = json.dumps(examples, indent=2, ensure_ascii=False) + "\n"
    (folder / _EXAMPLES).write_text(text, encoding="utf-8")
    written.append(_EXAMPLES)

    facts = {
        "name": source.name,
        "version": source.version,
        "summary": source.manifest["summary"],
        "license": source.manifest["license"],
        "modality": preset.modality,
        "quantize": source.manifest["litert"]["quantize"],
        "main": main,
        "signatures": signatures,
        "golden_rows": rows,
        "limits": _limits(preset),
    }
    if preset.modality == "sequence":
        facts["layout"] = TASKS[preset.data.name].layout
    if tokenizer:
        facts["special_ids"] = {
            "pad": PAD_ID, "unknown": UNKNOWN_ID, "start": START_ID, "end": END_ID,
        }  # fmt: skip
        facts["vocab_size"] = tokenizer.vocab_size
    write_json(folder / SIGNATURE, facts)
    (folder / _CHECK).write_text(_CHECK_SOURCE, encoding="utf-8")
    (folder / _README).write_text(_readme(facts, examples), encoding="utf-8")
    manifest = {name: value for name, value in source.manifest.items() if name != "files"}
    write_manifest(folder, manifest, written)


def _golden(
    source: Artefact, engine: LiteRTEngine, main: str, inputs: list[str]
) -> dict[str, np.ndarray]:
    """Returns golden inputs, and what this very file answers to them, by name."""
    with np.load(io.BytesIO(source.read(layout.GOLDEN)), allow_pickle=False) as archive:
        golden = {name: archive[name] for name in inputs}
    rows = min(_ROWS, len(golden[inputs[0]]))
    answers = [
        engine.run(main, **{name: array[row : row + 1] for name, array in golden.items()})
        for row in range(rows)
    ]
    outputs = {name: np.concatenate([x[name] for x in answers]) for name in sorted(answers[0])}
    return {name: array[:rows] for name, array in golden.items()} | outputs


def _examples(source: Artefact, preset, rows: int) -> list[dict]:
    """Returns the golden rows as people give and read them."""
    samples = sample_inputs(preset)[:rows]
    results = load(source)(samples)
    if preset.modality == "text":
        shown = samples
    elif preset.modality == "story":
        shown = [{"story": x.sentences, "question": x.question} for x in samples]
    else:  # vectors, which golden/ has; the answer is due from a step on
        shown = [
            {"answer_from": int(x.mask[0].argmax()), "length": len(x.mask[0])} for x in samples
        ]
    return [{"input": x, "output": result.text} for x, result in zip(shown, results, strict=True)]


def _limits(preset) -> dict[str, int]:
    """Returns the sizes of a model that its inputs must be cut or padded to."""
    return {
        name: value
        for name, value in vars(preset.model).items()
        if name.startswith("max_") and isinstance(value, int)
    }


def _readme(facts: dict, examples: list[dict]) -> str:
    main = facts["signatures"][facts["main"]]
    sections = [
        f"# {facts['name']}, version {facts['version']}, on a device",
        facts["summary"],
        f"`model.tflite` runs on LiteRT's built-in operators alone, weights `{facts['quantize']}`. "
        "Its shapes are fixed.",
        f"## The signature `{facts['main']}`",
        _table("input", main["inputs"]) + "\n\n" + _table("output", main["outputs"]),
        _HOW[facts["modality"]].format(
            limits=", ".join(f"`{name}` {value}" for name, value in facts["limits"].items()),
            layout=facts.get("layout"),
            **facts.get("special_ids", {}),
        ),
    ]
    if facts["modality"] == "text":
        first = examples[0]
        sections.append(f"`{first['input']}` gives `{first['output']}`.")
    others = [name for name in facts["signatures"] if name != facts["main"]]
    if others:
        names = ", ".join(f"`{name}`" for name in sorted(others))
        sections.append(f"`signature.json` has the tensors of {names} as well.")
    sections += [
        "## Check",
        f"    pip install ai-edge-litert numpy\n    python {_CHECK}",
        f"runs the {facts['golden_rows']} examples in `golden/`, a `.npy` a tensor, and compares "
        "whole numbers and, to 0.001, the others. Do the same in the app, whatever its language; "
        f"`{_EXAMPLES}` has the rows to read.",
    ]
    return "\n\n".join(sections) + "\n"


_HOW = {
    "text": (
        "`source` is the text's ids by SentencePiece (`tokenizer.model`; `vocabulary.txt` has the "
        "piece of each id), without start and end, cut to the length and padded with {pad}. "
        "Of `tokens` the first `lengths` count; the last of them is the end ({end}), unless the "
        "length ran out. Their pieces joined, `▁` read as a blank, are the text. Limits: {limits}."
    ),
    "story": (
        "Words are ids by SentencePiece (`tokenizer.model`; `vocabulary.txt` has the word of each "
        "id), padded with {pad}; of a longer story the oldest sentences are dropped. `answer` is "
        "an id. Limits: {limits}."
    ),
    "sequence": (
        "`inputs` is a sequence of vectors, padded with zeros after `length` steps. {layout} What "
        "is asked is read first; then come steps of zeros, one a step of the answer, which "
        "`length` counts (a stream whose next bit is predicted has none). `outputs` at the steps "
        "of the answer are probabilities of a 1. Limits: {limits}."
    ),
}  # fmt: skip


def _table(title: str, tensors: dict) -> str:
    lines = [f"| {title} | dtype | shape |", "| --- | --- | --- |"]
    for name, spec in tensors.items():
        shape = " x ".join(map(str, spec["shape"])) or "scalar"
        lines.append(f"| `{name}` | {spec['dtype']} | {shape} |")
    return "\n".join(lines)
