"""Trains a preset of the family `entity_network`.

    python -m zoo.models.entity_network.train --preset entity_network_babi_10k --data DIR

`README.md` beside this file says how.
"""

from collections.abc import Sequence
from pathlib import Path

from zoo.models.entity_network.config import EntityNetworkPreset
from zoo.training import command


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("entity_network", train, arguments)


def train(
    preset: EntityNetworkPreset,
    *,
    output: Path,
    data_dir: Path | None,
    command: str,
    resume: bool,
) -> None:
    """Trains `preset` in the folder `output` and writes its model there.

    Its networks one by one, each as often as it needs; then what it chooses among them by. At the
    end it is scored on the tests.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Folder of data sets; the sample needs none.
        command: The command line, for the report.
        resume: Go on after the last attempt in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    from zoo.data.stories import TASKS
    from zoo.evaluation.answers import answers, scores
    from zoo.models.entity_network import attempts
    from zoo.models.entity_network.choice import chosen, learn_choice
    from zoo.models.entity_network.task import Task
    from zoo.runtime.keras_engine import KerasEngine
    from zoo.training.stories import start_training

    task, data, run = start_training(
        Task, preset, output=output, data_dir=data_dir, command=command, resume=resume
    )
    encoded = data.encoded
    model = task.model
    networks = model.config.networks
    partial = data.stories.partial_tasks
    attempts.fit(
        model,
        encoded["train"],
        encoded["validation"],
        config=preset.train,
        run=run,
        # A network of its own for each task. More attempts at a partial one would better no mean.
        once=[task - 1 for task in partial] if networks == len(TASKS) else [],
    )
    if networks > 1:
        parts = attempts.parts_of(encoded["train"], networks)
        learn_choice(model, encoded["train"], parts, seed=preset.train.seed)
        choices = chosen(model, encoded["test"])
        run.report["wrong_network"] = {
            str(network): round(float((choices[rows] != network).mean()), 4)
            for network, rows in enumerate(attempts.parts_of(encoded["test"], networks))
        }
    engine = KerasEngine(model, task.signatures())
    for split in ("validation", "test"):
        found = answers(engine, encoded[split])
        run.report[split] = scores(found, encoded[split], partial=partial)
        print(split, run.report[split], flush=True)
        if split == "validation":
            print(data.sample(found), flush=True)
    run.write_report()
    run.finish(task, preset)
    print(output)


if __name__ == "__main__":
    main()
