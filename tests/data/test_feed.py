"""The order of batches, and batches by length."""

import numpy as np
import pytest

from zoo.data.feed import LengthBatches, ShuffledBatches

LENGTHS = np.array([1, 3, 4, 5, 7, 8, 8, 9, 30, 32, 33, 40] * 5)
SOURCE = np.array([[5] * length + [0] * (40 - length) for length in LENGTHS], "int32")
SOURCE[:, 0] = np.arange(1, len(LENGTHS) + 1)  # tells the rows apart
TARGET = np.where(np.arange(20) < (LENGTHS // 2)[:, None], 7, 0).astype("int32")


def _by_length(**options):
    settings = {"batch_tokens": 64, "pad_id": 0, "seed": 3} | options
    return LengthBatches(lambda epoch: ({"source": SOURCE}, TARGET), **settings)


def _rows(batches):
    found = []
    for index in range(len(batches)):
        inputs, _ = batches[index]
        found += [int(row) for row in inputs["source"][:, 0] if row]
    return found


def test_every_row_comes_once_an_epoch():
    batches = _by_length()
    for _ in range(3):
        assert sorted(_rows(batches)) == list(range(1, len(LENGTHS) + 1))
        batches.on_epoch_end()


def test_rows_come_whole_and_with_their_targets():
    batches = _by_length()
    for index in range(len(batches)):
        inputs, targets = batches[index]
        for source, target in zip(inputs["source"], targets, strict=True):
            if source[0]:
                row = source[0] - 1
                assert (source != 0).sum() == LENGTHS[row]
                assert (target != 0).sum() == LENGTHS[row] // 2


def test_batches_are_of_few_shapes_within_the_budget():
    batches = _by_length()
    shapes = {batches[index][1].shape for index in range(len(batches))}
    assert shapes == {(16, 4), (8, 8), (5, 12), (2, 32), (1, 40)}
    assert all(batches[index][0]["source"].shape in shapes for index in range(len(batches)))


def test_a_row_longer_than_the_budget_has_a_batch_of_its_own():
    batches = _by_length(batch_tokens=10)
    assert (1, 40) in {batches[index][1].shape for index in range(len(batches))}
    assert sorted(_rows(batches)) == list(range(1, len(LENGTHS) + 1))


def test_the_first_two_batches_differ_in_length():
    for seed in range(20):
        batches = _by_length(seed=seed)
        assert batches[0][1].shape[1] != batches[1][1].shape[1]


def _by_chance(**options):
    settings = {"batch_size": 7, "seed": 3} | options
    return ShuffledBatches(lambda epoch: ({"source": SOURCE}, TARGET), **settings)


@pytest.mark.parametrize("make", [_by_length, _by_chance])
def test_the_order_depends_on_seed_and_epoch_alone(make):
    first, again = make(), make()
    assert _rows(first) == _rows(again)
    assert _rows(make(seed=4)) != _rows(first)
    first.on_epoch_end()
    assert _rows(first) != _rows(again)
    assert _rows(make(epoch=1)) == _rows(first)


def _another_each_epoch(epoch):
    return {"source": SOURCE + 100 * epoch * (SOURCE != 0)}, TARGET


@pytest.mark.parametrize("make", [
    lambda **options: LengthBatches(_another_each_epoch, batch_tokens=64, pad_id=0, **options),
    lambda **options: ShuffledBatches(_another_each_epoch, batch_size=7, **options),
])  # fmt: skip
def test_an_epoch_has_its_own_examples(make):
    first, second = make(seed=3), make(seed=3, epoch=1)
    assert sorted(_rows(second)) == [row + 100 for row in sorted(_rows(first))]
    first.on_epoch_end()
    assert _rows(first) == _rows(second)


def _twice_in_epoch(twice):
    def examples(epoch):
        times = 2 if epoch == twice else 1
        return {"source": np.repeat(SOURCE, times, axis=0)}, np.repeat(TARGET, times, axis=0)

    return examples


def test_every_epoch_has_as_many_batches_as_the_first():
    for twice in (0, 1):
        batches = LengthBatches(_twice_in_epoch(twice), batch_tokens=64, pad_id=0, seed=3)
        count = len(batches)
        batches.on_epoch_end()
        assert len(batches) == count
        rows = _rows(batches)  # reads every batch
        if twice == 0:
            assert set(rows) == set(range(1, len(LENGTHS) + 1))  # some come again, none is missed
