"""The machine against a slow loop of the whole paper, and what must hold of it."""

import functools
import json
import math

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from cases import run_python

from zoo.config import ConfigError, from_dict, override, to_dict
from zoo.data import algorithmic
from zoo.export.graph import Graph, add_signatures
from zoo.models.neural_turing_machine import config as presets
from zoo.models.neural_turing_machine import train
from zoo.models.neural_turing_machine.config import NeuralTuringMachineConfig
from zoo.models.neural_turing_machine.model import NeuralTuringMachine
from zoo.models.neural_turing_machine.task import Task
from zoo.registry import Artefact

compiled = functools.partial(tf.function, jit_compile=True, autograph=False)

SIZES = {
    "input_width": 3,
    "output_width": 2,
    "max_length": 11,
    "controller_units": 7,
    "memory_rows": 13,
    "memory_width": 5,
    "read_heads": 2,
    "write_heads": 2,
    "shift_radius": 2,
}
CONFIGS = {
    "lstm": SIZES,
    "feedforward": {**SIZES, "controller": "feedforward"},
    "content": {**SIZES, "addressing": "content"},
    "learned": {**SIZES, "controller": "feedforward", "first_memory": "learned"},
    "alone": {**SIZES, "memory": False},
}


def _model(scale=None, **settings):
    """Returns a model; with a scale, one whose heads are set more sharply than at the start."""
    keras.utils.set_random_seed(0)
    model = NeuralTuringMachine(NeuralTuringMachineConfig(**settings))
    model.build()
    if scale is not None:
        generator = np.random.default_rng(0)
        for weight in model.weights:
            drawn = generator.normal(size=weight.shape, scale=0.1)
            weight.assign(scale * np.asarray(weight) + drawn)
    return model


def _inputs(batch=2, steps=11, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, steps, 3)).astype("float32")


@pytest.fixture(scope="module")
def predicted():
    """Returns a function from a name of CONFIGS to a task, and to what it makes of `_inputs`."""
    done = {}

    def predict(name):
        if name not in done:
            task = Task(_model(scale=3.0, **CONFIGS[name]))
            function = compiled(task.predict)
            done[name] = task, function, function(_inputs(), np.array([11, 11], "int32"))
        return done[name]

    return predict


def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def _softplus(x):
    return math.log1p(math.exp(x))


