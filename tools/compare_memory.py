"""Trains the Neural Turing machine beside an LSTM of as many weights, and writes table and picture.

    python tools/compare_memory.py [--work DIR] [--seeds 3] [TASK ...]
    python tools/compare_memory.py --check

Both are trained on the same sequences for as many updates, from each seed. A run that is finished
is not run again, and one that was stopped goes on, so that the tool may be called until all are
done. What is measured goes to `zoo/models/neural_turing_machine/comparison.json`; the table in the
family's README and the picture beside it are made of that file. With --check it trains and writes
nothing, and exits with 1 if the table is not that of the file.
"""

import argparse
import statistics
from pathlib import Path

import comparison
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo import models
from zoo.data.algorithmic import TASKS, TestSequences
from zoo.models.neural_turing_machine.config import NeuralTuringMachinePreset

# What `error` is below when a task is learned: Collier and Beel, 2018, say so of wrong bits; 4 bits
# stand between the paper's machine and its LSTM in n-grams.
LEARNED = {"wrong_bits": 0.1, "bits_above_optimum": 4.0}
CONTESTANTS = {"machine": "tab:blue", "LSTM": "tab:orange"}
TABLE = comparison.Comparison("neural_turing_machine", "comparison")


def presets() -> dict[str, NeuralTuringMachinePreset]:
    """Returns the presets that are to be published, by their task's short name."""
    of_family = models.presets().values()
    published = [x for x in of_family if x.family == "neural_turing_machine" and x.card]
    return {preset.name.removeprefix("neural_turing_machine_"): preset for preset in published}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"of {', '.join(presets())}")
    parser.add_argument("--work", type=Path, default=Path("runs/compare_memory"))
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each")
    parser.add_argument("--check", action="store_true", help="train and write nothing")
    arguments = parser.parse_args()
    if unknown := set(arguments.tasks) - presets().keys():
        parser.error(f"unknown {', '.join(sorted(unknown))}; known: {', '.join(presets())}")
    if arguments.check:
        TABLE.check(parser, table=table(TABLE.read()))
    for task in arguments.tasks or presets():
        for seed in range(arguments.seeds):
            for contestant in CONTESTANTS:
                run = arguments.work / task / contestant / str(seed)
                if str(seed) not in TABLE.read().get(task, {}).get(contestant, {}):
                    row = measured(presets()[task], contestant, seed, run)
                    results = TABLE.read_with(row, task, contestant, str(seed))
                    TABLE.write(results, table=table(results), figure=picture(results))


def measured(preset: NeuralTuringMachinePreset, contestant: str, seed: int, run: Path) -> dict:
    """Returns what one training came to; it is trained first, as far as that is not done."""
    settings: dict[str, object] = {"train.seed": seed}
    if contestant == "LSTM":
        units = units_of_an_lstm(preset)
        # In this order: what has no memory must be an LSTM first.
        settings |= {"model.controller": "lstm", "model.controller_units": units}
        settings["model.memory"] = False
    manifest = comparison.trained(run, preset.name, settings, data=None).manifest
    training = manifest["training"]
    done, curve, learned_after = 0, [], None
    for epoch in training["epochs"]:
        done += epoch["steps"]
        curve.append([done, round(epoch["bits"], 3)])
        if learned_after is None and error(preset, epoch) < LEARNED[metric(preset)]:
            learned_after = done
    return {
        "weights": manifest["parameters"],
        "curve": curve,
        "learned_after": learned_after,
        "tested": training["tested"],
    }


def metric(preset: NeuralTuringMachinePreset) -> str:
    """Returns what `error` counts, a sequence."""
    return TestSequences(preset.data).metric


def error(preset: NeuralTuringMachinePreset, tested: dict) -> float:
    """Returns how wrong the answers of a test were; of n-grams no estimator can have all right."""
    if metric(preset) == "wrong_bits":
        return tested["wrong_bits"]
    return tested["bits"] - tested["optimal_bits"]


def units_of_an_lstm(preset: NeuralTuringMachinePreset) -> int:
    """Returns how many units an LSTM of about as many weights as the preset's model has."""
    from zoo.models.neural_turing_machine.task import Task

    wanted = Task.from_preset(preset).model.count_params()
    inputs, outputs = preset.model.input_width, preset.model.output_width

    def weights(units: int) -> int:
        return 4 * units * (inputs + units + 1) + outputs * (units + 1) + 2 * units

    return min(range(1, 2000), key=lambda units: abs(weights(units) - wanted))


def table(results: dict) -> list[str]:
    """Returns the lines of the table: a row a task, contestant and size."""
    lines = [
        "| task | | weights | learned | after updates | tested at | error | of bits |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for task, contestants in results.items():
        preset = presets()[task]
        sequences_of = TASKS[preset.data.name]()
        for contestant, runs in contestants.items():
            learned = [run["learned_after"] for run in runs.values() if run["learned_after"]]
            [weights] = {run["weights"] for run in runs.values()}
            after = f"{statistics.mean(learned):,.0f}" if learned else "-"
            first = (
                f"| {task} | {contestant} | {weights:,} | {len(learned)} of {len(runs)} | {after} "
            )
            for tests in zip(*(run["tested"] for run in runs.values()), strict=True):
                sizes = {name: tests[0][name] for name in sequences_of.sizes}
                wrong = " ".join(f"{error(preset, test):.2f}" for test in tests)
                mask = sequences_of.draw(np.random.default_rng(0), rows=1, **sizes).mask
                bits = int(mask.sum()) * sequences_of.out_width
                at = ", ".join(f"{name} {size}" for name, size in sizes.items())
                lines.append(f"{first}| {at} | {wrong} | {bits:,} |")
                first = "| | | | | "
    return (
        [*lines, "", "![Cost while learning, and errors at larger sizes](comparison.png)"]
        if results
        else []
    )


def picture(results: dict) -> Figure:
    """Returns a row a task: the cost of an answer while learning, and wrong bits at each size."""
    figure = Figure(figsize=(9, 2.6 * len(results)), layout="constrained")
    FigureCanvasAgg(figure)
    rows = figure.subplots(len(results), 2, squeeze=False)
    for (task, contestants), (learning, larger) in zip(results.items(), rows, strict=True):
        preset = presets()[task]
        names = TASKS[preset.data.name].sizes
        for contestant, runs in contestants.items():
            color, label = CONTESTANTS[contestant], contestant
            for run in runs.values():
                learning.plot(*zip(*run["curve"], strict=True), color=color, label=label)
                wrong = [error(preset, test) for test in run["tested"]]
                places = range(len(wrong))
                larger.plot(places, wrong, "o-", color=color, label=label)
                label = None  # once in the legend
                sizes = ["\n".join(f"{test[name]}" for name in names) for test in run["tested"]]
                larger.set_xticks(places, sizes)
        learning.set_title(task.replace("_", " "))
        learning.set_xlabel("updates")
        learning.set_ylabel("bits a sequence")
        larger.set_xlabel(", ".join(names))
        larger.set_ylabel(f"{metric(preset).replace('_', ' ')},\na sequence")
        for axes in (learning, larger):
            axes.grid(color="0.9")
            axes.set_ylim(bottom=0)
        learning.legend()
    return figure


if __name__ == "__main__":
    main()
