"""Writes a model's card: its facts, its measured scores, and what a person says of it."""

from pathlib import Path

from zoo.models import presets

_QUANTIZATION = {
    "none": "float32",
    "float16": "float16 weights",
    "int8": "8-bit weights, float activations",
}


def write_card(manifest: dict, path: Path) -> None:
    """Writes the card of the model that `manifest` describes, as Markdown."""
    path.write_text(card(manifest), encoding="utf-8")


def card(manifest: dict) -> str:
    """Returns the card; the same manifest always gives the same text."""
    name = manifest["name"]
    preset = presets().get(name)
    words = preset.card if preset else None
    sections = [f"# {name}, version {manifest['version']}", manifest["summary"]]
    if words:
        sections += [f"**For:** {words.use}", f"**Not for:** anything but {words.limits}"]
    sections += ["## Scores", _scores(manifest)]
    if failure := manifest.get("failure"):
        sections += [
            "## A failure",
            f"`{failure['input']}` should give `{failure['expected']}` and gives"
            f"{' by greedy search' if _search(manifest) else ''} "
            f"`{failure['output']}`: {failure['reason']}.",
        ]
    sections += ["## Facts", _facts(manifest), "## Use", _use(manifest)]
    return "\n\n".join(sections) + "\n"


def _scores(manifest: dict) -> str:
    metrics = manifest.get("metrics")
    if not metrics:
        return "Not measured. `zoo evaluate` measures them."
    lines = ["| runtime | metric | value | rows | split |", "| --- | --- | --- | --- | --- |"]
    signatures = {}
    for runtime, facts in sorted(metrics["runtimes"].items()):
        scores = {facts["metric"]: facts["value"], **facts.get("also", {})}
        for metric, value in scores.items():
            lines.append(
                f"| `{runtime}` | {metric} | {shown_score(metric, value)} | {facts['rows']} "
                f"| {facts['split']} |"
            )
        signatures |= signatures_of(facts)
    command = f"`zoo evaluate {manifest['name']} --runtime RUNTIME{_search(manifest)}`"
    lines += ["", f"Measured by {command} on {metrics['device']}, {metrics['date']}."]
    if by_size := facts.get(f"{facts['metric']}_by_size"):
        ordered = sorted(by_size.items(), key=lambda item: [int(x) for x in item[0].split(" x ")])
        sizes = ", ".join(f"{size}: {bits:g}" for size, bits in ordered)
        counted = facts["metric"].replace("_", " ").capitalize()
        lines.append(f"{counted} of a sequence by size with `{runtime}`: {sizes}.")
    if errors := facts.get("error_by_task"):
        ordered = sorted(errors.items(), key=lambda item: int(item[0]))
        tasks = ", ".join(f"{task}: {error:.1%}" for task, error in ordered)
        lines.append(f"Error by task with `{runtime}`: {tasks}.")
    lines += [f"Signature of {metric}: `{text}`." for metric, text in signatures.items()]
    return "\n".join(lines)


def _search(manifest: dict) -> str:
    """Returns the option of the search that was scored; nothing where that is greedy."""
    beam_size = (manifest.get("metrics") or {}).get("beam_size", 1)
    return f" --beam-size {beam_size}" if beam_size > 1 else ""


def signatures_of(facts: dict) -> dict[str, str]:
    """Returns what makes each score that `evaluate` returned comparable, by metric."""
    own = {facts["metric"]: facts["signature"]} if "signature" in facts else {}
    return own | facts.get("also_signatures", {})


def shown_score(metric: str, value: float) -> str:
    """Returns a score to read: BLEU, 0 to 100, to the hundredth, and a fraction to four digits."""
    return f"{value:.2f}" if metric.startswith("bleu") else f"{value:.4f}"


def _facts(manifest: dict) -> str:
    training = manifest["training"]
    rows = {
        "family": f"`{manifest['family']}`",
        "paper": manifest["paper"],
        "parameters": f"{manifest['parameters']:,}",
        "data set": f"`{manifest['dataset']}`",
        "license": manifest["license"],
        "trained by": f"`{manifest['command']}`",
        "trained on": f"{training['device']}, Keras backend {training['backend']}, seed "
        f"{training['seed']}, {len(training['epochs'])} epochs, "
        f"{sum(epoch['train_seconds'] for epoch in training['epochs']):.0f} seconds",
    }
    if start := manifest["configuration"]["train"].get("start_from"):
        rows["started from"] = f"the weights of `{start}`"
    if manifest.get("weights") == "float16":
        rows["`model.weights.h5`"] = "rounded to float16; every export has the rounded weights"
    if litert := manifest.get("litert"):
        agreement = litert["golden_agreement"]
        searches = "generate" in agreement
        beams = f"; beam sizes 1 and {litert['beam_size']}" if searches else ""
        rows[".tflite"] = (
            f"{_QUANTIZATION[litert['quantize']]}{beams}; "
            f"signatures {', '.join(f'`{name}`' for name in sorted(litert['signatures']))}"
        )
        if searches:
            rows["same tokens as Keras"] = (
                f"greedy {agreement['generate']:.1%}, every hypothesis of a beam "
                f"{agreement['generate_beam']:.1%} of the data set's sample"
            )
        else:
            rows["same answers as Keras"] = f"{agreement['predict']:.1%} of the data set's sample"
    if saved := manifest.get("saved_model"):
        tokens = "token ids" if saved["ids_only"] else "strings"
        searches = "generate" in manifest["signatures"]
        beam = f"; beam size {saved['beam_size']}" if searches else ""
        rows["SavedModel"] = f"{tokens} in and out{beam}"
        if saved["serving_flags"]:
            rows["TensorFlow Serving needs"] = f"`{' '.join(saved['serving_flags'])}`"
    return "\n".join(
        ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]
    )


def _use(manifest: dict) -> str:
    name = manifest["name"]
    preset = presets().get(name)
    asked = "--story FILE QUESTION" if preset and preset.modality == "story" else "TEXT"
    return (
        f"    zoo run {name} {asked}{_search(manifest)}\n"
        f"    zoo export {name} --format saved_model\n"
        f"    zoo export {name} --format litert"
    )