class SlowMachine:
    """One sequence through the machine, in loops over single numbers."""

    def __init__(self, model):
        self.config = model.config
        self.weights = {
            weight.path.split("/", 1)[-1]: np.asarray(weight) for weight in model.weights
        }

    def __call__(self, x):
        config, weights = self.config, self.weights
        rows, width = config.memory_rows, config.memory_width
        heads = config.read_heads + config.write_heads
        memory = [[1e-6] * width for _ in range(rows)]
        reads = np.tanh(weights["first_read_vectors"])
        if config.addressing == "full":
            focus = [reference.softmax(row, [True] * rows) for row in weights["first_focus"]]
        if config.addressing == "content" or config.first_memory == "learned":
            memory = [list(row) for row in weights["first_memory"]]
        if config.controller == "lstm":
            h, c = np.tanh(weights["first_h"]), weights["first_c"]
        outputs, all_focus = [], []
        for step in x:
            joined = np.concatenate([step, reads.reshape(-1)])
            if config.controller == "lstm":
                gates = (
                    joined @ weights["controller/kernel"]
                    + h @ weights["controller/recurrent_kernel"]
                    + weights["controller/bias"]
                )
                i, f, g, o = np.split(gates, 4)
                c = reference.sigmoid(f) * c + reference.sigmoid(i) * np.tanh(g)
                h = reference.sigmoid(o) * np.tanh(c)
            else:
                h = np.tanh(joined @ weights["controller/kernel"] + weights["controller/bias"])
            settings = h @ weights["head_settings/kernel"] + weights["head_settings/bias"]
            taken = iter(np.clip(settings, -20, 20))

            def take(*shape, taken=taken):
                return np.array([next(taken) for _ in range(math.prod(shape))]).reshape(shape)

            keys, strengths = np.tanh(take(heads, width)), take(heads)
            new_focus = []
            if config.addressing == "full":
                gates, shifts, sharpness = take(heads), take(heads, 5), take(heads)
            for head in range(heads):
                likeness = []
                for row in memory:
                    norms = math.sqrt(
                        reference.dot(row, row) * reference.dot(keys[head], keys[head])
                    )
                    cosine = reference.dot(row, keys[head]) / norms
                    likeness.append(_softplus(strengths[head]) * cosine)
                found = reference.softmax(likeness, [True] * rows)
                if config.addressing == "full":
                    gate = _sigmoid(gates[head])
                    found = [
                        gate * w + (1 - gate) * p for w, p in zip(found, focus[head], strict=True)
                    ]
                    shares = reference.softmax(shifts[head], [True] * 5)
                    found = [
                        sum(shares[j + 2] * found[(i - j) % rows] for j in range(-2, 3))
                        for i in range(rows)
                    ]
                    powers = [w ** (1 + _softplus(sharpness[head])) for w in found]
                    found = [power / sum(powers) for power in powers]
                new_focus.append(found)
            focus = new_focus
            erased, added = (
                take(config.write_heads, width),
                np.tanh(take(config.write_heads, width)),
            )
            assert next(taken, None) is None
            reads = np.zeros((config.read_heads, width))
            for head, i, w in np.ndindex(config.read_heads, rows, width):
                reads[head, w] += focus[head][i] * memory[i][w]
            for head in range(config.write_heads):
                weight = focus[config.read_heads + head]
                for i, w in np.ndindex(rows, width):
                    memory[i][w] *= 1 - weight[i] * _sigmoid(erased[head, w])
                    memory[i][w] += weight[i] * added[head, w]
            read_out = np.concatenate([h, reads.reshape(-1)]) @ weights["readout/kernel"]
            logits = np.clip(read_out + weights["readout/bias"], -20, 20)
            outputs.append(reference.sigmoid(logits))
            all_focus.append(focus)
        all_focus = np.array(all_focus)
        return {
            "outputs": outputs,
            "read_weights": all_focus[:, : config.read_heads],
            "write_weights": all_focus[:, config.read_heads :],
            "memory": memory,
        }


@pytest.mark.parametrize("name", ["lstm", "feedforward", "content", "learned"])
def test_the_machine_is_that_of_the_slow_loop(predicted, name):
    task, _, actual = predicted(name)
    slow = SlowMachine(task.model)
    for row, x in enumerate(_inputs()):
        expected = slow(x)
        assert expected.keys() == actual.keys()
        for output, array in expected.items():
            np.testing.assert_allclose(actual[output][row], array, atol=2e-4, err_msg=output)


