"""Times a device bundle on LiteRT, in a process of its own that imports nothing else.

`python -m zoo.runtime.benchmark_bundle FOLDER THREADS CALLS` is that process; it prints one line of
JSON. Tokens are made beforehand: what is timed is the model's call alone.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.runtime.peak_memory import peak_memory_bytes

_MODEL = "model.tflite"
_SIGNATURE = "signature.json"
_TOLERANCE = 1e-3
_COLUMNS = {
    "threads": "threads",
    "median_ms": "median ms",
    "p95_ms": "p95 ms",
    "cold_start_ms": "cold start ms",
    "peak_memory_mb": "peak memory MB",
    "model_mb": "model MB",
    "bundle_mb": "bundle MB",
}


def benchmark_bundle(bundle: Artefact, *, threads: int, calls: int) -> dict:
    """Returns the measures of a bundle by name.

    `median_ms` and `p95_ms`, milliseconds of a call with one golden input; `cold_start_ms` from
    opening the file to the first answer; `peak_memory_mb` the process's resident set, Python and
    NumPy with it; `model_mb` and `bundle_mb` on disk, in megabytes (1e6 bytes).

    Args:
        bundle: What `zoo export --bundle` wrote.
        threads: For LiteRT to use.
        calls: How many to time, at least 1.

    Raises:
        ZooError: If it is no bundle, a file is damaged, or an answer is not the golden one.
    """
    if calls < 1:
        raise ZooError(f"calls must be at least 1. Received: {calls}.")
    for file in (_MODEL, _SIGNATURE):
        if not bundle.holds(file):
            raise ZooError(f"Expected a bundle in {bundle.folder}. It holds no {file}.")
    for file in bundle.manifest["files"]:
        bundle.read(file)  # checks it
    command = [sys.executable, "-m", __name__, bundle.folder, str(threads), str(calls)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise ZooError(f"The bundle in {bundle.folder} does not run: {reason[0]}")
    sizes = {file: facts["bytes"] / 1e6 for file, facts in bundle.manifest["files"].items()}
    return {
        "name": bundle.name,
        "threads": threads,
        **json.loads(done.stdout.splitlines()[-1]),
        "model_mb": sizes[_MODEL],
        "bundle_mb": sum(sizes.values()),
    }


def table(measured: dict) -> str:
    """Returns what `benchmark_bundle` returned as lines to read."""
    cells = (measured[column] for column in _COLUMNS)
    shown = (str(cell) if isinstance(cell, int) else f"{cell:.2f}" for cell in cells)
    lines = ([f"{x:>14}" for x in row] for row in (_COLUMNS.values(), shown))
    return "\n".join("  ".join(line) for line in lines)


def _measure(folder: str, threads: str, calls: str) -> None:
    """Times the bundle in this process and prints what was measured."""
    from ai_edge_litert.interpreter import Interpreter

    path = Path(folder)
    facts = json.loads((path / _SIGNATURE).read_text(encoding="utf-8"))
    main = facts["signatures"][facts["main"]]
    golden = {
        name: np.load(path / "golden" / f"{name}.npy", allow_pickle=False)
        for name in (*main["inputs"], *main["outputs"])
    }
    rows = [
        {name: array[row : row + 1] for name, array in golden.items()}
        for row in range(facts["golden_rows"])
    ]
    inputs = [{name: row[name] for name in main["inputs"]} for row in rows]

    started = time.perf_counter()
    interpreter = Interpreter(model_path=str(path / _MODEL), num_threads=int(threads))
    run = interpreter.get_signature_runner(facts["main"])
    run(**inputs[0])
    cold_start_ms = (time.perf_counter() - started) * 1e3
    for row, given in zip(rows, inputs, strict=True):
        for name, array in run(**given).items():
            if not np.allclose(array, row[name], rtol=0, atol=_TOLERANCE):
                sys.exit(f"{name} is not the golden one.")
    milliseconds = []
    for call in range(int(calls)):
        given = inputs[call % len(inputs)]
        started = time.perf_counter()
        run(**given)
        milliseconds.append((time.perf_counter() - started) * 1e3)
    measured = {
        "median_ms": float(np.median(milliseconds)),
        "p95_ms": float(np.quantile(milliseconds, 0.95)),
        "cold_start_ms": cold_start_ms,
        "peak_memory_mb": peak_memory_bytes() / 1e6,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    _measure(*sys.argv[1:])
