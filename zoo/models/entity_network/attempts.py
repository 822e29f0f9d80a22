"""Training networks from several starts, one start after another.

Whether a start ends well is a matter of luck, so the paper trains ten times and keeps the best.
Most tasks are solved by the first start, so that starts one after another, until one reaches the
goal, cost less than all of them at once.
"""

import dataclasses
import functools
import itertools
import math
import multiprocessing
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from zoo.data.readings import ReadingBatches, Readings, readings
from zoo.data.stories import EncodedStories
from zoo.errors import ZooError
from zoo.models.entity_network.config import EntityNetworkConfig, EntityNetworkTrainConfig
from zoo.models.entity_network.model import EntityNetwork
from zoo.text.tokenizer import PAD_ID
from zoo.training.losses import TokenCrossEntropy
from zoo.training.run_folder import RunFolder


def fit(
    model: EntityNetwork,
    train: EncodedStories,
    validation: EncodedStories,
    *,
    config: EntityNetworkTrainConfig,
    run: RunFolder,
    once: Collection[int] = (),
) -> None:
    """Trains every network of `model`, from the run's last checkpoint or from its start.

    First every network once, then those that are not good enough again, the worst of them first,
    and so on; of its attempts a network keeps the one with the lowest validation error. An attempt
    is an epoch of the report, with a checkpoint after it.

    Args:
        model: Gets the weights.
        train: To learn.
        validation: To score, and to choose by.
        config: How.
        run: Where the report and the checkpoints go.
        once: Networks that have no second attempt, whatever their errors.
    """
    parts = [
        # Questions of one story in one batch are too much alike: its network learns the training
        # questions and fails on others. Where nothing is learned, reading once is the cheaper way.
        (readings(train, in_train, apart=True), readings(validation, in_validation))
        for in_train, in_validation in zip(
            parts_of(train, model.config.networks),
            parts_of(validation, model.config.networks),
            strict=True,
        )
    ]
    run.restore(model)
    report = run.report["epochs"]

    def keep(network: int, number: int, attempt: Attempt) -> None:
        """Takes the weights of an attempt that is the best, and writes what it came to."""
        if attempt.weights and attempt.facts["error"] < _best(report, network, config.attempts):
            for name, part in model.parts.items():
                values = ops.convert_to_numpy(part).copy()
                values[network] = attempt.weights[name]
                part.assign(values)
        facts = {"network": network, "attempt": number, **attempt.facts}
        run.end_epoch({"epoch": run.epochs_done + 1, **facts}, save_checkpoint=model.save_weights)
        print({**facts, "errors": facts["errors"][-3:]}, flush=True)

    with _pool(model.config, config) as pool:
        for number in range(1, config.attempts + 1):
            # By the rounds before this one: an order that is the same in a round that was stopped.
            before = [_best(report, network, number - 1) for network in range(len(parts))]
            made = {done["network"] for done in report if done["attempt"] == number}
            jobs = (
                _Job(
                    network,
                    *parts[network],
                    seed=(config.seed, network, number - 1),
                    learning_rate=_of_attempt(number, config.learning_rates),
                    word_dropout=_of_attempt(
                        number, config.word_dropouts or (model.config.word_dropout,)
                    ),
                    steps=None if config.steps is None else config.steps - run.steps_done,
                )
                for network in sorted(range(len(parts)), key=lambda x: -before[x])
                if before[network] > (config.goal if config.enough is None else config.enough)
                and network not in made
                and (number == 1 or network not in once)
                and (config.steps is None or run.steps_done < config.steps)
            )
            for network, attempt in _finished(jobs, pool, config.processes):
                keep(network, number, attempt)


def _of_attempt(number: int, choices: Sequence[float]) -> float:
    """Returns what an attempt, counted from 1, has of what attempts take by turns."""
    return choices[(number - 1) % len(choices)]


def _best(epochs: Sequence[Mapping], network: int, attempts: int) -> float:
    """Returns the lowest error of a network's first attempts; infinity where it has none."""
    found = (x["error"] for x in epochs if x["network"] == network and x["attempt"] <= attempts)
    return min(found, default=math.inf)


