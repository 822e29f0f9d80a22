"""The entity network against a slow loop of the paper, and how it is trained."""

import dataclasses
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import on_jax, weights_in
from keras import ops

from zoo.config import ConfigError, from_dict, override
from zoo.data.readings import readings
from zoo.data.stories import EncodedStories
from zoo.errors import ZooError
from zoo.models.entity_network import attempts, choice
from zoo.models.entity_network.config import (
    PRESET_TYPE,
    PRESETS,
    EntityNetworkConfig,
    EntityNetworkTrainConfig,
)
from zoo.models.entity_network.model import EntityNetwork
from zoo.models.entity_network.task import Task
from zoo.models.entity_network.train import train
from zoo.text.tokenizer import END_ID
from zoo.training.run_folder import RunFolder

SIZES = {
    "vocab_size": 23,
    "max_sentences": 7,
    "max_sentence_length": 5,
    "max_question_length": 4,
    "slots": 3,
    "width": 6,
}
VARIANTS = [
    {},
    {"encoding": "bag"},
    {"activation": "linear"},
    {"normalize": False},
    {"biases": True},
    {"encoding": "bag", "activation": "linear", "normalize": False},
]
TEST = next(preset for preset in PRESETS if preset.name == "entity_network_test")


def _model(seed=0, **changes):
    """Returns a model whose weights are all drawn, and large, so that every term counts."""
    keras.utils.set_random_seed(seed)
    model = EntityNetwork(EntityNetworkConfig(**SIZES | changes))
    model.build()
    generator = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(np.asarray(weight) * 0.7 + generator.normal(scale=0.4, size=weight.shape))
    return model


def _inputs(seed=0):
    """Stories of 3, 5 and 0 sentences; sentences and questions of several lengths."""
    generator = np.random.default_rng(seed)
    story = generator.integers(4, 23, (3, 7, 5)).astype("int32")
    question = generator.integers(4, 23, (3, 4)).astype("int32")
    story[0, 3:] = 0
    story[0, 1, 2:] = 0
    story[1, 5:] = 0
    story[1, 4, 1:] = 0
    story[1, 2, 1] = 1  # a word it does not know
    story[2] = 0
    question[1, 2:] = 0
    return {"story": story, "question": question}


def _array(x):
    return keras.ops.convert_to_numpy(x)


def _weights(model, network=0):
    return {name: _array(part)[network].astype("float64") for name, part in model.parts.items()}


def _reference(config, weights, story, question):
    """Logits, gates `(S, M)` and reads `(S,)` of one story by the paper's equations, in loops."""

    def encoded(words, masks):  # (1)
        vector = np.zeros(config.width)
        for place, word in enumerate(words):
            if word > 3:
                mask = np.ones(config.width) if masks is None else masks[place]
                vector = vector + mask * weights["words"][word]
        return vector

    def phi(x, slope):
        if slope is None:
            return x
        return np.array([v if v > 0 else a * v for v, a in zip(x, slope, strict=True)])

    keys = weights["keys"]
    gate_bias = weights.get("gate_bias", np.zeros(config.slots))
    candidate_bias = weights.get("candidate_bias", np.zeros(config.width))
    slots = [key.copy() for key in keys]
    gates = np.zeros((config.slots, len(story)))
    for time, words in enumerate(story):
        if not words.any():
            continue
        s = encoded(words, weights.get("sentence_mask"))
        for j in range(config.slots):
            gate = 1 / (1 + np.exp(-(s @ slots[j] + s @ keys[j] + gate_bias[j])))  # (2)
            candidate = phi(  # (3); the kernels are transposed
                slots[j] @ weights["from_slot"]
                + keys[j] @ weights["from_key"]
                + s @ weights["from_sentence"]
                + candidate_bias,
                weights.get("memory_slope"),
            )
            slots[j] = slots[j] + gate * candidate  # (4)
            if config.normalize:
                slots[j] = slots[j] / np.sqrt(slots[j] @ slots[j])  # (5)
            gates[j, time] = gate
    q = encoded(question, weights.get("question_mask"))
    scores = np.array([q @ slot for slot in slots])
    reads = np.exp(scores) / np.exp(scores).sum()
    u = sum(p * slot for p, slot in zip(reads, slots, strict=True))
    hidden = phi(q + u @ weights["from_memory"], weights.get("answer_slope"))
    return weights["answers"] @ hidden, gates, reads  # (6)


