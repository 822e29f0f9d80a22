"""Times contestants side by side in one run: each in a process of its own, all in turn.

Libraries in one process would share threads. Each contestant is tried at each of its settings, and
the fastest is kept. Then all of a part are timed in turn, round after round, so that a noisy moment
hits them all alike. What counts is the ratio of two medians.
"""

import multiprocessing
import os
import signal
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from typing import Any, NamedTuple

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
SPAWN = multiprocessing.get_context("spawn")  # a fork would inherit the parent's threads
BURST_MS = 150.0  # what a contestant's calls of one round take together, or a single call more
TRIALS = 3  # bursts at each setting, before the fastest is taken


class Contestant(NamedTuple):
    """`build(shape, **options, **setting)`, in its process, returns the call to time."""

    name: str
    build: Callable[..., Callable[[], object]]
    shape: Any  # what everyone is given
    options: dict = {}
    settings: Sequence[dict] = ({},)


class Ratio(NamedTuple):
    """The median of a contestant, divided by that of the fastest of others."""

    contestant: str
    against: Sequence[str]
    goal: float | str = ""  # at most so much, or words


class Part(NamedTuple):
    """A table."""

    title: str
    contestants: Sequence[Contestant]
    ratios: Sequence[Ratio]
    by_token: bool = False  # show the time of a token too: each shape has its `target_length`


def measure(part: Part, rounds: int) -> dict:
    """Returns the rows and the ratios of a part."""
    with ExitStack() as stack:
        rows, running, times = {}, {}, {}
        for contestant in part.contestants:
            note(f"{part.title}: {contestant.name}")
            process, rows[contestant.name] = fastest(contestant, stack)
            if process is not None:
                running[contestant.name], times[contestant.name] = process, []
        for number in range(1, rounds + 1):
            note(f"{part.title}: round {number} of {rounds}")
            for name, process in running.items():
                times[name] += process.burst()
    for name, milliseconds in times.items():
        rows[name]["median_ms"] = statistics.median(milliseconds)
        rows[name]["min_ms"] = min(milliseconds)
    if part.by_token:
        for name, _, shape, *_ in part.contestants:
            rows[name]["tokens"] = shape.target_length
            if name in times:
                rows[name]["ms_per_token"] = rows[name]["median_ms"] / shape.target_length
    ratios = [_divided(ratio, rows) for ratio in part.ratios]
    return {"title": part.title, "rows": list(rows.values()), "ratios": ratios}


def _divided(ratio: Ratio, rows: dict[str, dict]) -> dict:
    medians = {name: row["median_ms"] for name, row in rows.items() if "median_ms" in row}
    against = min(ratio.against, key=lambda name: medians.get(name, float("inf")))
    facts = {"contestant": ratio.contestant, "against": against, "ratio": None, "goal": ratio.goal}
    if {ratio.contestant, against} <= medians.keys():
        facts["ratio"] = medians[ratio.contestant] / medians[against]
    return facts


def fastest(contestant: Contestant, stack: ExitStack) -> tuple["Process | None", dict]:
    """Returns the process of the best setting, waiting, and a row that has all that were tried.

    If the contestant runs at none, there is no process, and the row has an `error`.
    """
    processes, failures = {}, {}
    for setting in contestant.settings:
        name = ", ".join(f"{option} {value}" for option, value in setting.items())
        process = Process(contestant, setting, stack)
        if process.error is None:
            processes[name] = process
        else:
            failures[name] = process.error
    times = {name: [] for name in processes}
    for _ in range(TRIALS):
        for name, process in processes.items():
            times[name] += process.burst()
    tried = {name: min(milliseconds) for name, milliseconds in times.items()}
    row = {"contestant": contestant.name, "tried": tried | failures}
    if not processes:
        return None, {**row, "error": next(iter(failures.values()))}
    best = min(tried, key=tried.get)
    for name, process in processes.items():
        if name != best:
            process.close()
    return processes[best], {**row, "setting": best}


class Process:
    """A contestant at one setting, built and called once; `error` says why it is not."""

    def __init__(self, contestant: Contestant, setting: dict, stack: ExitStack):
        self._pipe, theirs = SPAWN.Pipe()
        arguments = (theirs, contestant.build, contestant.shape, {**contestant.options, **setting})
        self._process = SPAWN.Process(target=_contest, args=arguments)
        self._process.start()
        stack.callback(self.close)
        theirs.close()
        try:
            self.error = self._answer()
        except EOFError:
            self.error = "its process died"

    def burst(self) -> list[float]:
        """Returns the milliseconds of calls that follow each other."""
        self._signal(signal.SIGCONT)
        self._pipe.send("go")
        return self._answer()

    def close(self) -> None:
        """Ends it, and what it started."""
        self._signal(signal.SIGCONT)
        self._pipe.close()
        self._process.join(timeout=5)
        self._signal(signal.SIGKILL)
        self._process.join()

    def _answer(self):
        answer = self._pipe.recv()
        # A pool's threads spin on for a while when their work is done, and would disturb others.
        self._signal(signal.SIGSTOP)
        return answer

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):  # it has ended
            os.killpg(self._process.pid, number)


def _contest(pipe, build: Callable, shape: Any, options: dict) -> None:
    """Builds a contestant in this process, and times it whenever the pipe says so."""
    os.setsid()
    with open(os.devnull, "wb") as null:
        for stream in (1, 2):
            os.dup2(null.fileno(), stream)  # what libraries say would end up in our JSON
    try:
        call = build(shape, **options)
        call()
    except ModuleNotFoundError as error:
        return pipe.send(f"{error.name} is not installed")
    except Exception as error:  # whatever a peer raises is for its row
        return pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
    pipe.send(None)
    with suppress(EOFError):  # our cue to end
        while pipe.recv():
            times = []
            while sum(times) < BURST_MS:
                started = time.perf_counter()
                call()
                times.append((time.perf_counter() - started) * 1e3)
            pipe.send(times[1:] or times)  # the first finds the caches as the others left them


def note(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def as_text(table: dict) -> str:
    """Returns what `measure` returned as lines to read."""
    lines = [f"\n{table['title']}", f"{'':42}{'median ms':>10}{'min ms':>10}{'ms/token':>10}"]
    if "tokens" not in table["rows"][0]:
        lines[-1] = lines[-1].removesuffix(f"{'ms/token':>10}")
    for row in table["rows"]:
        columns = ("median_ms", "min_ms", "ms_per_token")
        cells = "".join(f"{row[name]:10.3f}" for name in columns if name in row)
        tried, setting = row["tried"], row.get("setting")
        said = f"  {setting} ({len(tried)} tried)" if setting else ""
        lines.append(f"{row['contestant']:42}{row.get('error', cells)}{said}")
        failures = {name: why for name, why in tried.items() if isinstance(why, str)}
        if setting:
            lines += [f"    not at {name}: {why}" for name, why in failures.items()]
    for row in table["ratios"]:
        ratio, goal = row["ratio"], row["goal"]
        if isinstance(goal, float):
            reached = "" if ratio is None else ", met" if ratio <= goal else ", missed"
            goal = f"at most {goal}{reached}"
        shown = "not measured" if ratio is None else f"{ratio:.2f}"
        lines.append(f"{row['contestant']} / {row['against']}: {shown}{goal and f' ({goal})'}")
    return "\n".join(lines)