def parts_of(examples: EncodedStories, networks: int) -> list[np.ndarray]:
    """Returns the rows of `examples` that each network is for, in ascending order.

    One network is for all of them, and as many as there are tasks are for one task each. Where
    there is one task, as in the sample, networks take its questions by turns.

    Raises:
        ZooError: If there is another number of tasks, or a network is left without a question.
    """
    rows, tasks = np.arange(len(examples)), np.unique(examples.task)
    if networks == 1:
        parts = [rows]
    elif networks == len(tasks):
        parts = [rows[examples.task == task] for task in tasks]
    elif len(tasks) == 1:
        parts = [rows[first::networks] for first in range(networks)]
    else:
        raise ZooError(
            f"Expected 1 network, or one for each of the {len(tasks)} tasks. Received: "
            f"model.networks={networks}."
        )
    if not all(map(len, parts)):
        raise ZooError(f"Expected questions for {networks} networks. There are {len(examples)}.")
    return parts


@dataclass(frozen=True)
class Attempt:
    """What a training from one start came to.

    Attributes:
        weights: By name, those after the epoch with the lowest validation error; none if the first
            epoch diverged.
        facts: For the report: `steps`, `learning_rate`, `word_dropout` and, of that epoch, `loss`
            on what it was trained on (nats a question) and `error` on validation questions; and
            `errors` of every epoch.
    """

    weights: dict[str, np.ndarray]
    facts: dict


@dataclass(frozen=True)
class _Job:
    """An attempt to make of a network, by `Attempts.run`."""

    network: int
    train: Readings
    validation: Readings
    seed: tuple[int, ...]
    learning_rate: float
    word_dropout: float
    steps: int | None


class _Here(Executor):
    """A pool of this process alone: what is submitted is done at once."""

    def submit(self, function, /, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def _pool(model: EntityNetworkConfig, config: EntityNetworkTrainConfig) -> Executor:
    """Returns what runs `_run` of a job, in as many processes as the configuration says."""
    if config.processes == 1:
        _start(model, config)
        return _Here()
    return ProcessPoolExecutor(
        config.processes,
        mp_context=multiprocessing.get_context("spawn"),  # a fork would share a framework's threads
        initializer=_start,
        initargs=(model, config),
    )


def _start(model: EntityNetworkConfig, config: EntityNetworkTrainConfig) -> None:
    """Prepares a process for `_run`."""
    global _attempts

    @functools.cache  # so that attempts that leave out as many words are compiled once
    def _attempts(word_dropout: float) -> Attempts:
        return Attempts(dataclasses.replace(model, word_dropout=word_dropout), config)


def _run(job: _Job) -> Attempt:
    return _attempts(job.word_dropout).run(
        job.train,
        job.validation,
        seed=job.seed,
        learning_rate=job.learning_rate,
        steps=job.steps,
    )


def _finished(jobs: Iterable[_Job], pool: Executor, room: int) -> Iterator[tuple[int, Attempt]]:
    """Yields networks and their attempts as they end, `room` at a time.

    A job is taken from `jobs` when it can begin, and not before what has ended is yielded.
    """
    jobs, running = iter(jobs), {}
    while True:
        for job in itertools.islice(jobs, room - len(running)):
            running[pool.submit(_run, job)] = job.network
        if not running:
            return
        for done in wait(running, return_when=FIRST_COMPLETED).done:
            yield running.pop(done), done.result()


# Stands after a seed, where numbers of epochs stand for the order of stories; no epoch is this one.
_OF_WEIGHTS = 2**32 - 1


class Attempts:
    """Trains one network again and again; what is compiled serves for all.

    Args:
        model: The configuration of a model, of which each network is trained by itself.
        config: How.
    """

    def __init__(self, model: EntityNetworkConfig, config: EntityNetworkTrainConfig):
        self._config = config
        self._network = EntityNetwork(dataclasses.replace(model, networks=1))
        self._network.build()
        self._network.compile(
            optimizer=keras.optimizers.Adam(global_clipnorm=config.clip_norm),
            loss=TokenCrossEntropy(pad_id=PAD_ID),
            metrics=[QuestionError()],
            # TensorFlow (2.21) takes minutes to compile the loop's gradient, for each shape.
            jit_compile=keras.backend.backend() == "jax",
        )
        self._network.optimizer.build(self._network.trainable_variables)

    def run(
        self,
        train: Readings,
        validation: Readings,
        *,
        seed: tuple[int, ...],
        learning_rate: float,
        steps: int | None = None,
    ) -> Attempt:
        """Returns a training from its start to the goal, or to the last epoch.

        Args:
            train: To learn.
            validation: To score after each epoch.
            seed: Of the start and of the order of the stories; lower than 2**32 each.
            learning_rate: Of the first epochs.
            steps: Stop after so many updates.
        """
        config, network = self._config, self._network
        self._begin(seed)
        batches = ReadingBatches(train, batch_size=config.batch_size, seed=seed)
        watch = _Watch(config, learning_rate, steps)
        network.fit(
            batches,
            epochs=config.epochs,
            validation_data=ReadingBatches(validation, batch_size=config.batch_size, seed=None),
            shuffle=False,  # `batches` shuffles
            callbacks=[watch],
            verbose=0,
        )
        return Attempt(watch.weights, watch.facts())

    def _begin(self, seed: tuple[int, ...]) -> None:
        """Draws new weights, and makes the optimizer forget."""
        # Not of `seed` alone: NumPy takes the 0 after it, of the first epoch's order, for nothing.
        generator = np.random.default_rng((*seed, _OF_WEIGHTS))
        keras.utils.set_random_seed(int(generator.integers(2**32)))
        drawn = EntityNetwork(self._network.config)
        drawn.build()
        for variable, first in zip(self._network.variables, drawn.variables, strict=True):
            variable.assign(first)  # what words to leave out is drawn from a seed among them
        for variable in self._network.optimizer.variables:  # the learning rate is set each epoch
            variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))


