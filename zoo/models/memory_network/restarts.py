"""Several trainings of one model at once: the same batches, other weights.

Training a memory network ends well or badly with the weights that it starts from, so papers train
ten times and keep the best. Small models leave most of a machine idle; ten that share the
embedding of sentences and go through the machine as one cost about as much as two or three. Which
of them will end well shows early, so that the others may stop: the first round of successive
halving (Jamieson and Talwalkar, 2016, arXiv:1502.07943).
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np
from keras import ops

from zoo.data.stories import EncodedStories, noisy_times
from zoo.evaluation.answers import answers, scores
from zoo.models.memory_network.config import MemoryNetworkTrainConfig
from zoo.models.memory_network.model import INITIAL_STDDEV, MemoryNetwork
from zoo.models.memory_network.task import Task
from zoo.runtime.keras_engine import KerasEngine
from zoo.training.fit import StopAfter
from zoo.training.run_folder import RunFolder

_SENTENCES_STEP = (
    64  # distinct sentences of a batch are padded to a multiple: few shapes to compile
)


class Restarts(keras.Model):
    """R copies of a model that share nothing but their inputs.

    Called with the inputs of the model, it returns the logits of every copy, `(B, R, V)`.

    Args:
        model: The model, built; its own weights take no part until `take` sets them.
        numbers: By which the copies are called, R of them.
    """

    def __init__(self, model: MemoryNetwork, numbers: Sequence[int], **kwargs):
        super().__init__(**kwargs)
        # No attribute of its own: Keras would count the model's weights among those to train.
        self._model = lambda: model
        self.numbers = tuple(numbers)

    def build(self, input_shape=None):
        """Draws the weights of all copies, each with the axis R before those of the model's."""
        model = self._model()
        self.stacked = [
            self.add_weight(
                name=weight.name,
                shape=(len(self.numbers), *weight.shape),
                initializer=keras.initializers.RandomNormal(stddev=INITIAL_STDDEV),
            )
            for weight in model.trainable_variables
        ]
        self.built = True

    def call(self, inputs):
        """Returns the logits `(B, R, V)`."""
        model = self._model()

        def logits(weights):
            return model.stateless_call(weights, [], inputs)[0]

        stacked = [ops.convert_to_tensor(weight) for weight in self.stacked]
        return ops.swapaxes(ops.vectorized_map(logits, stacked), 0, 1)

    def take(self, number: int) -> None:
        """Gives the model the weights of a copy."""
        model, index = self._model(), self.numbers.index(number)
        for weight, stacked in zip(model.trainable_variables, self.stacked, strict=True):
            weight.assign(stacked[index])


class SummedCrossEntropy(keras.losses.Loss):
    """Cross-entropy (nats) of the answers `(B,)` under logits `(B, R, V)`, summed over B and R.

    A copy's share does not depend on the others, so its gradient is that of its training alone.
    """

    def __init__(self):
        super().__init__(reduction=None, name="summed_cross_entropy")  # `call` sums

    def call(self, y_true, y_pred):
        """Returns the loss, a scalar."""
        return ops.sum(cross_entropy(y_true, y_pred))


class LossByRestart(keras.metrics.Metric):
    """The mean cross-entropy (nats) of an epoch's answers; the lowest of the copies' is its result.

    Args:
        restarts: R.
    """

    def __init__(self, restarts: int):
        super().__init__(name="question_loss")
        self.total = self.add_weight(shape=(restarts,), initializer="zeros", name="total")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds the losses of a batch."""
        losses = cross_entropy(y_true, y_pred)  # (B, R)
        self.total.assign_add(ops.sum(losses, axis=0))
        self.count.assign_add(ops.cast(ops.shape(losses)[0], "float32"))

    def result(self):
        """Returns the lowest mean; a copy that diverged, to NaN, has none."""
        total = ops.convert_to_tensor(self.total)
        total = ops.where(ops.isnan(total), np.inf, total)
        return ops.min(total) / ops.maximum(self.count, 1.0)

    def means(self) -> np.ndarray:
        """Returns the mean of each copy, `(R,)`."""
        total, count = ops.convert_to_numpy(self.total), ops.convert_to_numpy(self.count)
        return total / max(float(count), 1.0)


def cross_entropy(answers, logits):
    """Returns the cross-entropy (nats) of answers `(B,)` under logits `(B, R, V)`, `(B, R)`."""
    # Not gathered: the gradient of a gather is a scatter, slow where it cannot be fused.
    chosen = ops.one_hot(ops.cast(answers, "int32"), logits.shape[-1])[:, None]
    return ops.logsumexp(logits, axis=-1) - ops.sum(logits * chosen, axis=-1)


class ClippedSGD(keras.optimizers.SGD):
    """Gradient descent that clips each weight's gradient, of each copy by itself.

    Args:
        max_norm: The L2 norm that a copy's gradient of one weight may have.
        learning_rate: As in Keras.
    """

    def __init__(self, learning_rate, *, max_norm: float):
        super().__init__(learning_rate)
        self.max_norm = max_norm

    def apply(self, grads, trainable_variables=None):
        """Updates the weights by the clipped gradients."""
        super().apply([clipped(gradient, self.max_norm) for gradient in grads], trainable_variables)


def clipped(gradient, max_norm: float):
    """Returns `gradient` `(R, ...)`, each copy's scaled to an L2 norm of at most `max_norm`."""
    axes = tuple(range(1, len(gradient.shape)))
    square = ops.sum(gradient * gradient, axis=axes, keepdims=True)
    # The floor is far below any clip, and keeps the root and its quotient finite.
    return gradient * ops.minimum(1.0, max_norm / ops.sqrt(ops.maximum(square, 1e-12)))


class HalvingSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of the linear epochs, and then from the same value, halved again and again.

    Args:
        config: Says how much, and after how many epochs.
        steps_per_epoch: Updates an epoch.
    """

    def __init__(self, config: MemoryNetworkTrainConfig, *, steps_per_epoch: int):
        self._config = config
        self._steps_per_epoch = steps_per_epoch

    def __call__(self, step):
        """Returns the learning rate of the update after `step` others."""
        config = self._config
        epoch = ops.floor_divide(ops.cast(step, "float32"), float(self._steps_per_epoch))
        since = ops.maximum(epoch - config.linear_epochs, 0.0)
        return config.learning_rate * 0.5 ** ops.floor_divide(since, float(config.halve_every))


class StoryBatches(keras.utils.PyDataset):
    """Batches of one epoch after another, in an order that a resumed training repeats.

    A batch is what a `MemoryNetwork` is called with, `places` and `times` among it: it embeds each
    distinct sentence of the batch once, about 230 where 1,600 places are. Every epoch has the same
    questions in a new order but for the few that fill no batch.

    Args:
        examples: What to feed.
        config: Of the training: the size of the batches, the noise and the seed.
        epoch: The first epoch to feed.
    """

    def __init__(
        self, examples: EncodedStories, *, config: MemoryNetworkTrainConfig, epoch: int = 0
    ):
        super().__init__()
        self._examples = examples
        self._config = config
        self._size = min(config.batch_size, len(examples))
        self._epoch = epoch
        self._begin_epoch()

    def __len__(self) -> int:
        return len(self._examples) // self._size

    def __getitem__(self, index: int):
        rows = self._order[index * self._size : (index + 1) * self._size]
        places = self._examples.places[rows]
        used, places = np.unique(np.append(places, 0), return_inverse=True)  # 0: the empty sentence
        places = places[:-1].reshape(self._size, -1).astype(np.int32)
        used = np.pad(used, (0, -len(used) % _SENTENCES_STEP))
        inputs = {
            "story": self._examples.sentences[used],
            "places": places,
            "times": noisy_times(
                places > 0,
                share=self._config.noise,
                # From 1: NumPy takes a 0 at the end for nothing, and that is the order's stream.
                generator=np.random.default_rng((self._config.seed, self._epoch, index + 1)),
                in_short_stories=self._config.noise_in_short_stories,
            ),
            "question": self._examples.question[rows],
        }
        return inputs, self._examples.answer[rows]

    def on_epoch_end(self) -> None:
        """Draws the next epoch's order."""
        self._epoch += 1
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        generator = np.random.default_rng((self._config.seed, self._epoch))
        self._order = generator.permutation(len(self._examples))


