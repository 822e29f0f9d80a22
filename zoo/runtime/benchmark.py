"""Times a model on every runtime, each in a process of its own.

`python -m zoo.runtime.benchmark NAME RUNTIME CALLS` is that process; it prints one line of JSON.
"""

import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from zoo import layout, registry
from zoo.errors import ZooError
from zoo.models import trained_preset
from zoo.runtime.load import RUNTIMES, load, sample_inputs, saved_model_of
from zoo.runtime.peak_memory import peak_memory_bytes

_NEEDED = {"litert": "ai_edge_litert", "saved_model": "tensorflow_text", "keras": "keras"}
_COLUMNS = {
    "runtime": "runtime",
    "median_ms": "median ms",
    "p95_ms": "p95 ms",
    "cold_start_ms": "cold start ms",
    "peak_memory_mb": "peak memory MB",
    "file_mb": "file MB",
}


def benchmark(artefact: registry.Artefact, *, calls: int) -> list[dict]:
    """Returns one row a runtime: `runtime` and, unless `error` says why not, its measures.

    `median_ms` and `p95_ms` are milliseconds of one call with one input, tokens and all, over the
    sample of the model's data set; `cold_start_ms` from the start of the process to the first
    result; `peak_memory_mb` the process's resident set, and `file_mb` what lies on disk, in
    megabytes (1e6 bytes).

    Args:
        artefact: What to time.
        calls: How many calls to time, at least 1.
    """
    if calls < 1:
        raise ZooError(f"calls must be at least 1. Received: {calls}.")
    return [_row(artefact, runtime, calls) for runtime in RUNTIMES]


def table(rows: list[dict]) -> str:
    """Returns the rows of `benchmark` as lines to read."""
    lines = ["  ".join(f"{title:>14}" for title in _COLUMNS.values())]
    for row in rows:
        if "error" in row:
            lines.append(f"{row['runtime']:>14}  {row['error']}")
            continue
        cells = (row[column] for column in _COLUMNS)
        lines.append("  ".join(f"{_cell(cell):>14}" for cell in cells))
    return "\n".join(lines)


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}"


def _row(artefact: registry.Artefact, runtime: str, calls: int) -> dict:
    if importlib.util.find_spec(_NEEDED[runtime]) is None:
        return {"runtime": runtime, "error": f"{_NEEDED[runtime]} is not installed"}
    try:
        size = _file_bytes(artefact, runtime)
    except ZooError as error:
        return {"runtime": runtime, "error": str(error)}
    command = [sys.executable, "-m", __name__, artefact.folder, runtime, str(calls)]
    started = time.time()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        return {"runtime": runtime, "error": reason[0]}
    measured = json.loads(done.stdout.splitlines()[-1])
    return {
        "runtime": runtime,
        "median_ms": measured["median_ms"],
        "p95_ms": measured["p95_ms"],
        "cold_start_ms": (measured["first_result_at"] - started) * 1e3,
        "peak_memory_mb": measured["peak_memory_mb"],
        "file_mb": size / 1e6,
    }


def _file_bytes(artefact: registry.Artefact, runtime: str) -> int:
    """Returns the bytes that the runtime reads, a tokenizer's among them."""
    if runtime == "saved_model":
        files = saved_model_of(artefact, beam_size=1).manifest["files"].values()
        return sum(facts["bytes"] for facts in files)
    model = layout.TFLITE if runtime == "litert" else layout.WEIGHTS
    tokenizer = [layout.TOKENIZER] if artefact.holds(layout.TOKENIZER) else []
    return sum(len(artefact.read(file)) for file in (model, *tokenizer))


def _measure(folder: str, runtime: str, calls: str) -> None:
    """Times one runtime in this process and prints what was measured."""
    artefact = registry.Artefact.open(Path(folder))
    inputs = sample_inputs(trained_preset(artefact.manifest))
    model = load(artefact, runtime=runtime)
    model(inputs[:1])
    first_result_at = time.time()
    for one in inputs:  # every length once: some runtimes prepare each shape
        model([one])
    milliseconds = []
    for call in range(int(calls)):
        started = time.perf_counter()
        model([inputs[call % len(inputs)]])
        milliseconds.append((time.perf_counter() - started) * 1e3)
    print(
        json.dumps(
            {
                "first_result_at": first_result_at,
                "median_ms": statistics.median(milliseconds),
                "p95_ms": statistics.quantiles(milliseconds, n=20, method="inclusive")[-1]
                if len(milliseconds) > 1
                else milliseconds[0],
                "peak_memory_mb": peak_memory_bytes() / 1e6,
            }
        )
    )


if __name__ == "__main__":
    _measure(*sys.argv[1:])
