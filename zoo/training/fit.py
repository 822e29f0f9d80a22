"""The training loop: Keras's `fit` with a report, a checkpoint and a sample after each epoch."""

import importlib.util
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

from zoo.config import TrainConfig
from zoo.data.feed import LengthBatches, ShuffledBatches
from zoo.training.losses import TokenCrossEntropy
from zoo.training.run_folder import RunFolder
from zoo.training.schedules import Schedule

STEPS_THAT_PAY_FOR_XLA = 1000  # compiling takes seconds for each shape of a batch


def fit(
    model: keras.Model,
    examples: Callable[[int], tuple[dict[str, np.ndarray], np.ndarray]],
    *,
    pad_id: int,
    config: TrainConfig,
    run: RunFolder,
    evaluate: Callable[[], dict[str, float]],
    sample: Callable[[], str],
) -> None:
    """Trains `model` from the run's last checkpoint, or from its start, to the end of `config`.

    Args:
        model: Built.
        examples: Returns the examples of an epoch, counted from 0: what `model` is called with,
            token ids, one row an example; and the token ids that its logits predict, `(N, T)`.
        pad_id: Tokens that stand for nothing.
        config: How long, in which batches, at which learning rate.
        run: Where the report, the checkpoints and TensorBoard's logs go.
        evaluate: Returns the metrics to report after each epoch.
        sample: Returns a few lines for people to read, printed after each epoch.
    """
    order = {"seed": config.seed, "epoch": run.epochs_done}
    if config.batch_tokens is None:
        batches = ShuffledBatches(examples, batch_size=config.batch_size, **order)
    else:
        batches = LengthBatches(examples, batch_tokens=config.batch_tokens, pad_id=pad_id, **order)
    total_steps = config.epochs * len(batches)
    if config.steps is not None:
        total_steps = min(total_steps, config.steps)
    model.compile(
        optimizer=keras.optimizers.Adam(
            Schedule(config, total_steps=total_steps),
            beta_2=config.beta_2,
            epsilon=config.epsilon,
            global_clipnorm=config.clip_norm,
        ),
        loss=TokenCrossEntropy(pad_id=pad_id, label_smoothing=config.label_smoothing),
        # Keras leaves XLA off on a CPU, where it pays in the long run; not for recurrent layers,
        # whose loops it makes up to twice as slow (tensorflow 2.21).
        jit_compile=True
        if total_steps >= STEPS_THAT_PAY_FOR_XLA and not _is_recurrent(model)
        else "auto",
    )
    model.optimizer.build(model.trainable_variables)
    run.restore(model)
    steps_done = run.steps_done
    if config.steps is not None and steps_done >= config.steps:
        return _average(model, run, evaluate)
    callbacks = [
        _SeedsOfEpoch(),
        _AfterEpoch(run, evaluate, sample),
        StopAfter(config.steps, steps_done),
    ]
    # Keras writes TensorBoard's files through TensorFlow; a machine with JAX alone goes without.
    if importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tensorboard"):
        callbacks.append(keras.callbacks.TensorBoard(run.logs, write_graph=False))
    model.fit(
        batches,
        epochs=config.epochs,
        initial_epoch=run.epochs_done,
        # `batches` shuffles; Keras would shuffle their order too, by a global generator that a
        # resumed training finds in another state.
        shuffle=False,
        callbacks=callbacks,
        verbose=1 if sys.stdout.isatty() else 2,  # a log has no use for a moving bar
    )
    _average(model, run, evaluate)


def _is_recurrent(layer: keras.layers.Layer) -> bool:
    return isinstance(layer, keras.layers.RNN) or any(map(_is_recurrent, layer._layers))


def _average(model: keras.Model, run: RunFolder, evaluate: Callable) -> None:
    """Gives `model` the mean of the weights in the run's checkpoints, where it keeps several."""
    checkpoints = run.checkpoints()
    if len(checkpoints) < 2:
        return
    sums = [0.0] * len(model.trainable_variables)
    for checkpoint in checkpoints:
        model.load_weights(checkpoint)
        for index, variable in enumerate(model.trainable_variables):
            sums[index] += keras.ops.convert_to_numpy(variable).astype("float64")
    for variable, total in zip(model.trainable_variables, sums, strict=True):
        variable.assign((total / len(checkpoints)).astype("float32"))
    run.report["average"] = {"checkpoints": len(checkpoints), **evaluate()}
    run.write_report()
    print(f"Mean of {len(checkpoints)} epochs: {run.report['average']}", flush=True)


class _SeedsOfEpoch(keras.callbacks.Callback):
    """Sets what dropout draws from at the start of each epoch, as a function of the epoch alone.

    Keras (3.15) saves the state of its seed generators with no weights, so that a resumed training
    would draw the first epoch's numbers again.
    """

    def on_epoch_begin(self, epoch, logs=None):
        for variable in self.model.variables:
            if variable.path.endswith("seed_generator_state"):
                seed, _ = keras.ops.convert_to_numpy(variable)
                variable.assign([seed, epoch << 20])  # counts the draws: fewer than 2^20 an epoch


class StopAfter(keras.callbacks.Callback):
    """Ends the training after `steps` updates in all; None never does."""

    def __init__(self, steps: int | None, steps_done: int):
        super().__init__()
        self._steps = steps
        self._done = steps_done

    def on_train_batch_end(self, batch, logs=None):
        """Counts an update."""
        self._done += 1
        if self._done == self._steps:
            self.model.stop_training = True


class _AfterEpoch(keras.callbacks.Callback):
    """Measures, reports, shows and saves what an epoch came to."""

    def __init__(self, run: RunFolder, evaluate: Callable, sample: Callable):
        super().__init__()
        self._run = run
        self._evaluate = evaluate
        self._sample = sample

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1

    def on_epoch_end(self, epoch, logs=None):
        trained = time.monotonic()
        metrics = self._evaluate()
        logs.update(metrics)  # for the progress bar and TensorBoard
        self._run.end_epoch(
            {
                "epoch": epoch + 1,
                "steps": self._steps,
                "loss": float(logs["loss"]),
                **metrics,
                "train_seconds": round(trained - self._started, 1),
                "evaluation_seconds": round(time.monotonic() - trained, 1),
            },
            save_checkpoint=self.model.save_weights,
        )
        print(f"\n{self._sample()}", flush=True)
