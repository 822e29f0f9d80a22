"""Runs a `.tflite` file on LiteRT, without TensorFlow."""

import os
import queue
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from zoo.config import unknown_name
from zoo.errors import ZooError


class LiteRTEngine:
    """Runs the signatures of a `.tflite` file.

    Args:
        content: The file's bytes.

    Raises:
        ZooError: If they are no LiteRT model, or one with operators that LiteRT does not have.
    """

    length_step = None  # the file has one length

    def __init__(self, content: bytes):
        self._content = content
        self._runners = self._opened()
        self._others: list[dict] = []  # of further interpreters, for `run_all`
        main = "generate" if "generate" in self._runners else "predict"
        # LiteRT prepares a signature at its first call. An empty input is the cheapest one.
        empty = {
            name: np.zeros(facts["shape"], facts["dtype"])
            for name, facts in self._runners[main].get_input_details().items()
        }
        self.batch_size = len(next(iter(empty.values())))
        self.run(main, **empty)

    def run(self, signature: str, /, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the outputs of `signature` by name.

        Raises:
            ZooError: If the file has no such signature.
        """
        if signature not in self._runners:
            raise ZooError(unknown_name("signature", signature, self._runners))
        return self._call(self._runners, signature, inputs)

    def run_all(
        self, signature: str, batches: Sequence[Mapping[str, np.ndarray]]
    ) -> list[dict[str, np.ndarray]]:
        """Returns the outputs of `signature` for each batch of inputs, computed on every core."""
        workers = min(available_cores(), len(batches))
        if workers < 2:
            return [self.run(signature, **batch) for batch in batches]
        while len(self._others) < workers - 1:
            self._others.append(self._opened())
        free: queue.SimpleQueue[dict] = queue.SimpleQueue()
        for runners in (self._runners, *self._others[: workers - 1]):
            free.put(runners)

        def run(batch):
            runners = free.get()  # there are as many as threads
            try:
                return self._call(runners, signature, batch)
            finally:
                free.put(runners)

        # An interpreter leaves Python's lock alone while it computes, so that threads are enough.
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(run, batches))

    def _call(
        self, runners: dict, signature: str, inputs: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Returns the outputs of one call; rows that a batch lacks are filled up, and left out."""
        rows = max(len(array) for array in inputs.values() if np.ndim(array))
        lacking = self.batch_size - rows
        if lacking <= 0:  # with too many, LiteRT says so
            return runners[signature](**inputs)
        filled = {
            name: np.pad(array, [(0, lacking)] + [(0, 0)] * (array.ndim - 1))
            if np.ndim(array)
            else array
            for name, array in inputs.items()
        }
        outputs = runners[signature](**filled)
        return {name: array[:rows] for name, array in outputs.items()}

    def _opened(self) -> dict:
        """Returns the runner of every signature of a new interpreter."""
        try:
            # One thread: at these sizes a second one costs more than it brings.
            interpreter = Interpreter(model_content=self._content, num_threads=1)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ZooError(f"LiteRT cannot open the model: {reason}") from error
        names = interpreter.get_signature_list()
        return {name: interpreter.get_signature_runner(name) for name in names}

    def signatures(self) -> dict:
        """Returns the shape and dtype of every input and output, as a manifest states them."""
        return {
            name: {
                "inputs": _specs(runner.get_input_details()),
                "outputs": _specs(runner.get_output_details()),
            }
            for name, runner in self._runners.items()
        }


def available_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _specs(details: dict) -> dict:
    return {
        name: {
            "shape": [int(size) for size in facts["shape"]],
            "dtype": np.dtype(facts["dtype"]).name,
        }
        for name, facts in sorted(details.items())
    }
