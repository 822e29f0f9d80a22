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
    validation stories; at the end every one is scored on the tests, and that one is the model.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Folder of data sets; the sample needs none.
        command: The command line, for the report.
        resume: Go on from the last checkpoint in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    import keras
    import numpy as np

    from zoo import layout, paths
    from zoo.data import open_data
    from zoo.data.stories import encode_examples
    from zoo.models.memory_network import restarts
    from zoo.models.memory_network.task import Task
    from zoo.runtime.keras_engine import KerasEngine
    from zoo.text.tokenizer import train_tokenizer
    from zoo.training.run_folder import RunFolder

    if not resume:
        paths.require_new_folder(output)
    stories = open_data(preset, data_dir=data_dir)
    tokenizer = train_tokenizer(
        stories.training_texts(), kind=preset.data.tokenizer, vocab_size=preset.model.vocab_size
    )
    examples = {split: stories.examples(split) for split in ("train", "validation", "test")}
    encoded = {
        split: encode_examples(part, tokenizer, preset.model) for split, part in examples.items()
    }
    run = RunFolder(output, preset, command=command, resume=resume)
    keras.utils.set_random_seed(preset.train.seed)
    run.write(layout.TOKENIZER, tokenizer.model)
    task = Task.from_preset(preset)

    def sample(answers) -> str:
        shown = np.unique(np.linspace(0, len(answers) - 1, num=6, dtype=int))  # of several tasks
        return "\n".join(
            f"  {'ok ' if answers[row] == encoded['validation'].answer[row] else 'not'} "
            f"{example.question} -> {tokenizer.decode([answers[row]])} ({example.answer})"
            for row, example in ((row, examples["validation"][row]) for row in shown)
        )

    copies = restarts.fit(
        task, encoded["train"], encoded["validation"], config=preset.train, run=run, sample=sample
    )
    losses = run.report["epochs"][-1]["losses"]
    best = restarts.lowest(losses)
    run.report["restarts"] = []
    engine = KerasEngine(task.model, task.signatures())
    for index, loss in enumerate(losses):
        copies.take(index)
        scores = restarts.scores(restarts.answers(engine, encoded["test"]), encoded["test"])
        run.report["restarts"].append({"loss": loss, "chosen": index == best, "test": scores})
        print(f"restart {index}: loss {loss}, test error {scores['mean_error']:.4f}", flush=True)
    copies.take(best)
    run.write_report()
    run.finish(task, preset)
    print(output)


if __name__ == "__main__":
    main()
