"""Weights come back bit by bit, or not at all."""

import dataclasses

import h5py
import numpy as np
import pytest
from cases import TINY, batch, task

import zoo
from zoo import models, weights
from zoo.config import AttentionConfig
from zoo.errors import ZooError
from zoo.models.seq2seq.task import Task


@pytest.fixture
def saved(tmp_path):
    def save(name):
        path = tmp_path / "model.weights.h5"
        weights.save(task(name).model, path)
        return path

    return save


@pytest.mark.parametrize("name", TINY)
def test_loaded_weights_give_the_same_bits(saved, name):
    other = zoo.build(name, seed=1)
    arrays = batch(name)
    inputs = {key: arrays[key] for key in ("source", "target_inputs")}
    expected = np.asarray(task(name).model(inputs))
    assert not np.array_equal(other.model(inputs), expected)
    weights.load(other.model, saved(name))
    np.testing.assert_array_equal(other.model(inputs), expected)


def _datasets(path):
    names = []
    with h5py.File(path) as file:
        file.visititems(lambda name, x: names.append(name) if isinstance(x, h5py.Dataset) else None)
    return names


@pytest.mark.parametrize("name", TINY)
def test_a_missing_weight_is_refused(saved, name):
    path = saved(name)
    first = _datasets(path)[0]
    with h5py.File(path, "r+") as file:
        del file[first]
    _refused(path, name, first)


@pytest.mark.parametrize("name", TINY)
def test_an_extra_weight_is_refused(saved, name):
    path = saved(name)
    with h5py.File(path, "r+") as file:
        file["readout/vars/7"] = np.zeros(3)
    _refused(path, name, "readout/vars/7")


@pytest.mark.parametrize("name", TINY)
def test_a_weight_of_another_shape_is_refused(saved, name):
    path = saved(name)
    first = _datasets(path)[0]
    with h5py.File(path, "r+") as file:
        shape = file[first].shape
        del file[first]
        file[first] = np.zeros((*shape, 2))
    _refused(path, name, first)


def _refused(path, name, weight):
    other = zoo.build(name, seed=1)
    before = other.model.get_weights()
    with pytest.raises(ZooError, match=weight):
        weights.load(other.model, path)
    for now, then in zip(other.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("name", TINY)
def test_half_weights_are_the_weights_rounded(saved, name, tmp_path):
    path = saved(name)
    half = tmp_path / "half.weights.h5"
    weights.halve(path, half)
    other = zoo.build(name, seed=1)
    weights.load(other.model, half)
    for variable, whole in zip(other.model.weights, task(name).model.weights, strict=True):
        rounded = np.asarray(whole)
        if rounded.dtype == np.float32:
            rounded = rounded.astype(np.float16)
        np.testing.assert_array_equal(np.asarray(variable), rounded, err_msg=variable.path)


def test_a_weight_too_large_for_float16_is_refused(saved, tmp_path):
    path = saved(TINY[0])
    name = _datasets(path)[0]
    with h5py.File(path, "r+") as file:
        file[name][...] = 70000.0
    with pytest.raises(ZooError, match="float16 cannot hold"):
        weights.halve(path, tmp_path / "half.weights.h5")


@pytest.mark.parametrize("change", [{}, {"window": "local_p"}, {"score": "dot"}])
def test_weights_are_copied_and_an_attention_of_another_kind_in_part(change):
    additive = {"score": "additive", "units": 7}
    source, target = _attending(additive, seed=0), _attending(additive | change, seed=1)
    theirs, before = _values(source), _values(target)
    weights.copy_trainable(source, target, partly="attention")
    ours = _values(target)
    own = {"center_kernel", "center_vector"} if "window" in change else set()
    for path, value in ours.items():
        expected = before[path] if path.rpartition("/")[2] in own else theirs[path]
        np.testing.assert_array_equal(value, expected, err_msg=path)


def test_another_shape_is_not_copied():
    dot = {"score": "dot"}
    source, target = _attending(dot, seed=0), _attending(dot, seed=0, embedding_dim=9)
    with pytest.raises(ZooError, match=r"Expected weight 'decoder/.* in the model to start from"):
        weights.copy_trainable(source, target, partly="attention")


def _values(model) -> dict:
    return {x.path.removeprefix(f"{model.name}/"): x.numpy() for x in model.trainable_weights}


def _attending(options, *, seed, **changes):
    """Returns a model of random weights whose attention has these options."""
    preset = models.preset("seq2seq_test")
    attention = AttentionConfig(**options)
    config = dataclasses.replace(preset.model, attention=attention, **changes)
    model = Task.from_preset(dataclasses.replace(preset, model=config)).model
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape))
    return model