class QuestionError(keras.metrics.Metric):
    """The share of questions, 0 to 1, whose most probable word is not the answer.

    Called with answers `(B, K)`, the padding id where nothing was asked, and logits `(B, K, V)`.
    """

    def __init__(self):
        super().__init__(name="error")
        self.wrong = self.add_weight(shape=(), initializer="zeros", name="wrong")
        self.count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch."""
        answers = ops.cast(y_true, "int32")
        asked = ops.cast(ops.not_equal(answers, PAD_ID), "float32")
        wrong = ops.cast(ops.not_equal(ops.argmax(y_pred, axis=-1), answers), "float32")
        self.wrong.assign_add(ops.sum(wrong * asked))
        self.count.assign_add(ops.sum(asked))

    def result(self):
        """Returns the share."""
        return self.wrong / ops.maximum(self.count, 1.0)


class _Watch(keras.callbacks.Callback):
    """Sets the learning rate, keeps the best weights, and ends the attempt."""

    def __init__(self, config: EntityNetworkTrainConfig, learning_rate: float, steps: int | None):
        super().__init__()
        self._config = config
        self._rate = learning_rate
        self._limit = steps
        self._steps = 0
        self._history: list[dict] = []
        self._best = None
        self.weights: dict[str, np.ndarray] = {}

    def on_epoch_begin(self, epoch, logs=None):
        halvings = epoch // self._config.halve_every
        self.model.optimizer.learning_rate = self._rate * 0.5**halvings
        self._started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        if self._steps == self._limit:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        found = {
            "loss": float(logs["loss"]),
            "error": float(logs["val_error"]),
            "validation_loss": float(logs["val_loss"]),
            "seconds": time.monotonic() - self._started,
        }
        self._history.append(found)
        if not math.isfinite(found["loss"] + found["validation_loss"]):
            self.model.stop_training = True  # it diverged
        elif self._best is None or _rank(found) < _rank(self._best):
            self._best = found
            self.weights = {
                name: ops.convert_to_numpy(weight)[0] for name, weight in self.model.parts.items()
            }
        if found["error"] <= self._config.goal or self._is_stale():
            self.model.stop_training = True

    def _is_stale(self) -> bool:
        if self._config.patience is None:
            return False
        lowest, fell_at = math.inf, 0
        for epoch, found in enumerate(self._history):
            if found["error"] <= 0.9 * lowest:
                lowest, fell_at = found["error"], epoch
        return len(self._history) - 1 - fell_at >= self._config.patience

    def facts(self) -> dict:
        best = self._best or {"loss": None, "error": 1.0}
        return {
            "steps": self._steps,
            "learning_rate": self._rate,
            "word_dropout": self.model.config.word_dropout,
            "loss": best["loss"],
            "error": best["error"],
            "errors": [round(found["error"], 4) for found in self._history],
            "train_seconds": round(sum(found["seconds"] for found in self._history), 1),
        }


def _rank(found: dict) -> tuple[float, float]:
    return found["error"], found["validation_loss"]
