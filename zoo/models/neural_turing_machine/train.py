"""Trains a preset of the family `neural_turing_machine`.

    python -m zoo.models.neural_turing_machine.train --preset neural_turing_machine_copy

The sequences of an update are drawn from the seed and the number of the update: no data is needed,
and a training that resumes sees what it would have seen. With another seed, and the controller
without its memory, made wider to have as many weights:

    ... --set train.seed=1
    ... --set model.memory=false --set model.controller_units=119

`README.md` beside this file has the settings and what to expect.
"""

from collections.abc import Sequence
from pathlib import Path

from zoo.models.neural_turing_machine.config import NeuralTuringMachinePreset, SequencesConfig
from zoo.training import command

_TRAINING = 0  # what sequences are drawn for, beside the seed: tests draw from other numbers


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    command.main("neural_turing_machine", train, arguments)


def train(
    preset: NeuralTuringMachinePreset,
    *,
    output: Path,
    data_dir: Path | None,
    command: str,
    resume: bool,
) -> None:
    """Trains `preset` in the folder `output` and writes its model there.

    After each epoch the model is tested at the longest size that it is trained on, and at the end
    at every size that the preset is tested at.

    Args:
        preset: What to train.
        output: A new folder, or with `resume` the folder of a training that was stopped.
        data_dir: Not read: no data here comes from a file.
        command: The command line, for the report.
        resume: Go on from the last checkpoint in `output`.
    """
    # Here, so that the command line answers a wrong option before a framework starts.
    import importlib.util
    import time

    import keras
    import numpy as np

    from zoo import paths
    from zoo.data import algorithmic
    from zoo.errors import ZooError
    from zoo.models.neural_turing_machine.task import Task
    from zoo.training.fit import STEPS_THAT_PAY_FOR_XLA
    from zoo.training.run_folder import RunFolder

    if not resume:
        paths.require_new_folder(output)
    config, data = preset.train, preset.data
    run = RunFolder(output, preset, command=command, resume=resume)
    keras.utils.set_random_seed(config.seed)
    task = Task.from_preset(preset)
    model = task.model
    total_steps = min(config.epochs * config.epoch_steps, config.steps or np.inf)
    model.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate, global_clipnorm=config.clip_norm),
        # A step of the loop is some hundred small operations, which XLA makes into a few.
        jit_compile=True if total_steps >= STEPS_THAT_PAY_FOR_XLA else "auto",
    )
    model.optimizer.build(model.trainable_variables)
    run.restore(model)
    boards = []
    if importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tensorboard"):
        boards = [keras.callbacks.TensorBoard(run.logs, write_graph=False)]
    callbacks = keras.callbacks.CallbackList(boards, model=model)
    sequences_of = algorithmic.TASKS[data.name]()
    tests = algorithmic.TestSequences(data, rows=config.tested_rows)

    def update(step: int) -> float:
        """Makes one update, counted from 0; returns its loss."""
        generator = np.random.default_rng((config.seed, _TRAINING, step))
        longest = longest_at(step, data)
        sizes = {
            name: int(generator.integers(data.shortest, longest + 1)) for name in sequences_of.sizes
        }
        batch = padded(sequences_of.draw(generator, rows=config.batch_size, **sizes))
        logs = model.train_on_batch(
            {"inputs": batch.inputs}, batch.targets, batch.mask.astype("float32"), return_dict=True
        )
        if not np.isfinite(logs["loss"]):
            raise ZooError(f"The loss of update {step + 1} is {logs['loss']}: the training failed.")
        return float(logs["loss"])

    def test(sizes: dict[str, int]) -> tuple[dict, str]:
        """Returns the metrics at one size, and one of its sequences to read."""
        batch = tests.draw(sizes)
        logits = np.asarray(model.predict_on_batch({"inputs": batch.inputs})["logits"])
        probabilities = 1 / (1 + np.exp(-logits.astype("float64")))
        metrics = {
            "bits": algorithmic.bits_a_sequence(probabilities, batch),
            "wrong_bits": algorithmic.wrong_bits_a_sequence(probabilities, batch),
        }
        if data.name == "dynamic_ngrams":
            optimal = sequences_of.optimal_probabilities(batch)
            metrics["optimal_bits"] = algorithmic.bits_a_sequence(optimal, batch)
        expected, answer = (
            sequences_of.decode(bits[0][batch.mask[0]]) for bits in (batch.targets, probabilities)
        )
        return metrics, f"  {'ok ' if answer == expected else 'not'} {expected} -> {answer}"

    callbacks.on_train_begin()
    while (done := run.steps_done) < total_steps:
        started = time.monotonic()
        losses = [update(step) for step in range(done, min(done + config.epoch_steps, total_steps))]
        trained = time.monotonic()
        metrics, shown = test(algorithmic.tested_sizes(data)[0])
        facts = {
            "epoch": run.epochs_done + 1,
            "steps": len(losses),
            "loss": float(np.mean(losses)),
            **metrics,
            "train_seconds": round(trained - started, 1),
            "evaluation_seconds": round(time.monotonic() - trained, 1),
        }
        callbacks.on_epoch_end(run.epochs_done, {"loss": facts["loss"], **metrics})
        run.end_epoch(facts, save_checkpoint=model.save_weights)
        print(facts, shown, sep="\n", flush=True)
    callbacks.on_train_end()

    run.report["tested"] = []
    for sizes in algorithmic.tested_sizes(data):
        metrics, _ = test(sizes)
        run.report["tested"].append({**sizes, "rows": config.tested_rows, **metrics})
        print(run.report["tested"][-1], flush=True)
    run.write_report()
    run.finish(task, preset)
    print(output)


def longest_at(step: int, data: SequencesConfig) -> int:
    """Returns the longest size that is drawn for an update, counted from 0."""
    if step >= data.curriculum_steps:
        return data.longest
    return data.shortest + (data.longest - data.shortest) * step // data.curriculum_steps


def padded(sequences, *, multiple: int = 8):
    """Returns `sequences` with steps added at the end, up to a multiple of so many.

    A compiler that compiles every shape meets few that way. What comes after an answer does not
    change it, and is not trained on.
    """
    import numpy as np

    added = -sequences.mask.shape[1] % multiple
    return sequences._replace(
        **{
            name: np.pad(array, [(0, 0), (0, added)] + [(0, 0)] * (array.ndim - 2))
            for name, array in sequences._asdict().items()
        }
    )


if __name__ == "__main__":
    main()
