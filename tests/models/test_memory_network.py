"""The memory network against its papers' equations, and how it is trained."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import on_jax, weights_in

from zoo import attention
from zoo.config import ConfigError, from_dict, override
from zoo.data.stories import encode_examples, open_stories, sample_examples
from zoo.errors import ZooError
from zoo.evaluation.answers import scores
from zoo.models.memory_network import restarts
from zoo.models.memory_network.config import (
    PRESET_TYPE,
    PRESETS,
    MemoryNetworkConfig,
    MemoryNetworkTrainConfig,
)
from zoo.models.memory_network.model import MemoryNetwork, component_slopes, position_weights
from zoo.models.memory_network.task import Task
from zoo.models.memory_network.train import train
from zoo.text.tokenizer import train_tokenizer

SIZES = {"vocab_size": 23, "max_sentences": 7, "max_sentence_length": 5, "max_question_length": 4}
TEST = next(preset for preset in PRESETS if preset.name == "memory_network_test")


def _model(seed=0, **changes):
    keras.utils.set_random_seed(seed)
    model = MemoryNetwork(MemoryNetworkConfig(**{**SIZES, "width": 6, "hops": 3} | changes))
    model.build()
    for weight in model.weights:  # larger than they start, so that every term counts
        weight.assign(weight * 5)
    return model


def _inputs():
    """Stories of 3, 5 and 0 sentences; sentences and questions of several lengths."""
    generator = np.random.default_rng(0)
    story = generator.integers(4, 23, (3, 7, 5)).astype("int32")
    question = generator.integers(4, 23, (3, 4)).astype("int32")
    story[0, 3:] = 0
    story[0, 1, 2:] = 0
    story[1, 5:] = 0
    story[1, 4, 1:] = 0
    story[2] = 0
    question[1, 2:] = 0
    return {"story": story, "question": question}


def _array(x):
    return keras.ops.convert_to_numpy(x)


def _weight(config, j, k, length):
    """l[k, j] as section 4.1 has it, or as the authors' code."""
    if config.encoding == "bag":
        return 1.0
    d = config.width
    if config.encoding == "position":
        return (1 - j / length) - (k / d) * (1 - 2 * j / length)
    longest = max(config.max_sentence_length, config.max_question_length) + 1
    return 1 + 4 * (k - (d + 1) / 2) * (j - (longest + 1) / 2) / (d * longest)


