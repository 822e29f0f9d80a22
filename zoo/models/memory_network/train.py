"""Trains a preset of the family `memory_network`.

    python -m zoo.models.memory_network.train --preset memory_network_babi_1k --data DIR

`README.md` beside this file says how.
"""

from collections.abc import Sequence
from pathlib import Path

from zoo.models.memory_network.config import MemoryNetworkPreset
from zoo.training import command


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("memory_network", train, arguments)


def train(
    preset: MemoryNetworkPreset,
    *,
    output: Path,
    data_dir: Path | None,
    command: str,
    resume: bool,
) -> None:
    """Trains `preset` in the folder `output` and writes its model there.

    All restarts train at once. After each epoch the one with the lowest training loss is scored on
    validation stories; at the end every one that did not stop before is scored on the tests, and
    that one is the model.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Folder of data sets; the sample needs none.
        command: The command line, for the report.
        resume: Go on from the last checkpoint in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    from zoo.data.stories import encode_examples
    from zoo.evaluation.answers import answers, scores
    from zoo.models.memory_network import restarts
    from zoo.models.memory_network.task import Task
    from zoo.runtime.keras_engine import KerasEngine
    from zoo.training.stories import start_training

    task, data, run = start_training(
        Task, preset, output=output, data_dir=data_dir, command=command, resume=resume
    )
    encoded = data.encoded
    learned = encoded["train"]
    if preset.train.with_validation:
        both = data.examples["train"] + data.examples["validation"]
        learned = encode_examples(both, data.tokenizer, preset.model)
    copies = restarts.fit(
        task,
        learned,
        encoded["validation"],
        config=preset.train,
        run=run,
        sample=data.sample,
    )
    losses = run.report["epochs"][-1]["losses"]
    best = restarts.by_loss(copies.numbers, losses)[0]
    run.report["restarts"] = []
    engine = KerasEngine(task.model, task.signatures())
    for number in copies.numbers:
        copies.take(number)
        tested = scores(
            answers(engine, encoded["test"]), encoded["test"], partial=data.stories.partial_tasks
        )
        run.report["restarts"].append(
            {"number": number, "loss": losses[number], "chosen": number == best, "test": tested}
        )
        error = tested["mean_error"]
        print(f"restart {number}: loss {losses[number]}, test error {error:.4f}", flush=True)
    copies.take(best)
    run.write_report()
    run.finish(task, preset)
    print(output)


if __name__ == "__main__":
    main()