def fit(
    task: Task,
    examples: EncodedStories,
    validation: EncodedStories,
    *,
    config: MemoryNetworkTrainConfig,
    run: RunFolder,
    sample: Callable[[np.ndarray], str],
) -> Restarts:
    """Trains copies of a task's model from the run's last checkpoint, or from their start.

    Args:
        task: Whose model is trained; it gets the weights of the copy that is scored.
        examples: To train on.
        validation: To score, after each epoch, the copy with the lowest training loss.
        config: How long, in which batches, at which learning rate.
        run: Where the report, the checkpoints and TensorBoard's logs go.
        sample: Returns a few lines for people to read, from the answers to `validation`.

    Returns:
        The trained copies; their losses stand in the report's last epoch.
    """
    epochs = run.report["epochs"]
    steps_per_epoch = len(StoryBatches(examples, config=config))

    def prepared(numbers: Sequence[int]) -> tuple[Restarts, LossByRestart]:
        copies, losses = Restarts(task.model, numbers), LossByRestart(len(numbers))
        copies.build()
        schedule = HalvingSchedule(config, steps_per_epoch=steps_per_epoch)
        copies.compile(
            optimizer=ClippedSGD(schedule, max_norm=config.clip_norm),
            loss=SummedCrossEntropy(),
            metrics=[losses],
            # XLA on a CPU is far slower here, its compiling counted (tensorflow 2.21); JAX has no
            # other way.
            jit_compile=keras.backend.backend() == "jax",
        )
        copies.optimizer.build(copies.trainable_variables)
        return copies, losses

    copies, _ = prepared(running(config, epochs, epoch=run.epochs_done))
    run.restore(copies)
    for end in _ends_of_parts(config):
        spent = config.steps is not None and run.steps_done >= config.steps
        if run.epochs_done >= end or spent:
            continue
        # Each part is traced anew, with the model and the copies as they then are.
        task.model.linear = run.epochs_done < config.linear_epochs
        before = copies
        copies, losses = prepared(running(config, epochs, epoch=run.epochs_done + 1))
        _go_on(copies, before)
        callbacks = [
            StopAfter(config.steps, run.steps_done),
            _AfterEpoch(config.restarts, copies, task, losses, validation, run, sample),
        ]
        # Keras writes TensorBoard's files through TensorFlow; with JAX alone there are none.
        if importlib.util.find_spec("tensorflow") and importlib.util.find_spec("tensorboard"):
            callbacks.append(keras.callbacks.TensorBoard(run.logs, write_graph=False))
        # Whenever a `fit` begins, Keras (3.15) takes a batch that it does not train on, and with it
        # an epoch's order. That of the linear part counts in what follows it, so that the commands
        # of published models repeat what trained them.
        skipped = 0 < config.linear_epochs <= run.epochs_done
        copies.fit(
            StoryBatches(examples, config=config, epoch=run.epochs_done + skipped),
            epochs=end,
            initial_epoch=run.epochs_done,
            shuffle=False,  # batches are in an order that a resumed training repeats
            callbacks=callbacks,
            verbose=1 if sys.stdout.isatty() else 2,  # a log has no use for a moving bar
        )
    task.model.linear = False
    return copies


def _ends_of_parts(config: MemoryNetworkTrainConfig) -> list[int]:
    """Returns the epochs after which something else is trained, and the last."""
    ends = {config.linear_epochs, config.epochs}
    if config.finalists is not None:
        ends.add(config.trial_epochs)
    return sorted(end for end in ends if end <= config.epochs)


def running(
    config: MemoryNetworkTrainConfig, epochs: Sequence[Mapping], *, epoch: int
) -> list[int]:
    """Returns which restarts an epoch trains: all, or after the trial the finalists.

    Args:
        config: How many, and after which epoch.
        epochs: Those of the report before it.
        epoch: Counted from 1.
    """
    numbers = range(config.restarts)
    if config.finalists is None or epoch <= config.trial_epochs:
        return list(numbers)
    return sorted(by_loss(numbers, epochs[config.trial_epochs - 1]["losses"])[: config.finalists])


def by_loss(numbers: Sequence[int], losses: Sequence[float | None]) -> list[int]:
    """Returns the numbers of restarts, that with the lowest loss first.

    Args:
        numbers: Which to sort.
        losses: Of all restarts; None is that of one that diverged, or had stopped.
    """
    return sorted(numbers, key=lambda number: (losses[number] is None, losses[number] or 0.0))


def _go_on(copies: Restarts, before: Restarts) -> None:
    """Gives `copies` the weights that those of their numbers had, and the count of updates."""
    rows = [before.numbers.index(number) for number in copies.numbers]
    for weight, old in zip(copies.stacked, before.stacked, strict=True):
        weight.assign(ops.convert_to_numpy(old)[rows])
    copies.optimizer.iterations.assign(before.optimizer.iterations)


class _AfterEpoch(keras.callbacks.Callback):
    """Scores, reports, shows and saves what an epoch came to."""

    def __init__(self, restarts, copies, task, losses, validation, run, sample):
        super().__init__()
        self._restarts = restarts
        self._copies = copies
        self._linear = task.model.linear
        self._engine = KerasEngine(task.model, task.signatures())
        self._losses = losses
        self._validation = validation
        self._run = run
        self._sample = sample

    def on_epoch_begin(self, epoch, logs=None):
        self._started = time.monotonic()
        self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1

    def on_epoch_end(self, epoch, logs=None):
        trained = time.monotonic()
        numbers = self._copies.numbers
        losses = [None] * self._restarts
        for number, mean in zip(numbers, self._losses.means(), strict=True):
            losses[number] = round(float(mean), 5) if np.isfinite(mean) else None
        best = by_loss(numbers, losses)[0]
        self._copies.take(best)
        found = answers(self._engine, self._validation)
        metrics = scores(found, self._validation)
        logs["exact_match"] = metrics["exact_match"]  # for the progress bar and TensorBoard
        self._run.end_epoch(
            {
                "epoch": epoch + 1,
                "steps": self._steps,
                "loss": losses[best],
                "losses": losses,
                "linear": self._linear,
                **metrics,
                "train_seconds": round(trained - self._started, 1),
                "evaluation_seconds": round(time.monotonic() - trained, 1),
            },
            save_checkpoint=self._copies.save_weights,
        )
        print(f"\n{self._sample(found)}", flush=True)
