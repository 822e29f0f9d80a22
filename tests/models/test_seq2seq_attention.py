"""Every attention that the configuration offers: trained, stepped, and put on a device."""

import dataclasses
import typing

import keras
import numpy as np
import pytest
from cases import batch

from zoo import models
from zoo.config import AttentionConfig
from zoo.export.litert import convert
from zoo.models.seq2seq.task import Task
from zoo.runtime.keras_engine import KerasEngine
from zoo.runtime.litert_engine import LiteRTEngine
from zoo.text.tokenizer import PAD_ID

TYPES = typing.get_type_hints(AttentionConfig)
SCORES = typing.get_args(TYPES["score"])
NORMALIZERS = typing.get_args(TYPES["normalizer"])
WINDOWS = typing.get_args(TYPES["window"])
VARIANTS = [{"score": score} for score in SCORES]
VARIANTS += [{"score": "general", "normalizer": x} for x in NORMALIZERS if x != "softmax"]
VARIANTS += [{"score": "general", "window": x, "half_width": 2} for x in WINDOWS if x != "global"]
variants = pytest.mark.parametrize(
    "variant", VARIANTS, ids=lambda x: "-".join(map(str, x.values()))
)


def _task(variant):
    keras.utils.set_random_seed(0)
    preset = models.preset("seq2seq_test")
    attention = AttentionConfig(**{"units": 7} | variant)
    model = dataclasses.replace(preset.model, attention=attention, num_layers=1)
    return Task.from_preset(dataclasses.replace(preset, model=model))


@variants
def test_steps_equal_the_forward_pass(variant):
    task, arrays = _task(variant), batch("seq2seq_test")
    parallel = np.asarray(task.model({k: arrays[k] for k in ("source", "target_inputs")}))
    state = task.start(arrays["source"])
    for position in range(parallel.shape[1]):
        tokens = arrays["target_inputs"][:, position]
        logits, changed, weights = task.step(tokens, np.array(position, "int32"), state)
        np.testing.assert_allclose(logits, parallel[:, position], rtol=0, atol=1e-5)
        assert (np.asarray(weights)[arrays["source"] == PAD_ID] == 0).all()
        state = {**state, **changed}


@variants
def test_one_batch_is_learnt_by_every_weight(variant):
    task, arrays = _task(variant), batch("seq2seq_test")
    targets = arrays.pop("target_outputs")
    task.model.compile(
        optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=5.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PAD_ID),
    )
    before = [weight.numpy() for weight in task.model.trainable_weights]
    history = task.model.fit(arrays, targets, epochs=60, batch_size=len(targets), verbose=0)
    for weight, start in zip(task.model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), start), weight.path
    assert history.history["loss"][-1] < 0.4 * history.history["loss"][0]


@pytest.mark.parametrize(
    "variant",
    [pytest.param(x, marks=() if "general" in x.values() else pytest.mark.slow) for x in VARIANTS],
    ids=lambda x: "-".join(map(str, x.values())),
)
def test_litert_has_its_operators_and_gives_its_tokens(variant, tmp_path):
    task, source = _task(variant), batch("seq2seq_test", rows=4)["source"]
    convert(task, tmp_path / "model.tflite", quantize="none", beam_size=2)
    engine = LiteRTEngine((tmp_path / "model.tflite").read_bytes())
    keras_engine = KerasEngine(
        task.model, task.signatures(), max_source_length=task.max_source_length
    )
    expected = keras_engine.run("generate", source=source)
    for row in range(len(source)):
        actual = engine.run("generate", source=source[row : row + 1])
        np.testing.assert_array_equal(actual["tokens"][0], expected["tokens"][row])
        np.testing.assert_allclose(actual["alignment"][0], expected["alignment"][row], atol=1e-4)


def test_local_attention_looks_within_its_window():
    for window in ("local_m", "local_p"):
        task = _task({"score": "general", "window": window, "half_width": 2})
        state = task.start(batch("seq2seq_test")["source"])
        tokens = np.full(6, 9, "int32")
        _, _, weights = task.step(tokens, np.array(4, "int32"), state)
        looked_at = np.asarray(weights) > 0
        assert looked_at.any(axis=1).all()
        assert looked_at.sum(axis=1).max() <= 5
        if window == "local_m":
            assert set(np.nonzero(looked_at)[1]) <= {2, 3, 4, 5, 6}


def test_scores_of_equal_widths_refuse_others():
    from zoo.attention import Attention

    with pytest.raises(ValueError, match="as wide as keys"):
        Attention(AttentionConfig(), query_width=3, key_width=4, max_source_length=5)