@pytest.mark.parametrize("changes", VARIANTS)
def test_the_answer_is_the_papers(changes):
    model, inputs = _model(**changes), _inputs()
    found = {name: _array(value) for name, value in model.answer(inputs).items()}
    for row in range(3):
        logits, gates, reads = _reference(
            model.config, _weights(model), inputs["story"][row], inputs["question"][row]
        )
        np.testing.assert_allclose(found["logits"][row, 4:], logits[4:], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["gates"][row], gates, atol=1e-5)
        np.testing.assert_allclose(found["reads"][row], reads, atol=1e-5)
    assert (found["logits"][:, :4] == -1e9).all()


@pytest.mark.parametrize("changes", VARIANTS)
def test_every_weight_has_the_gradient_of_the_papers_loss(changes):
    """Along a random direction in each weight, against differences of the slow loop in float64."""
    model, inputs = _model(**changes), _inputs()
    config, answers, step = model.config, np.array([9, 5, 17]), 1e-6
    with tf.GradientTape() as tape:
        log_probs = tf.nn.log_softmax(model(inputs, training=True))
        loss = -tf.reduce_sum(tf.gather(log_probs, answers, axis=1, batch_dims=1))
    names = list(model.parts)
    gradients = tape.gradient(loss, [model.parts[name].value for name in names])

    def loss_at(weights):
        total = 0.0
        for row in range(3):
            logits, _, _ = _reference(
                config, weights, inputs["story"][row], inputs["question"][row]
            )
            total += np.log(np.exp(logits[4:]).sum()) - logits[answers[row]]
        return total

    for name, gradient in zip(names, gradients, strict=True):
        weights = _weights(model)
        direction = np.random.default_rng(1).normal(size=weights[name].shape)
        ahead, behind = (
            loss_at({**weights, name: weights[name] + sign * step * direction}) for sign in (1, -1)
        )
        expected = (ahead - behind) / (2 * step)
        assert abs(expected) > 1e-3, name
        actual = (tf.convert_to_tensor(gradient).numpy()[0] * direction).sum()
        assert actual == pytest.approx(expected, rel=2e-3, abs=2e-3), name


@pytest.mark.parametrize("training", [False, True])
def test_a_story_read_once_is_its_beginnings_read_apart(training):
    model, inputs = _model(), _inputs()
    told = np.array([[3, 0, 1], [2, 5, 4], [0, 0, 0]], "int32")
    questions = np.random.default_rng(2).integers(4, 23, (3, 3, 4)).astype("int32")
    together = _array(
        model({"story": inputs["story"], "question": questions, "told": told}, training=training)
    )
    begun = np.repeat(inputs["story"], 3, axis=0)  # (9, M, L)
    begun[np.arange(7) >= told.reshape(9, 1)] = 0
    alone = _array(model({"story": begun, "question": questions.reshape(9, 4)}))
    np.testing.assert_allclose(together.reshape(9, -1), alone, rtol=1e-4, atol=1e-4)


def test_a_slot_has_length_1_after_every_sentence():
    model, inputs = _model(), _inputs()
    parts = model._parts(inputs)
    states, last = model._read(inputs["story"], parts, training=False, keep="states")
    lengths = np.linalg.norm(_array(states), axis=-1)  # (B, M, S)
    np.testing.assert_allclose(lengths[0], 1, atol=1e-5)
    np.testing.assert_allclose(lengths[1], 1, atol=1e-5)
    np.testing.assert_allclose(_array(last)[0], _array(states)[0, 2], atol=0)
    np.testing.assert_allclose(_array(last)[2], _weights(model)["keys"], atol=1e-7)


def test_at_its_start_phi_is_the_identity():
    prelu, linear = (
        EntityNetwork(EntityNetworkConfig(**SIZES, activation=activation))
        for activation in ("prelu", "linear")
    )
    prelu.build()
    linear.build()
    for name, part in linear.parts.items():
        part.assign(prelu.parts[name])
    np.testing.assert_array_equal(_array(prelu(_inputs())), _array(linear(_inputs())))