@pytest.mark.parametrize("name", CONFIGS)
def test_steps_are_the_whole_sequence(predicted, name):
    task, _, whole = predicted(name)
    step = tf.function(task.step, autograph=False)
    state = task.start(np.zeros(2, "int32"))
    for t in range(11):
        outputs = step(_inputs()[:, t], **state)
        for output in outputs.keys() & {"outputs", "read_weights", "write_weights"}:
            np.testing.assert_allclose(outputs[output], whole[output][:, t], atol=1e-5)
        state = {name: outputs[name] for name in state}
    if "memory" in whole:
        np.testing.assert_allclose(state["memory"], whole["memory"], atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_padding_changes_nothing(predicted, name):
    task, function, _ = predicted(name)
    padded = function(_inputs(), np.array([4, 0], "int32"))
    alone = task.predict(_inputs()[:1, :4], np.array([4], "int32"))
    first = task.start(np.zeros(1, "int32"))
    for output, array in padded.items():
        if output == "memory":
            np.testing.assert_allclose(array[:1], alone[output], atol=1e-5)
            np.testing.assert_array_equal(array[1:], first["memory"])
        else:
            np.testing.assert_allclose(array[:1, :4], alone[output], atol=1e-5)
            assert not np.any(array[0, 4:]) and not np.any(array[1])


@pytest.mark.parametrize("name", CONFIGS)
def test_signatures_are_true(predicted, name):
    task, _, whole = predicted(name)
    predict, start, step = task.signatures()
    state = start.function(streams=np.array([7, 7], "int32"))
    found = step.function(inputs=_inputs()[:, 0], **state)
    for signature, outputs in ((predict, whole), (start, state), (step, found)):
        assert outputs.keys() == signature.outputs.keys()
        for output, spec in signature.outputs.items():
            assert tuple(outputs[output].shape) == spec.at({"B": 2, "T": 11}), output
            assert outputs[output].dtype == spec.dtype
    assert set(step.inputs) == {"inputs", *state}


@pytest.mark.parametrize("name", ["lstm", "feedforward", "content", "learned"])
def test_weights_stay_distributions_through_ten_thousand_random_steps(name):
    model = _model(scale=5.0, **CONFIGS[name])

    @compiled
    def run(seed):
        state = model.start(3)
        names = list(state)

        def one(count, worst, highest, *values):
            drawn = tf.random.stateless_normal((3, 3), seed=tf.stack([seed, count]))
            outputs, new = model.step(10 * drawn, dict(zip(names, values, strict=True)))
            weights = tf.concat([outputs["read_weights"], outputs["write_weights"]], axis=1)
            below = tf.reduce_min(tf.minimum(weights, 0.0), axis=-1)
            off = tf.abs(tf.reduce_sum(weights, axis=-1) - 1) - below
            largest = tf.reduce_max(tf.abs(new["memory"]))
            # A maximum with what is no number would hide it.
            worst = tf.where(tf.reduce_max(off) <= worst, worst, tf.reduce_max(off))
            highest = tf.where(largest <= highest, highest, largest)
            return count + 1, worst, highest, *(new[name] for name in names)

        _, worst, highest, *values = tf.while_loop(
            lambda count, *_: count < 10_000, one, (0, 0.0, 0.0, *state.values())
        )
        return worst, highest, values

    worst, highest, values = run(tf.constant(0))
    assert worst < 1e-5
    assert np.isfinite(highest)
    for value in values:
        assert np.isfinite(value).all()


@pytest.mark.parametrize("name", ["lstm", "feedforward", "content", "learned"])
def test_an_untrained_machine_tells_the_rows_apart(name):
    written = _model(**CONFIGS[name])({"inputs": _inputs()})["memory"]
    assert np.std(written, axis=1).mean() > 1e-3


def test_no_later_input_changes_an_earlier_answer(predicted):
    _, function, whole = predicted("lstm")
    inputs = _inputs()
    inputs[:, 6:] += 1
    changed = function(inputs, np.array([11, 11], "int32"))
    np.testing.assert_allclose(changed["outputs"][:, :6], whole["outputs"][:, :6], atol=1e-6)
    assert np.abs(changed["outputs"][:, 6:] - whole["outputs"][:, 6:]).max() > 1e-3


def _machine_that_copies(bits, rows):
    """Returns a machine set by hand: it writes row after row, and after a delimiter reads so.

    Its controller keeps the last input's bits as signs, and whether the delimiter came. Gates are
    closed, so that heads go by location alone. The write head starts at row 0 and moves on before
    each write, to row 1 first; the read head stays at the last row until the delimiter comes, moves
    to row 0 then, and to row 1 at the first step of the answer.
    """
    model = NeuralTuringMachine(
        NeuralTuringMachineConfig(
            input_width=bits + 1,
            output_width=bits,
            max_length=2 * rows + 1,
            controller_units=bits + 1,
            memory_rows=rows,
            memory_width=bits,
        )
    )
    model.build()
    arrays = {weight.path.split("/", 1)[-1]: np.zeros(weight.shape) for weight in model.weights}
    one, signs, came = math.tanh(1), slice(0, bits), bits

    kernel = arrays["controller/kernel"].reshape(-1, 4, bits + 1)  # gates i, f, g, o
    bias = arrays["controller/bias"].reshape(4, bits + 1)
    bias[:, signs] = np.array([20, -20, -20, 20])[:, None]
    kernel[signs, 2, signs] = 40 * np.eye(bits)
    bias[:, came] = [-20, 20, 20, 20]
    kernel[bits, 0, came] = 40

    heads = {"keys": (2, bits), "strengths": (2,), "gates": (2,), "shifts": (2, 3)}
    heads |= {"sharpness": (2,), "erase_vectors": (1, bits), "add_vectors": (1, bits)}
    ends = np.cumsum([math.prod(shape) for shape in heads.values()])
    settings = {
        name: (from_h.reshape(-1, *shape), always.reshape(shape))
        for (name, shape), from_h, always in zip(
            heads.items(),
            np.split(arrays["head_settings/kernel"], ends[:-1], axis=1),
            np.split(arrays["head_settings/bias"], ends[:-1]),
            strict=True,
        )
    }
    settings["gates"][1][:] = -20
    settings["sharpness"][1][:] = 20
    settings["shifts"][1][:] = [[-20, 20, -20], [-20, -20, 20]]  # the head that reads, that writes
    settings["shifts"][0][came, 0] = [0, -40 / one, 40 / one]
    settings["erase_vectors"][1][:] = 20
    settings["add_vectors"][0][signs, 0] = 20 / one * np.eye(bits)
    for name in ("kernel", "bias"):
        parts = [pair[name == "bias"] for pair in settings.values()]
        leading = parts[0].shape[: parts[0].ndim - 2]
        arrays[f"head_settings/{name}"] = np.concatenate(
            [part.reshape(*leading, -1) for part in parts], axis=-1
        )
    arrays["first_focus"][0, -1] = arrays["first_focus"][1, 0] = 100
    arrays["readout/kernel"][-bits:] = 20 * np.eye(bits)
    for weight, array in zip(model.weights, arrays.values(), strict=True):
        weight.assign(array)
    return model


def test_a_machine_set_by_hand_copies_what_it_was_never_trained_on():
    task = Task(_machine_that_copies(bits=8, rows=128))
    batch = algorithmic.Copy().draw(np.random.default_rng(0), rows=3, length=60)
    found = compiled(task.predict)(batch.inputs, np.full(3, 121, "int32"))
    assert algorithmic.wrong_bits_a_sequence(np.asarray(found["outputs"]), batch) == 0
    # The head that writes went from row to row, and the one that reads after it.
    steps = np.arange(121)
    np.testing.assert_array_equal(
        np.argmax(found["write_weights"], axis=-1), np.tile((steps[:, None] + 1) % 128, (3, 1, 1))
    )
    np.testing.assert_array_equal(np.argmax(found["read_weights"], axis=-1)[0, 61:, 0], steps[1:61])


def test_rows_are_a_circle_so_that_one_vector_too_many_takes_the_place_of_the_first():
    task = Task(_machine_that_copies(bits=8, rows=7))
    vectors = algorithmic.Copy().draw(np.random.default_rng(0), rows=1, length=8).inputs[:, :8]
    memory = np.asarray(task.predict(vectors, np.array([8], "int32"))["memory"])
    signs = 2 * vectors[0, :, :8] - 1
    np.testing.assert_allclose(memory[0], signs[[6, 7, 1, 2, 3, 4, 5]], atol=1e-5)


def test_every_weight_gets_a_gradient():
    model = _model(scale=3.0, **SIZES)

    @compiled
    def gradients(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(
                y=y, y_pred=model({"inputs": x}), sample_weight=tf.ones((2, 6))
            )
        return tape.gradient(loss, model.trainable_variables)

    targets = np.random.default_rng(1).integers(0, 2, (2, 6, 2)).astype("float32")
    for variable, gradient in zip(
        model.trainable_variables, gradients(_inputs(steps=6), targets), strict=True
    ):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_the_loss_is_the_cost_of_the_answer_in_nats():
    batch = algorithmic.Copy().draw(np.random.default_rng(0), rows=5, length=3)
    logits = np.random.default_rng(1).normal(size=batch.targets.shape).astype("float32")
    loss = _model(**SIZES).compute_loss(
        y=batch.targets, y_pred={"logits": logits}, sample_weight=batch.mask.astype("float32")
    )
    bits = algorithmic.bits_a_sequence(1 / (1 + np.exp(-logits)), batch)
    assert float(loss) / math.log(2) == pytest.approx(bits, rel=1e-5)


def test_the_paper_s_machine_has_as_many_weights_as_its_equations():
    model = NeuralTuringMachine(
        NeuralTuringMachineConfig(input_width=9, output_width=8, max_length=241)
    )
    model.build()
    lstm = 4 * 100 * (9 + 20 + 100 + 1)
    head = 20 + 1 + 1 + 3 + 1  # k, beta, g, s, gamma
    settings = (2 * head + 20 + 20) * (100 + 1)  # e and a of the one that writes
    first = 100 + 100 + 20 + 2 * 128
    assert model.count_params() == lstm + settings + (100 + 20 + 1) * 8 + first


@pytest.mark.parametrize(
    "changes",
    [
        {"memory": False, "controller": "feedforward"},
        {"memory_rows": 1},
        {"shift_radius": 7},
        {"read_heads": 0},
        {"write_heads": 0},
        {"max_length": 0},
    ],
)
def test_what_makes_no_machine_is_refused(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        NeuralTuringMachineConfig(**{**SIZES, **changes})


@pytest.mark.parametrize("preset", presets.PRESETS, ids=lambda preset: preset.name)
def test_a_preset_fits_its_task(preset):
    task = algorithmic.TASKS[preset.data.name]()
    assert (task.in_width, task.out_width) == (preset.model.input_width, preset.model.output_width)
    for sizes in algorithmic.tested_sizes(preset.data):
        assert task.num_steps(**sizes) <= preset.model.max_length
    assert from_dict(presets.PRESET_TYPE, preset.configuration()).model == preset.model
    if preset.card:
        batch = task.encode(preset.card.hard_input)
        assert batch.inputs.shape[1] <= preset.model.max_length
        answer = task.decode(batch.targets[0][batch.mask[0]])
        assert answer == preset.card.hard_input_expected


def test_between_the_presets_for_tests_every_option_does_something():
    tests = [preset for preset in presets.PRESETS if preset.for_tests]
    plain = to_dict(NeuralTuringMachineConfig(input_width=1, output_width=1, max_length=1))
    for name, value in plain.items():
        assert any(getattr(preset.model, name) != value for preset in tests), name


def test_sizes_grow_one_at_a_time_beyond_the_training():
    data = presets.SequencesConfig(
        name="repeat_copy", longest=10, tested_longest=30, tested_every=10, curriculum_steps=90
    )
    sizes = [tuple(sizes.values()) for sizes in algorithmic.tested_sizes(data)]
    assert sizes == [(10, 10), (20, 10), (30, 10), (10, 20), (10, 30)]
    assert [train.longest_at(step, data) for step in (0, 9, 10, 89, 90, 500)] == [
        1,
        1,
        2,
        9,
        10,
        10,
    ]


def test_sequences_are_padded_without_being_asked_more():
    batch = algorithmic.Copy().draw(np.random.default_rng(0), rows=2, length=5)
    padded = train.padded(batch)
    assert padded.inputs.shape == (2, 16, 9)
    for array, whole in zip(batch, padded, strict=True):
        np.testing.assert_array_equal(whole[:, :11], array)
        assert not whole[:, 11:].any()


def test_a_training_that_resumes_ends_where_one_that_did_not_stop_ends(tmp_path):
    preset = next(preset for preset in presets.PRESETS if preset.name.endswith("_test_lstm"))

    def run(folder, *changes, resume=False):
        train.train(
            override(preset, changes),
            output=tmp_path / folder,
            data_dir=None,
            command="none",
            resume=resume,
        )
        return json.loads((tmp_path / folder / "report.json").read_text())

    whole = run("whole")
    run("parts", "train.epochs=1")
    parts = run("parts", resume=True)
    assert [epoch["steps"] for epoch in whole["epochs"]] == [10, 10]
    assert [[sizes["length"] for sizes in report["tested"]] for report in (whole, parts)] == [
        [12, 14]
    ] * 2
    for metric in ("loss", "bits", "wrong_bits", "optimal_bits"):
        assert parts["epochs"][1][metric] == whole["epochs"][1][metric], metric
    folder = tmp_path / "parts"
    assert set(Artefact.open(folder).manifest["files"]) == {"model.weights.h5"}
    assert list((folder / "logs").rglob("events.*"))


@pytest.mark.parametrize("name", ["lstm", "content"])
def test_litert_answers_alike_by_built_in_operators(predicted, tmp_path, name):
    task, function, _ = predicted(name)
    graph = Graph(task.model)
    add_signatures(graph, task.signatures(), task.static_sizes)
    graph.save(tmp_path)
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(tmp_path), signature_keys=["predict", "start", "step"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert())
    predict, start, step = map(interpreter.get_signature_runner, ("predict", "start", "step"))

    inputs, length = _inputs(batch=1), np.array([6], "int32")
    inputs[:, 6:] = 9  # whatever comes after the end
    there, here = predict(inputs=inputs, length=length), function(inputs, length)
    assert there.keys() == here.keys()
    for output, array in here.items():
        np.testing.assert_allclose(there[output], array, atol=1e-5, err_msg=output)

    state = start(streams=np.zeros(1, "int32"))
    assert state.keys() == task.state_specs.keys()
    for t in range(6):
        outputs = step(inputs=inputs[:, t], **state)
        np.testing.assert_allclose(outputs["outputs"], here["outputs"][:, t], atol=1e-5)
        state = {entry: outputs[entry] for entry in state}
    np.testing.assert_allclose(state["memory"], here["memory"], atol=1e-5)


ON_JAX = """
import sys
import keras, numpy as np
from zoo.config import from_dict
from zoo.models.neural_turing_machine.config import NeuralTuringMachineConfig
from zoo.models.neural_turing_machine.model import NeuralTuringMachine
from zoo.models.neural_turing_machine.task import Task
assert keras.backend.backend() == "jax"
folder, sizes = sys.argv[1:]
model = NeuralTuringMachine(NeuralTuringMachineConfig(**eval(sizes)))
model.build()
model.load_weights(folder + "/model.weights.h5")
arrays = dict(np.load(folder + "/inputs.npz"))
found = Task(model).predict(**arrays)
np.savez(folder + "/outputs.npz", **{name: np.asarray(array) for name, array in found.items()})
"""


def test_jax_gives_the_numbers_of_tensorflow(predicted, tmp_path):
    task, function, _ = predicted("lstm")
    arrays = {"inputs": _inputs(), "length": np.array([11, 6], "int32")}
    task.model.save_weights(tmp_path / "model.weights.h5")
    np.savez(tmp_path / "inputs.npz", **arrays)
    run_python(ON_JAX, tmp_path, repr(SIZES), KERAS_BACKEND="jax")
    there, here = np.load(tmp_path / "outputs.npz"), function(**arrays)
    assert set(there) == set(here)
    for output, array in here.items():
        np.testing.assert_allclose(there[output], array, atol=1e-4, err_msg=output)


TRAIN = """
import json, sys
import keras, numpy as np
from zoo.models.neural_turing_machine.config import NeuralTuringMachineConfig
from zoo.models.neural_turing_machine.model import NeuralTuringMachine
weights, sizes = sys.argv[1:]
model = NeuralTuringMachine(NeuralTuringMachineConfig(**eval(sizes)))
model.build()
model.load_weights(weights)
model.compile(optimizer=keras.optimizers.SGD(0.05))
losses = []
for steps in (5, 8, 5):
    generator = np.random.default_rng(steps)
    inputs = generator.normal(size=(4, steps, model.config.input_width)).astype("float32")
    answers = generator.integers(2, size=(4, steps, model.config.output_width)).astype("float32")
    asked = np.ones((4, steps), "float32")
    losses.append(float(model.train_on_batch({"inputs": inputs}, answers, asked)))
print(json.dumps([keras.backend.backend(), losses]))
"""


def test_jax_learns_as_tensorflow_does(predicted, tmp_path):
    weights = tmp_path / "model.weights.h5"
    predicted("lstm")[0].model.save_weights(weights)
    losses = {}
    for backend in ("tensorflow", "jax"):
        printed = run_python(TRAIN, weights, repr(SIZES), KERAS_BACKEND=backend)
        name, losses[backend] = json.loads(printed)
        assert name == backend
    first, _, again = losses["jax"]
    assert again < first - 0.1
    np.testing.assert_allclose(losses["jax"], losses["tensorflow"], rtol=1e-5)
