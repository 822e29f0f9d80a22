"""What the tasks ask and answer, by hand and by slow loops."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data import algorithmic
from zoo.data.algorithmic import TASKS
from zoo.errors import ZooError

SIZES = {
    "copy": {"length": 5},
    "repeat_copy": {"length": 3, "repeats": 4},
    "associative_recall": {"items": 5},
    "dynamic_ngrams": {"length": 23},
    "priority_sort": {"length": 10},
}
TYPED = {
    "copy": ("10110010 01101001", "10110010 01101001"),
    "repeat_copy": ("2: 10110010 01101001", "10110010 01101001 10110010 01101001 end"),
    "associative_recall": (
        "101101 011010 111000; 000111 110011 010101; 111111 000000 100001 ? 000111 110011 010101",
        "111111 000000 100001",
    ),
    "dynamic_ngrams": ("0110100110", "00110"),
    "priority_sort": (
        "0.52:10110010 -0.1:01101001 1:11111111 -1:00000000 0.5:00001111",
        "11111111 10110010 00001111 01101001",
    ),
}


def _draw(name, rows=3, seed=0, **sizes):
    generator = np.random.default_rng(seed)
    return TASKS[name]().draw(generator, rows=rows, **SIZES[name] | sizes)


@pytest.mark.parametrize("name", TASKS)
def test_sequences_have_the_shapes_that_are_declared(name):
    task, batch = TASKS[name](), _draw(name)
    steps = task.num_steps(**SIZES[name])
    assert set(task.sizes) == set(SIZES[name])
    assert batch.inputs.shape == (3, steps, task.in_width)
    assert batch.targets.shape == (3, steps, task.out_width)
    assert batch.mask.shape == (3, steps)
    assert (batch.inputs.dtype, batch.targets.dtype, batch.mask.dtype) == ("float32",) * 2 + (bool,)
    assert set(np.unique(batch.targets)) <= {0, 1}
    assert not batch.targets[~batch.mask].any()


@pytest.mark.parametrize("name", TASKS)
def test_a_seed_draws_the_same_and_another_draws_others(name):
    first, again, other = _draw(name), _draw(name), _draw(name, seed=1)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first.inputs != other.inputs).any()


@pytest.mark.parametrize("name", [name for name in TASKS if name != "dynamic_ngrams"])
def test_the_answer_comes_last_and_without_input(name):
    batch = _draw(name)
    first = int(batch.mask[0].argmax())
    assert first > 0 and batch.mask[:, first:].all() and not batch.mask[:, :first].any()
    assert not batch.inputs[batch.mask].any()


@pytest.mark.parametrize("name", TASKS)
def test_what_is_typed_is_asked_and_its_answer_reads_so(name):
    task = TASKS[name]()
    line, answer = TYPED[name]
    batch = task.encode(f"  {line} ")
    assert task.decode(batch.targets[0][batch.mask[0]]) == answer
    assert batch.inputs.shape[0] == 1


def test_samples_are_the_same_always_and_of_all_sizes():
    data = SimpleNamespace(name="repeat_copy", shortest=1, longest=4)
    samples, again = (algorithmic.sample_sequences(data) for _ in range(2))
    for one, other in zip(samples, again, strict=True):
        np.testing.assert_array_equal(one.inputs, other.inputs)
    steps = {TASKS["repeat_copy"]().num_steps(length=n, repeats=n) for n in (1, 2, 3, 4)}
    assert {sample.mask.shape for sample in samples} == {(1, count) for count in steps}


def test_copy_is_the_vectors_a_delimiter_and_the_vectors_again():
    inputs, targets, mask = TASKS["copy"]().encode("10110010 01101001")
    vectors = [[1, 0, 1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 1, 0, 0, 1]]
    asked = [[*vectors[0], 0], [*vectors[1], 0], [0] * 8 + [1], [0] * 9, [0] * 9]
    np.testing.assert_array_equal(inputs, [asked])
    np.testing.assert_array_equal(targets[0, 3:], vectors)
    np.testing.assert_array_equal(mask, [[False, False, False, True, True]])


def test_repeat_copy_tells_the_number_with_the_delimiter_and_ends_with_a_marker():
    inputs, targets, mask = TASKS["repeat_copy"]().encode("3: 10110010")
    np.testing.assert_array_equal(inputs[0, 0], [1, 0, 1, 1, 0, 0, 1, 0, 0, 0])
    np.testing.assert_allclose(inputs[0, 1], [0] * 8 + [1, 0.3])
    np.testing.assert_array_equal(targets[0, 2:5], [[1, 0, 1, 1, 0, 0, 1, 0, 0]] * 3)
    np.testing.assert_array_equal(targets[0, 5], [0] * 8 + [1])
    assert mask.sum() == 4


def test_recall_asks_for_any_item_but_the_last_and_wants_the_next():
    batch = _draw("associative_recall", rows=200)
    asked = set()
    for inputs, targets, mask in zip(*batch, strict=True):
        items = [inputs[4 * k + 1 : 4 * k + 4, :6] for k in range(5)]
        assert [inputs[4 * k, 6] for k in range(5)] == [1] * 5
        assert inputs[20, 7] == inputs[24, 7] == 1 and inputs[:, 6:].sum() == 7
        found = [k for k in range(5) if np.array_equal(items[k], inputs[21:24, :6])]
        np.testing.assert_array_equal(targets[mask], items[found[0] + 1])
        asked.update(found)
    assert asked == {0, 1, 2, 3}


def test_sort_answers_four_fifths_from_the_highest():
    inputs, targets, mask = _draw("priority_sort")
    for row in range(3):
        order = sorted(range(10), key=lambda k: -inputs[row, k, 8])
        np.testing.assert_array_equal(targets[row][mask[row]], inputs[row, order[:8], :8])
    assert inputs[:, :10, 8].min() < 0 < inputs[:, :10, 8].max()


def test_a_bit_is_the_next_input_of_its_stream():
    inputs, targets, mask = _draw("dynamic_ngrams")
    np.testing.assert_array_equal(mask, np.tile(np.arange(22) >= 4, (3, 1)))
    np.testing.assert_array_equal(targets[:, 4:-1], inputs[:, 5:])


def test_the_next_bit_depends_on_the_five_before():
    batch = _draw("dynamic_ngrams", rows=150, length=400)
    equal = []
    for inputs, targets in zip(batch.inputs[:, :, 0], batch.targets[:, :, 0], strict=True):
        followed = {}
        for step in range(4, len(inputs)):
            followed.setdefault(tuple(inputs[step - 4 : step + 1]), []).append(targets[step])
        # Not those that follow themselves: they come back because of the bit that followed.
        equal += [
            after[0] == after[1]
            for context, after in followed.items()
            if len(after) > 1 and len(set(context)) > 1
        ]
    # Of two draws by p ~ Beta(1/2, 1/2), E[p^2 + (1 - p)^2] = 3/4 are equal.
    assert np.mean(equal) == pytest.approx(0.75, abs=0.025)


def test_the_optimal_estimator_is_equation_10():
    task, batch = TASKS["dynamic_ngrams"](), _draw("dynamic_ngrams", length=60)
    optimal = task.optimal_probabilities(batch)
    for row in range(3):
        bits = [*batch.inputs[row, :, 0], batch.targets[row, -1, 0]]
        for step in range(59):
            expected = 0.5
            if step >= 4:
                context = bits[step - 4 : step + 1]
                after = [bits[k + 5] for k in range(step - 4) if bits[k : k + 5] == context]
                expected = (sum(after) + 0.5) / (len(after) + 1)
            assert optimal[row, step, 0] == pytest.approx(expected)


def test_the_optimal_estimator_costs_what_is_known():
    task = TASKS["dynamic_ngrams"]()
    batch = _draw("dynamic_ngrams", rows=1000, length=200)
    cost = algorithmic.bits_a_sequence(task.optimal_probabilities(batch), batch)
    assert cost == pytest.approx(127.9, abs=4)  # a standard error is 1.1


@pytest.mark.parametrize(
    ("name", "bits"), [("copy", 40), ("repeat_copy", 9 * 13), ("associative_recall", 18)]
)
def test_even_odds_cost_a_bit_for_each_bit(name, bits):
    batch = _draw(name)
    assert algorithmic.bits_a_sequence(np.full(batch.targets.shape, 0.5), batch) == bits


def test_costs_and_wrong_bits_count_the_answer_alone():
    batch = _draw("copy", rows=2, length=1)
    probabilities = np.full(batch.targets.shape, 0.5, "float32")  # wrong outside of the answer
    probabilities[batch.mask] = np.where(batch.targets[batch.mask] == 1, 0.9, 0.1)
    probabilities[0, 2, 0] = 1 - probabilities[0, 2, 0]
    expected = -(15 * math.log2(0.9) + math.log2(0.1)) / 2
    assert algorithmic.bits_a_sequence(probabilities, batch) == pytest.approx(expected, rel=1e-5)
    assert algorithmic.wrong_bits_a_sequence(probabilities, batch) == 0.5


def test_what_is_wrong_for_sure_has_a_finite_cost():
    batch = _draw("copy", rows=1, length=1)
    assert algorithmic.bits_a_sequence(1 - batch.targets, batch) == 8 * 24


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("copy", ""),
        ("copy", "1011001"),
        ("copy", "1011001２"),
        ("copy", "10110010, 01101001"),
        ("repeat_copy", "10110010"),
        ("repeat_copy", "0: 10110010"),
        ("repeat_copy", "100: 10110010"),
        ("repeat_copy", "²: 10110010"),
        ("repeat_copy", "2:"),
        ("associative_recall", "101101 011010 111000; 000111 110011 010101"),
        ("associative_recall", "101101 011010; 000111 110011 ? 101101 011010"),
        (
            "associative_recall",
            "101101 011010 111000; 000111 110011 010101 ? 000111 110011 010101",
        ),
        ("dynamic_ngrams", "01101"),
        ("dynamic_ngrams", "011012"),
        ("priority_sort", "0.5:10110010"),
        ("priority_sort", "0.5:10110010 1.5:01101001"),
        ("priority_sort", "0.5:10110010 nan:01101001"),
        ("priority_sort", "0.5:10110010 01101001"),
        ("priority_sort", "0.5:10110010 x:01101001"),
        ("priority_sort", "0.5:10110010 0.1:"),
    ],
)
def test_what_is_no_question_is_refused(name, line):
    with pytest.raises(ZooError, match="Expected .* Received: '"):
        TASKS[name]().encode(line)


def test_an_error_repeats_the_beginning_of_a_long_line():
    with pytest.raises(ZooError) as raised:
        TASKS["copy"]().encode("1" * 1000)
    assert len(str(raised.value)) < 200