def test_the_order_of_sentences_counts():
    model, inputs = _model(), _inputs()
    turned = {**inputs, "story": inputs["story"][:, [1, 0, 2, 3, 4, 5, 6]]}
    difference = np.abs(_array(model(turned)) - _array(model(inputs)))[:, 4:]
    assert (difference.max(axis=1)[:2] > 1e-2).all() and not difference[2].any()


def test_a_story_beyond_the_memory_is_refused():
    inputs = _inputs()
    inputs["story"] = np.repeat(inputs["story"], 2, axis=1)
    with pytest.raises(ValueError, match="max_sentences=7 sentences. Received: 14"):
        _model()(inputs)


def test_of_several_networks_the_chosen_one_answers():
    model, inputs = _model(networks=4), _inputs()
    model.choice["choice_bias"].assign(np.zeros(4))
    story, question = (
        np.array([[word in words for word in range(23)] for words in inputs[name]], float)
        for name in ("story", "question")
    )
    story[:, :4] = question[:, :4] = 0
    by = {name: _array(weight) for name, weight in model.choice.items()}
    scores = story @ by["choice_by_story"] + question @ by["choice_by_question"] + by["choice_bias"]
    np.testing.assert_allclose(_array(model.choose(inputs)), scores, atol=1e-4)
    networks = scores.argmax(axis=1)
    assert len(set(networks)) > 1
    found = {name: _array(value) for name, value in model.answer(inputs).items()}
    for row, network in enumerate(networks):
        logits, gates, reads = _reference(
            model.config,
            _weights(model, network),
            inputs["story"][row],
            inputs["question"][row],
        )
        np.testing.assert_allclose(found["logits"][row, 4:], logits[4:], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(found["gates"][row], gates, atol=1e-5)
        np.testing.assert_allclose(found["reads"][row], reads, atol=1e-5)


def test_jax_gives_the_same_answers(tmp_path):
    model, inputs = _model(networks=2), _inputs()
    found = on_jax(model, inputs, tmp_path, method="answer")
    for name, value in model.answer(inputs).items():
        np.testing.assert_allclose(found[name], _array(value), rtol=1e-4, atol=1e-4)


def _world(stories=60, *, seed=0, first_word=4, task=1):
    """Who is where: sentences of a person and a place, and questions for the place of a person.

    Three words of persons and three of places; a story has six sentences and three questions.
    """
    generator = np.random.default_rng(seed)
    persons = first_word + np.arange(3)
    places = first_word + 3 + np.arange(3)
    sentences = [(0, 0)] + [(person, place) for person in persons for place in places]
    row_of = {sentence: row for row, sentence in enumerate(sentences)}
    rows, asked, answers = [], [], []
    for _ in range(stories):
        where, told = {}, []
        for time in range(6):
            person, place = generator.choice(persons), generator.choice(places)
            where[person] = place
            told.append(row_of[person, place])
            if time % 2:
                person = generator.choice(list(where))
                rows.append(told + [0] * (7 - len(told)))
                asked.append((person, 0))
                answers.append(where[person])
    return EncodedStories(
        sentences=np.array(sentences, np.int32),
        places=np.array(rows, np.int32),
        question=np.array(asked, np.int32),
        answer=np.array(answers, np.int32),
        task=np.full(len(rows), task, np.int32),
    )


def _joined(*worlds):
    offsets = np.cumsum([0] + [len(world.sentences) for world in worlds[:-1]])
    return EncodedStories(
        sentences=np.concatenate([world.sentences for world in worlds]),
        places=np.concatenate(
            [
                np.where(world.places > 0, world.places + offset, 0)
                for world, offset in zip(worlds, offsets, strict=True)
            ]
        ),
        **{
            name: np.concatenate([getattr(world, name) for world in worlds])
            for name in ("question", "answer", "task")
        },
    )


WORLD = EntityNetworkConfig(**SIZES | {"width": 32, "slots": 6, "word_dropout": 0.02})


@pytest.fixture(scope="module")
def world_attempts():
    """A whole attempt at a small world; the first updates of another, by that trainer and a new."""
    config = EntityNetworkTrainConfig(batch_size=24, epochs=20, halve_every=20, goal=0.0)
    stories = readings(_world(400), apart=True), readings(_world(40, seed=1))
    trainer = attempts.Attempts(WORLD, config)
    another = attempts.Attempts(WORLD, dataclasses.replace(config, epochs=30))
    whole = trainer.run(*stories, seed=(0, 0), learning_rate=0.02)
    short = [
        maker.run(*stories, seed=(0, 1), learning_rate=0.02, steps=50)
        for maker in (trainer, another)
    ]
    return whole, *short


def test_a_small_world_is_learned(world_attempts):
    whole = world_attempts[0]
    assert whole.facts["error"] == 0 and whole.facts["errors"][0] > 0.2
    assert len(whole.facts["errors"]) < 20  # it ended at its goal
    model = EntityNetwork(WORLD)
    model.build()
    for name, part in model.parts.items():
        part.assign(whole.weights[name][None])
    unseen = _world(100, seed=2)
    answers = Task(model).predict(unseen.story(), unseen.question)["answer"]
    assert (_array(answers) == unseen.answer).mean() > 0.97


def test_an_attempt_depends_on_its_seed_alone(world_attempts):
    whole, after_another, alone = world_attempts
    assert alone.facts["steps"] == after_another.facts["steps"] == 50
    assert alone.facts["loss"] == pytest.approx(after_another.facts["loss"], rel=1e-3)
    for name, weight in alone.weights.items():
        np.testing.assert_allclose(after_another.weights[name], weight, atol=1e-3)
        assert np.abs(whole.weights[name] - weight).max() > 1e-2


@pytest.mark.parametrize(("patience", "epochs"), [(None, 6), (2, 3)])
def test_an_attempt_ends_when_nothing_improves(patience, epochs):
    config = EntityNetworkTrainConfig(batch_size=6, epochs=6, patience=patience)
    stories = readings(_world(8), apart=True), readings(_world(8))
    attempt = attempts.Attempts(WORLD, config).run(*stories, seed=(0,), learning_rate=1e-30)
    assert len(attempt.facts["errors"]) == epochs


@pytest.mark.parametrize(
    ("errors", "ends_after"),
    [
        ([0.5, 0.44, 0.38, 0.33, 0.28, 0.24], None),  # by a tenth each epoch
        ([0.5, 0.49, 0.48, 0.47, 0.46, 0.44], 4),  # not by a tenth in three epochs
        ([0.5, 0.48, 0.46, 0.44, 0.42, 0.4], None),  # by a tenth in three epochs
        ([0.5, 0.3, 0.4, 0.4, 0.4, 0.2], 5),
    ],
)
def test_patience_waits_for_the_error_to_fall_by_a_tenth(errors, ends_after):
    config = EntityNetworkTrainConfig(patience=3, goal=0.0)
    watch = attempts._Watch(config, learning_rate=0.1, steps=None)
    watch.set_model(SimpleNamespace(parts={}, optimizer=SimpleNamespace(), stop_training=False))
    for epoch, error in enumerate(errors, 1):
        watch.on_epoch_begin(epoch - 1)
        loss = 1 / epoch  # that it falls is no reason to go on
        watch.on_epoch_end(epoch - 1, {"loss": loss, "val_loss": loss, "val_error": error})
        if watch.model.stop_training:
            break
    assert epoch == (ends_after or len(errors))


def test_training_leaves_words_out():
    config = EntityNetworkConfig(**SIZES | {"encoding": "bag", "word_dropout": 0.2})
    model = EntityNetwork(config)
    model.build()
    parts = {name: ops.ones_like(part) for name, part in model.parts.items()}
    sentences = np.full((40, 30, 5), END_ID + 1, "int32")

    def words_of(training):  # of each sentence, by a table of ones
        return _array(model._embed(sentences, parts, None, training))[..., 0]

    np.testing.assert_allclose(words_of(training=False), 5)
    kept, again = words_of(training=True), words_of(training=True)
    assert kept.mean() == pytest.approx(5, rel=0.03)  # what is kept counts for what is not
    np.testing.assert_allclose(kept * 0.8, np.round(kept * 0.8), atol=1e-5)
    assert (kept != again).mean() > 0.3


def test_attempts_that_diverge_end_and_leave_the_weights_as_they_were(tmp_path):
    config = EntityNetworkTrainConfig(
        attempts=2, batch_size=6, epochs=9, learning_rates=(1e30,), clip_norm=1e30
    )
    model = EntityNetwork(WORLD)
    model.build()
    before = {name: _array(part) for name, part in model.parts.items()}
    run = RunFolder(tmp_path / "run", TEST, command="train", resume=False)
    attempts.fit(model, _world(8), _world(8), config=config, run=run)
    tried = run.report["epochs"]
    assert [(x["loss"], x["error"], len(x["errors"])) for x in tried] == [(None, 1.0, 1)] * 2
    json.dumps(tried, allow_nan=False)
    for name, part in model.parts.items():
        np.testing.assert_array_equal(_array(part), before[name])


def test_every_weight_is_drawn_by_itself():
    model = EntityNetwork(EntityNetworkConfig(**SIZES, biases=True))
    model.build()
    drawn = [_array(part).ravel() for part in model.parts.values()]
    firsts = [numbers[:3].tolist() for numbers in drawn if not (numbers == 1).all()]
    assert len(firsts) == 9 and len(set(map(tuple, firsts))) == 9


def test_networks_are_chosen_by_words():
    examples = _joined(_world(30), _world(30, first_word=14, task=2))
    model = _model(networks=2)
    parts = attempts.parts_of(examples, 2)
    assert [set(examples.task[rows]) for rows in parts] == [{1}, {2}]
    for weight in model.choice.values():  # a choice that would be wrong, if one of them stayed
        weight.assign(np.full(weight.shape, [50.0, 0.0]))
    choice.learn_choice(model, examples, parts, seed=0)
    np.testing.assert_array_equal(choice.chosen(model, examples), examples.task - 1)


@pytest.mark.parametrize(
    ("tasks", "networks", "expected"),
    [
        ([1, 1, 2], 1, [[0, 1, 2]]),
        ([1, 1, 2], 2, [[0, 1], [2]]),
        ([7, 7, 7], 2, [[0, 2], [1]]),
    ],
)
def test_each_network_has_its_questions(tasks, networks, expected):
    world = dataclasses.replace(_world(1), task=np.array(tasks))
    assert [rows.tolist() for rows in attempts.parts_of(world, networks)] == expected


@pytest.mark.parametrize(("tasks", "networks"), [([1, 2, 2], 3), ([1, 1, 1], 4)])
def test_networks_without_questions_are_refused(tasks, networks):
    world = dataclasses.replace(_world(1), task=np.array(tasks))
    with pytest.raises(ZooError, match=f"{networks}"):
        attempts.parts_of(world, networks)


def _train(folder, *changes, resume=False):
    preset = override(TEST, changes)
    train(preset, output=folder, data_dir=None, command="train", resume=resume)
    report = json.loads((folder / "report.json").read_text())
    return report, weights_in(folder)


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """A training of two networks, at most twice each, in one go and stopped after the first."""
    folder = tmp_path_factory.mktemp("trained")
    whole = _train(folder / "whole", "train.epochs=3")
    steps = whole[0]["epochs"][0]["steps"]
    _train(folder / "parts", "train.epochs=3", "train.attempts=1", f"train.steps={steps}")
    parts = _train(folder / "parts", "train.epochs=3", resume=True)
    return whole, parts


@pytest.mark.parametrize(
    ("once", "enough", "order", "best"),
    [
        ((), None, [0, 1, 1, 0, 0], [0.2, 0.1]),
        ((1,), None, [0, 1, 0, 0], [0.2, 0.3]),
        ((), 0.2, [0, 1, 1], [0.2, 0.1]),
    ],
)
def test_a_network_keeps_the_best_of_its_attempts(tmp_path, monkeypatch, once, enough, order, best):
    changes = {
        "attempts": 3,
        "goal": 0.1,
        "learning_rates": (0.5, 0.25),
        "word_dropouts": (0.0, 0.125, 0.25),
        "enough": enough,
    }
    config = dataclasses.replace(TEST.train, **changes)
    preset = dataclasses.replace(TEST, train=config)
    turns = [(0.5, 0.0), (0.25, 0.125), (0.5, 0.25)]
    model = _model(networks=2)
    errors = [[0.2, 0.2, 0.4], [0.3, 0.1]]  # of each network's attempts
    seeds = []

    class Scripted:
        def __init__(self, model, config):
            self.word_dropout = model.word_dropout

        def run(self, train, validation, *, seed, learning_rate, steps):
            # Three questions a story: learned one by one, and scored together.
            assert (train.rows.shape, validation.rows.shape) == ((12, 1), (4, 3))
            seeds.append(seed)
            _, network, number = seed
            assert (learning_rate, self.word_dropout) == turns[number]
            error = errors[network][number]
            weights = {name: np.full(part.shape[1:], error) for name, part in model.parts.items()}
            return attempts.Attempt(weights, {"steps": 1, "error": error, "errors": [error]})

    monkeypatch.setattr(attempts, "Attempts", Scripted)
    run = RunFolder(tmp_path / "run", preset, command="train", resume=False)
    world = _joined(_world(4), _world(4, task=2))
    attempts.fit(model, world, world, config=preset.train, run=run, once=once)
    assert len(seeds) == len(set(seeds))
    assert [network for _, network, _ in seeds] == order  # the worst first
    for part in model.parts.values():
        for weights, error in zip(_array(part), best, strict=True):
            np.testing.assert_allclose(weights, error, rtol=1e-6)


def test_a_report_says_what_each_attempt_came_to(trainings):
    report = trainings[0][0]
    tried = [(attempt["network"], attempt["attempt"]) for attempt in report["epochs"]]
    assert tried[:2] == [(0, 1), (1, 1)] and [x for _, x in tried] == sorted(x for _, x in tried)
    for network in (0, 1):
        errors = [x["error"] for x in report["epochs"] if x["network"] == network]
        assert len(errors) == 2 or errors[0] == 0  # its goal
    for attempt in report["epochs"]:
        assert attempt["error"] == pytest.approx(min(attempt["errors"]), abs=1e-4)
    assert 0 <= report["test"]["mean_error"] <= 1 and set(report["wrong_network"]) == {"0", "1"}


def test_a_training_that_resumes_with_more_attempts_is_the_same(trainings):
    (whole, weights), (parts, again) = trainings
    for name in ("network", "attempt", "loss", "errors"):
        assert [x[name] for x in parts["epochs"]] == [x[name] for x in whole["epochs"]]
    assert parts["test"] == whole["test"] and parts["wrong_network"] == whole["wrong_network"]
    np.testing.assert_equal(again, weights)


@pytest.mark.slow
def test_networks_trained_at_once_are_the_same(trainings, tmp_path):
    whole, weights = trainings[0]
    report, again = _train(tmp_path / "run", "train.epochs=3", "train.processes=2")

    def of_attempts(report, *names):
        attempts = sorted(report["epochs"], key=lambda x: (x["network"], x["attempt"]))
        return [[attempt[name] for name in names] for attempt in attempts]

    same = ("network", "attempt", "errors")
    assert of_attempts(report, *same) == of_attempts(whole, *same)
    # Threads of another process may add up in another order.
    losses = [[loss for [loss] in of_attempts(x, "loss")] for x in (report, whole)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    for name, weight in weights.items():
        np.testing.assert_allclose(again[name], weight, rtol=1e-3, atol=1e-5)


def test_a_training_can_be_ended_with_the_attempts_there_are(tmp_path):
    before, _ = _train(tmp_path / "run", "train.epochs=1", "train.steps=7")
    after, _ = _train(tmp_path / "run", "train.epochs=1", "train.steps=1", resume=True)
    assert after["epochs"] == before["epochs"] and after["test"] == before["test"]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_configuration_survives_json(preset):
    values = json.loads(json.dumps(preset.configuration()))
    assert from_dict(PRESET_TYPE, values).configuration() == preset.configuration()


@pytest.mark.parametrize(
    "change",
    ["model.slots=0", "model.width=0", "model.vocab_size=4", "model.max_sentences=0",
     "model.networks=0", "model.encoding=words", "model.activation=relu", "data.task=21",
     "train.attempts=0", "train.epochs=0", "train.goal=1.5", "train.clip_norm=0",
     "train.enough=-0.1", "train.learning_rates=[]", "train.learning_rates=[0.01, 0]",
     "train.word_dropouts=[0.05, 1]",
     "train.batch_size=0", "train.halve_every=0", "train.processes=0"],
)  # fmt: skip
def test_what_makes_no_entity_network_is_refused(change):
    with pytest.raises(ConfigError, match=change.split("=")[0].split(".")[1]):
        override(TEST, [change])


def test_updates_are_not_limited_where_networks_are_trained_at_once():
    with pytest.raises(ConfigError, match="processes"):
        override(TEST, ["train.processes=2", "train.steps=5"])