def _reference(model, inputs, linear=False):
    """Logits and weights by slow loops over the paper's equations."""
    config = model.config
    tables = {weight.name: _array(weight) for weight in model.weights}
    hops = config.hops
    match, read = {
        "adjacent": ([str(k) for k in range(hops)], [str(k + 1) for k in range(hops)]),
        "layer_wise": (["match"] * hops, ["read"] * hops),
        "none": ([f"match_{k}" for k in range(hops)], [f"read_{k}" for k in range(hops)]),
    }[config.tying]
    of_question, of_answer = "question", "answer"
    if config.tying == "adjacent":
        of_question, of_answer = "0", str(hops)

    def embedded(words, name):
        words = [word for word in words if word != 0]
        vector = np.zeros(config.width)
        for j, word in enumerate(words, start=1):
            for k in range(1, config.width + 1):
                weight = _weight(config, j, k, len(words))
                vector[k - 1] += weight * tables[f"words_{name}"][word, k - 1]
        return vector

    all_logits, all_weights = [], []
    for row, (story, question) in enumerate(zip(inputs["story"], inputs["question"], strict=True)):
        values = inputs.get("values", inputs["story"])[row]
        count = sum(sentence.any() for sentence in story)
        u = embedded(question, of_question)
        row_weights = np.zeros((hops, len(story)))
        for hop in range(hops):
            m, c = [], []
            for i in range(count):
                m.append(embedded(story[i], match[hop]))
                c.append(embedded(values[i], read[hop]))
                if config.temporal:
                    time = inputs["times"][row, i] if "times" in inputs else count - 1 - i
                    m[i] = m[i] + tables[f"times_{match[hop]}"][time]
                    c[i] = c[i] + tables[f"times_{read[hop]}"][time]
            scores = np.array([u @ m[i] for i in range(count)])
            empty = config.max_sentences - count if config.empty_places else 0
            p = scores if linear or not count else np.exp(scores) / (np.exp(scores).sum() + empty)
            row_weights[hop, :count] = p
            o = sum((p[i] * c[i] for i in range(count)), np.zeros(config.width))
            if config.key_value:
                u = (u + o) @ tables[f"kernel_{hop}"]
            elif config.tying == "layer_wise":
                u = u @ tables["kernel"] + o
            else:
                u = u + o
            if config.nonlinear:
                u = np.maximum(u, 0)
        all_logits.append(tables[f"words_{of_answer}"] @ u)
        all_weights.append(row_weights)
    return np.array(all_logits), np.array(all_weights)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"encoding": "bag", "temporal": False},
        {"encoding": "spread_position", "hops": 1},
        {"tying": "layer_wise", "nonlinear": True},
        {"tying": "none", "hops": 2},
        {"empty_places": True},
        {"tying": "layer_wise", "key_value": True},
        {"tying": "adjacent", "key_value": True, "nonlinear": True, "encoding": "bag"},
    ],
)
@pytest.mark.parametrize("linear", [False, True])
def test_the_answer_is_the_papers(changes, linear):
    model, inputs = _model(**changes), _inputs()
    model.linear = linear
    logits, weights = map(_array, model.answer(inputs))
    expected_logits, expected_weights = _reference(model, inputs, linear)
    np.testing.assert_allclose(logits[:, 4:], expected_logits[:, 4:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(weights, expected_weights, rtol=1e-4, atol=1e-4)
    assert (logits[:, :4] == -1e9).all()
    in_training = _array(model(inputs))  # by other products
    np.testing.assert_allclose(in_training, logits, rtol=1e-4, atol=1e-4)


def test_given_times_stand_in_place_of_counted_ones():
    model, inputs = _model(), _inputs()
    inputs["times"] = np.array([[6, 3, 1, 0, 0, 0, 0], [6, 5, 4, 2, 0, 0, 0], [0] * 7], "int32")
    logits = _array(model(inputs))
    np.testing.assert_allclose(logits[:, 4:], _reference(model, inputs)[0][:, 4:], atol=1e-4)


def test_a_key_value_memory_reads_other_words_than_it_matches():
    model, inputs = _model(tying="layer_wise", key_value=True), _inputs()
    alone = _array(model(inputs))
    inputs["values"] = np.where(inputs["story"] > 0, 4 + inputs["story"] * 7 % 19, 0)
    logits = _array(model(inputs))
    np.testing.assert_allclose(logits[:, 4:], _reference(model, inputs)[0][:, 4:], atol=1e-4)
    assert np.abs(logits - alone)[:2].max() > 0.1


def test_a_key_value_memory_of_one_table_that_turns_nothing_is_a_memory_network():
    key_value = _model(tying="layer_wise", key_value=True)
    plain = _model(tying="layer_wise")
    for model in (key_value, plain):
        for weight in model.weights:
            kind, _, name = weight.name.partition("_")
            if kind == "kernel":
                weight.assign(np.eye(6))
            elif name != "answer":
                weight.assign(
                    _array(plain.words["match" if kind == "words" else "answer"])[: weight.shape[0]]
                )
    inputs = _inputs()
    key_value.words["answer"].assign(plain.words["answer"])
    np.testing.assert_allclose(_array(key_value(inputs)), _array(plain(inputs)), atol=1e-5)


@pytest.mark.parametrize("changes", [{}, {"temporal": False}, {"empty_places": True}])
def test_places_name_the_sentences_of_stories(changes):
    model, inputs = _model(**changes), _inputs()
    story = _array(inputs["story"])
    sentences, places = np.unique(
        np.concatenate([np.zeros_like(story[0, :1]), story.reshape(-1, story.shape[-1])]),
        axis=0,
        return_inverse=True,
    )
    places = places.reshape(-1)[1:].reshape(story.shape[:2])
    by_place = {**inputs, "story": sentences, "places": places.astype("int32")}
    np.testing.assert_allclose(_array(model(by_place)), _array(model(inputs)), atol=1e-5)


def test_one_hop_is_soft_attention():
    model, inputs = _model(hops=1), _inputs()
    keys, values, filled, _ = model.remember(inputs)
    query = model._by_rows()("question", inputs["question"])["0"]
    context, weights = attention.attend(
        attention.dot_scores(query[:, None], keys["0"]), values["1"], filled
    )
    logits, alignment = model.answer(inputs)
    np.testing.assert_array_equal(_array(alignment), _array(weights))
    expected = _array(query + context[:, 0]) @ _array(model.words["1"]).T
    np.testing.assert_allclose(_array(logits)[:, 4:], expected[:, 4:], atol=1e-5)


def test_adjacent_hops_share_their_tables():
    model, inputs = _model(), _inputs()
    assert model.roles.read[0] == model.roles.match[1]
    assert model.roles.question == model.roles.match[0]
    assert model.roles.answer == model.roles.read[-1]
    before = model.remember(inputs)[0]
    before = {name: _array(memory) for name, memory in before.items()}
    model.words["1"].assign_add(np.ones((23, 6)))
    keys, values, _, _ = model.remember(inputs)
    assert np.abs(_array(keys["1"]) - before["1"]).max() > 0.1  # A[2]
    assert values["1"] is keys["1"]  # C[1]
    np.testing.assert_array_equal(_array(keys["2"]), before["2"])


@pytest.mark.parametrize(
    ("changes", "tables", "times", "kernels"),
    [({}, 4, 4, 0), ({"tying": "layer_wise"}, 4, 2, 1), ({"tying": "none"}, 8, 6, 0),
     ({"temporal": False}, 4, 0, 0), ({"tying": "layer_wise", "key_value": True}, 4, 2, 3)],
)  # fmt: skip
def test_weights_are_as_many_as_their_tying_leaves(changes, tables, times, kernels):
    count = 6 * (tables * 23 + times * 7 + kernels * 6)
    assert _model(**changes).count_params() == count


@pytest.mark.parametrize("temporal", [False, True])
def test_the_order_of_sentences_is_told_by_time_alone(temporal):
    model, inputs = _model(temporal=temporal), _inputs()
    logits, weights = map(_array, model.answer(inputs))
    order = [2, 0, 1, 3, 4, 5, 6]
    turned, turned_weights = map(
        _array, model.answer({**inputs, "story": inputs["story"][:, order]})
    )
    assert (np.abs(turned - logits).max() > 1e-2) == temporal
    assert (np.abs(turned_weights - weights[:, :, order]).max() > 1e-3) == temporal


def test_an_empty_memory_adds_nothing_to_the_question():
    model, inputs = _model(), _inputs()
    logits, weights = map(_array, model.answer(inputs))
    question = _array(model._by_rows()("question", inputs["question"])["0"])
    expected = question[2] @ _array(model.words["3"]).T
    np.testing.assert_allclose(logits[2, 4:], expected[4:], atol=1e-5)
    assert not weights[2].any()


@pytest.mark.parametrize("encoding", ["bag", "position", "spread_position"])
def test_padding_and_batch_mates_change_nothing(encoding):
    model, inputs = _model(encoding=encoding), _inputs()
    together, weights = map(_array, model.answer(inputs))
    longer = {
        "story": np.pad(inputs["story"][:, :5], [(0, 0), (0, 2), (0, 3)]),
        "question": np.pad(inputs["question"], [(0, 0), (0, 2)]),
    }
    np.testing.assert_allclose(_array(model(longer)), together, atol=1e-5)
    for row, sentences in enumerate((3, 5, 1)):
        alone = {name: array[row : row + 1] for name, array in inputs.items()}
        alone["story"] = alone["story"][:, :sentences]
        logits, row_weights = map(_array, model.answer(alone))
        np.testing.assert_allclose(logits[0], together[row], atol=1e-5)
        np.testing.assert_allclose(row_weights[0], weights[row, :, :sentences], atol=1e-5)


def test_weights_sum_to_one_over_sentences():
    weights = _array(_model().answer(_inputs())[1])
    np.testing.assert_allclose(weights[:2].sum(axis=-1), 1, atol=1e-5)
    assert not weights[0, :, 3:].any() and not weights[1, :, 5:].any()


def test_unknown_words_say_nothing_but_take_their_place():
    model, inputs = _model(), _inputs()
    inputs["story"][0, 0, 1] = 1
    logits = _array(model(inputs))
    for table in model.words.values():
        table.assign(np.where(np.arange(23)[:, None] < 4, 1e3, _array(table)))
    np.testing.assert_array_equal(_array(model(inputs)), logits)
    without = inputs["story"].copy()
    without[0, 0] = [*without[0, 0, :1], *without[0, 0, 2:], 0]
    assert np.abs(_array(model({**inputs, "story": without})) - logits)[0].max() > 1e-3


def test_a_word_alone_is_weighted_by_its_component():
    # J = 1 and j = 1: (1 - 1) - (k / d) (1 - 2) = k / d.
    config = MemoryNetworkConfig(**SIZES, width=6)
    weights = _array(position_weights(np.array([[9, 0, 0]]), config))  # (1, 2, 3)
    values = weights[0, 0, 0] + component_slopes(config) * weights[0, 1, 0]
    np.testing.assert_allclose(values, np.arange(1, 7) / 6, rtol=1e-6)
    assert not weights[..., 1:].any()


def test_the_authors_weights_are_about_twice_as_far_apart():
    ids, spreads = np.full((1, 5), 9), {}
    for encoding in ("position", "spread_position"):
        config = MemoryNetworkConfig(**SIZES, width=50, encoding=encoding)
        weights = _array(position_weights(ids, config))[0]  # (2, 5)
        values = weights[0][:, None] + component_slopes(config) * weights[1][:, None]
        spreads[encoding] = np.ptp(values[1] - values[2])
    assert 1.5 < spreads["spread_position"] / spreads["position"] < 2.2


def test_a_story_beyond_the_memory_is_refused():
    inputs = _inputs()
    inputs["story"] = np.repeat(inputs["story"], 2, axis=1)
    with pytest.raises(ValueError, match="max_sentences=7 sentences. Received: 14"):
        _model()(inputs)


@pytest.fixture(scope="module")
def tokenizer():
    texts = [
        text
        for example in sample_examples("babi_qa")
        for text in (*example.sentences, example.question, example.answer)
    ]
    return train_tokenizer(texts, kind="word", vocab_size=40)


def test_tables_set_by_hand_find_who_is_where(tokenizer):
    """One hop: the question's person selects sentences, time the latest of them, its place wins."""
    config = dataclasses.replace(TEST.model, tying="none", hops=1, encoding="bag", width=41)
    model = MemoryNetwork(config)
    model.build()
    words = {name: np.zeros((40, 41)) for name in ("question", "match_0", "read_0", "answer")}
    one = dict(zip(range(40), np.eye(40, 41), strict=True))
    constant = np.eye(41)[40]
    ids = {name: tokenizer.encode([name])[0][0] for name in (
        "mary", "john", "sandra", "daniel", "where",
        "kitchen", "garden", "office", "hallway", "bedroom", "bathroom",
    )}  # fmt: skip
    for name, id_ in ids.items():
        if name in ("mary", "john", "sandra", "daniel"):
            words["question"][id_] = 100 * one[id_]
            words["match_0"][id_] = one[id_]
        elif name == "where":
            words["question"][id_] = 10 * constant
        else:
            words["read_0"][id_] = words["answer"][id_] = one[id_]
    for name, table in words.items():
        model.words[name].assign(table)
    model.times["match_0"].assign(-np.arange(7)[:, None] * constant)
    model.times["read_0"].assign(np.zeros((7, 41)))

    examples = [
        example
        for example in sample_examples("babi_qa")
        if example.question.startswith("Where is") and "milk" not in example.question
    ]
    assert len(examples) > 8
    encoded = encode_examples(examples, tokenizer, config)
    outputs = Task(model).predict(encoded.story(), encoded.question)
    np.testing.assert_array_equal(_array(outputs["answer"]), encoded.answer)
    weights = _array(outputs["alignment"])[:, 0]
    assert [row.argmax() for row in weights] == [example.supports[0] for example in examples]


def test_an_answer_is_never_a_special_token():
    model, inputs = _model(), _inputs()
    for table in model.words.values():
        table.assign(np.where(np.arange(23)[:, None] < 4, 1e3, _array(table)))
    outputs = {name: _array(value) for name, value in Task(model).predict(**inputs).items()}
    assert (outputs["answer"] >= 4).all() and outputs["answer"].dtype == np.int32
    assert not outputs["probabilities"][:, :4].any()
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)


def test_jax_gives_the_same_logits(tmp_path):
    model, inputs = _model(tying="layer_wise", nonlinear=True), _inputs()
    logits = on_jax(model, inputs, tmp_path)
    np.testing.assert_allclose(logits, _array(model(inputs)), rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def encoded(tokenizer):
    return encode_examples(sample_examples("babi_qa"), tokenizer, TEST.model)


def _batches(encoded, **changes):
    settings = {"batch_size": 4, "noise": 0.5, "seed": 3} | changes
    return restarts.StoryBatches(encoded, config=MemoryNetworkTrainConfig(**settings))


def test_a_batch_holds_its_stories_with_each_sentence_once(encoded):
    inputs, answers = _batches(encoded)[1]
    assert len(inputs["story"]) % 64 == 0 and inputs["places"].shape == (4, 7)
    told = inputs["story"][inputs["places"]]
    used = {sentence.tobytes() for story in told for sentence in story}
    assert {sentence.tobytes() for sentence in inputs["story"]} == used
    model = Task.from_preset(TEST).model
    whole = {"story": told, "times": inputs["times"], "question": inputs["question"]}
    np.testing.assert_allclose(_array(model(inputs)), _array(model(whole)), atol=1e-5)
    rows = [
        np.flatnonzero((encoded.story() == story).all(axis=(1, 2)) & (encoded.answer == answer))
        for story, answer in zip(told, answers, strict=True)
    ]
    assert all(len(found) for found in rows)


def test_short_stories_have_noise_if_asked_for(encoded):
    for asked in (False, True):
        batches = _batches(encoded, noise=0.1, noise_in_short_stories=asked)
        gaps = set()
        for index in range(len(batches)):
            inputs, _ = batches[index]
            gaps |= {*(inputs["times"].max(axis=1) + 1 - (inputs["places"] > 0).sum(axis=1))}
        assert gaps == ({0, 1} if asked else {0})


def test_an_epoch_has_another_order_and_a_resumed_one_the_same(encoded):
    batches = _batches(encoded)
    assert len(batches) == 5  # of 21 questions
    first = batches[0]
    batches.on_epoch_end()
    second = batches[0]
    assert not np.array_equal(first[1], second[1])
    config = MemoryNetworkTrainConfig(batch_size=4, noise=0.5, seed=3)
    again = restarts.StoryBatches(encoded, config=config, epoch=1)[0]
    for name in first[0]:
        np.testing.assert_array_equal(again[0][name], second[0][name])


def test_copies_train_as_models_apart(encoded):
    """Three updates of three copies, their gradients clipped, and of three models one by one."""
    task = Task.from_preset(TEST)
    keras.utils.set_random_seed(1)
    copies = restarts.Restarts(task.model, range(3))
    copies.build()
    start = [_array(weight) for weight in copies.stacked]
    copies.compile(
        optimizer=restarts.ClippedSGD(0.1, max_norm=0.7), loss=restarts.SummedCrossEntropy()
    )
    batches = _batches(encoded)
    for index in range(3):
        copies.train_on_batch(*batches[index])
    clips = 0
    for copy in range(3):
        model = Task.from_preset(TEST).model
        for weight, stacked in zip(model.trainable_variables, start, strict=True):
            weight.assign(stacked[copy])
        for index in range(3):
            inputs, answers = batches[index]
            with tf.GradientTape() as tape:
                log_probs = tf.nn.log_softmax(model(inputs))
                loss = -tf.reduce_sum(tf.gather(log_probs, answers, axis=1, batch_dims=1))
            values = [weight.value for weight in model.trainable_variables]
            for weight, gradient in zip(
                model.trainable_variables, tape.gradient(loss, values), strict=True
            ):
                gradient = tf.convert_to_tensor(gradient)
                clips += float(tf.norm(gradient)) > 0.7
                weight.assign_sub(0.1 * tf.clip_by_norm(gradient, 0.7))
        copies.take(copy)
        for weight, taken in zip(
            model.trainable_variables, task.model.trainable_variables, strict=True
        ):
            np.testing.assert_allclose(_array(taken), _array(weight), atol=2e-5)
    assert 0 < clips < 3 * 3 * 6


def test_a_copy_that_diverges_takes_no_other_with_it(encoded):
    task = Task.from_preset(TEST)
    copies = restarts.Restarts(task.model, range(2))
    copies.build()
    words = _array(copies.stacked[0])
    words[1] = np.nan
    copies.stacked[0].assign(words)
    losses = restarts.LossByRestart(2)
    copies.compile(
        optimizer=restarts.ClippedSGD(0.1, max_norm=40.0),
        loss=restarts.SummedCrossEntropy(),
        metrics=[losses],
    )
    logs = copies.train_on_batch(*_batches(encoded)[0], return_dict=True)
    means = losses.means()
    assert np.isfinite(means[0]) and np.isnan(means[1])
    assert float(logs["question_loss"]) == pytest.approx(means[0])
    for weight in copies.stacked:
        assert np.isfinite(_array(weight)[0]).all()


def test_the_lowest_loss_is_chosen_among_those_that_did_not_diverge():
    assert restarts.by_loss(range(5), [None, 0.4, 0.2, None, 0.3]) == [2, 4, 1, 0, 3]
    assert restarts.by_loss([1, 3], [0.1, None, 0.2, None]) == [1, 3]


def test_the_learning_rate_is_halved_after_the_linear_epochs():
    config = MemoryNetworkTrainConfig(learning_rate=0.8, linear_epochs=2, halve_every=3, epochs=9)
    schedule = restarts.HalvingSchedule(config, steps_per_epoch=10)
    rates = [float(schedule(10 * epoch + step)) for epoch in range(9) for step in (0, 9)]
    expected = [0.8] * 5 + [0.4] * 3 + [0.2]
    np.testing.assert_allclose(rates, np.repeat(expected, 2), rtol=1e-6)


def test_scores_are_means_over_tasks(encoded):
    task = np.array([1, 1, 1, 1, 2])
    examples = dataclasses.replace(encoded, answer=np.array([9, 9, 9, 9, 9]), task=task)
    assert scores(np.array([9, 9, 9, 8, 9]), examples) == {
        "exact_match": 0.875,
        "mean_error": 0.125,
        "failed_tasks": 1,
        "error_by_task": {"1": 0.25, "2": 0.0},
    }


def _train(folder, *changes, resume=False):
    preset = override(TEST, changes)
    train(preset, output=folder, data_dir=None, command="train", resume=resume)
    report = json.loads((folder / "report.json").read_text())
    return report, weights_in(folder)


def test_a_training_learns_and_its_report_says_how(tmp_path, capsys):
    report, _ = _train(tmp_path / "run", "train.epochs=60", "train.linear_epochs=20",
                       "train.halve_every=40")  # fmt: skip
    epochs = report["epochs"]
    assert [epoch["linear"] for epoch in epochs] == [True] * 20 + [False] * 40
    assert all(epoch["steps"] == 4 and len(epoch["losses"]) == 3 for epoch in epochs)
    assert all(epoch["loss"] == min(epoch["losses"]) for epoch in epochs)
    assert epochs[-1]["loss"] < 0.3 * epochs[0]["loss"]
    restarts_ = report["restarts"]
    [chosen] = [restart for restart in restarts_ if restart["chosen"]]
    assert chosen["loss"] == epochs[-1]["loss"] == min(restart["loss"] for restart in restarts_)
    assert chosen["test"]["mean_error"] < 0.5
    assert " -> " in capsys.readouterr().out


def test_a_last_training_may_learn_from_validation_stories_too(tmp_path):
    held_out, _ = _train(tmp_path / "held_out", "train.epochs=1", "train.batch_size=1")
    whole, _ = _train(tmp_path / "whole", "train.epochs=1", "train.batch_size=1",
                      "train.with_validation=true")  # fmt: skip
    stories = open_stories("babi_qa", size="sample")
    sizes = [len(stories.examples(split)) for split in ("train", "validation")]
    assert [run["epochs"][0]["steps"] for run in (held_out, whole)] == [sizes[0], sum(sizes)]
    assert held_out["epochs"][0]["losses"] != whole["epochs"][0]["losses"]


def test_a_resumed_training_is_the_same(tmp_path):
    whole = _train(tmp_path / "whole", "train.epochs=4")
    for epochs in (1, 2, 4):  # of which two are linear
        parts = _train(tmp_path / "parts", f"train.epochs={epochs}", resume=epochs > 1)
    assert [epoch["losses"] for epoch in parts[0]["epochs"]] == [
        epoch["losses"] for epoch in whole[0]["epochs"]
    ]
    assert len(parts[0]["epochs"]) == 4
    assert parts[0]["restarts"] == whole[0]["restarts"]
    np.testing.assert_equal(parts[1], whole[1])


def test_finalists_go_on_as_if_the_others_had_not_stopped(tmp_path):
    alike = "train.linear_epochs=0", "train.halve_every=1"
    settings = *alike, "train.finalists=2", "train.trial_epochs=2"
    everyone, _ = _train(tmp_path / "all", "train.epochs=4", *alike)
    report, weights = _train(tmp_path / "finalists", "train.epochs=4", *settings)
    trial = everyone["epochs"][1]["losses"]
    worst = trial.index(max(trial))
    for epoch, (found, expected) in enumerate(
        zip(report["epochs"], everyone["epochs"], strict=True), start=1
    ):
        expected = [
            None if epoch > 2 and number == worst else pytest.approx(loss, rel=1e-4)
            for number, loss in enumerate(expected["losses"])
        ]
        assert found["losses"] == expected
    assert [x["number"] for x in report["restarts"]] == [x for x in range(3) if x != worst]
    for epochs in (2, 3, 4):  # stopped at the cut, and after it
        resumed = _train(tmp_path / "parts", f"train.epochs={epochs}", *settings, resume=epochs > 2)
    assert resumed[0]["restarts"] == report["restarts"]
    np.testing.assert_equal(resumed[1], weights)


def test_a_finished_training_resumes_to_itself(tmp_path):
    before, weights = _train(tmp_path / "run", "train.steps=2")
    for steps in (2, 1):  # to stop earlier than it did is to stop now
        after, again = _train(tmp_path / "run", f"train.steps={steps}", resume=True)
        assert after["epochs"] == before["epochs"] and len(after["epochs"]) == 1
        assert [epoch["steps"] for epoch in after["epochs"]] == [2]
        assert after["restarts"] == before["restarts"]
        np.testing.assert_equal(again, weights)
    with pytest.raises(ZooError, match="holds a training with another train"):
        _train(tmp_path / "run", "train.noise=0.1", resume=True)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_a_configuration_survives_json(preset):
    values = json.loads(json.dumps(preset.configuration()))
    assert from_dict(PRESET_TYPE, values).configuration() == preset.configuration()


@pytest.mark.parametrize(
    "change",
    ["model.hops=0", "model.width=0", "model.vocab_size=4", "model.max_sentences=0",
     "model.tying=all", "model.encoding=words", "data.task=21", "data.size=2k",
     "train.restarts=0", "train.finalists=4", "train.trial_epochs=0", "train.noise=1.5",
     "train.linear_epochs=-1", "train.halve_every=0"],
)  # fmt: skip
def test_what_makes_no_memory_network_is_refused(change):
    with pytest.raises(ConfigError, match=change.split("=")[0].split(".")[1]):
        override(TEST, [change])
