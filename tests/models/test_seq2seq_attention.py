"""Every attention that the configuration offers: trained, stepped, and put on a device."""

import dataclasses
import itertools
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
from zoo.training.losses import TokenCrossEntropy

TYPES = typing.get_type_hints(AttentionConfig)
SCORES = typing.get_args(TYPES["score"])
NORMALIZERS = [x for x in typing.get_args(TYPES["normalizer"]) if x != "softmax"]
WINDOWS = [x for x in typing.get_args(TYPES["window"]) if x != "global"]
SELECTIONS = [x for x in typing.get_args(TYPES["selection"]) if x != "soft"]
ORDERS = {
    "luong": {},
    "feeding": {"input_feeding": True, "readout": "tanh"},
    "bahdanau": {"order": "bahdanau", "readout": "maxout", "initial_state": "backward"},
    "conditional": {"order": "conditional", "readout": "deep", "initial_state": "mean"},
}


def _variants():
    """Returns every attention in every order, and every other option in one, by name."""
    found = {}
    for order, model in ORDERS.items():
        for score in SCORES:
            found[f"{order}-{score}"] = {**model, "attention": {"score": score}}
        for name, values in (
            ("normalizer", NORMALIZERS),
            ("window", WINDOWS),
            ("selection", SELECTIONS),
        ):
            for value in values:
                attention = {"score": "general", name: value, "half_width": 2}
                found[f"{order}-{value}"] = {**model, "attention": attention}
    # Options that meet in one attention; those that contradict each other are refused elsewhere.
    for score, normalizer, window, selection in itertools.product(
        ("general", "additive"),
        typing.get_args(TYPES["normalizer"]),
        typing.get_args(TYPES["window"]),
        typing.get_args(TYPES["selection"]),
    ):
        options = (normalizer != "softmax") + (window != "global") + (selection != "soft")
        draws = selection != "soft"
        if options < (1 if score == "additive" else 2) or (
            draws and (normalizer == "none" or window == "local_p")
        ):
            continue
        attention = {"score": score, "normalizer": normalizer, "window": window,
                     "selection": selection, "half_width": 2}  # fmt: skip
        found[f"luong-{score}-{normalizer}-{window}-{selection}"] = {"attention": attention}
    tied = {"tie_embeddings": "all", "embedding_dim": 12}
    dropped = dict.fromkeys(("embedding_dropout", "context_dropout", "readout_dropout"), 0.1)
    additive = {"attention": {"score": "additive"}}
    lstm = {"cell": "lstm", "num_layers": 2}
    found["conditional-tied"] = {**ORDERS["conditional"], **additive, **tied, **dropped}
    found["conditional-deep"] = {**ORDERS["conditional"], **additive, "num_layers": 2}
    found["conditional-wide"] = {**ORDERS["conditional"], **additive, "encoder_units": 20}
    found["bahdanau-lstm"] = {**ORDERS["bahdanau"], **additive, **lstm, "dropout": 0.1}
    found["bahdanau-linear"] = {"order": "bahdanau", **additive}
    found["feeding-lstm"] = {**ORDERS["feeding"], **lstm, "readout_units": 24, "dropout": 0.05}
    found["luong-tied"] = {"readout": "tanh", **tied, "tie_embeddings": "output"}
    found["luong-maxout"] = {"readout": "maxout", "bidirectional": False, "share_parameters": True}
    return found


VARIANTS = _variants()
# Of every option at least one; the others are slow together.
COMMON = (
    *(f"luong-{score}" for score in SCORES),
    *("luong-sparsemax", "luong-none", "luong-local_m", "luong-local_p", "luong-hard"),
    *("feeding-general", "bahdanau-additive", "bahdanau-hard", "conditional-gumbel"),
    "conditional-tied",
)
LEARNT = EXPORTED = ("luong-local_p", "bahdanau-hard")


def _parameters(common):
    marks = {True: (), False: pytest.mark.slow}
    return pytest.mark.parametrize(
        "variant", [pytest.param(name, marks=marks[name in common]) for name in VARIANTS]
    )


def _task(variant):
    keras.utils.set_random_seed(0)
    preset = models.preset("seq2seq_test")
    changes = {"num_layers": 1, **VARIANTS[variant]}
    changes["attention"] = AttentionConfig(**{"units": 7} | changes.get("attention", {}))
    model = dataclasses.replace(preset.model, **changes)
    return Task.from_preset(dataclasses.replace(preset, model=model))


@_parameters(COMMON)
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


@_parameters(LEARNT)
def test_one_batch_is_learnt_by_every_weight(variant):
    task, arrays = _task(variant), batch("seq2seq_test")
    targets = arrays.pop("target_outputs")
    task.model.compile(
        optimizer=keras.optimizers.Adam(1e-2, global_clipnorm=5.0),
        loss=TokenCrossEntropy(pad_id=PAD_ID),
    )
    before = [weight.numpy() for weight in task.model.trainable_weights]
    epochs = 60 if variant in LEARNT else 120  # some learn slowly
    history = task.model.fit(arrays, targets, epochs=epochs, batch_size=len(targets), verbose=0)
    for weight, start in zip(task.model.trainable_weights, before, strict=True):
        assert not np.array_equal(weight.numpy(), start), weight.path
    # A raw match is as large as the source is long, and saturates a readout with a tanh.
    share = 0.6 if variant.endswith("-none") else 0.4
    assert history.history["loss"][-1] < share * history.history["loss"][0]


@_parameters(EXPORTED)
def test_litert_has_its_operators_and_gives_its_tokens(variant, tmp_path):
    task, source = _task(variant), batch("seq2seq_test", rows=4)["source"]
    convert(task, tmp_path / "model.tflite", quantize="none", beam_size=2)
    engine = LiteRTEngine((tmp_path / "model.tflite").read_bytes())
    expected = KerasEngine(task.model, task.signatures()).run("generate", source=source)
    for row in range(len(source)):
        actual = engine.run("generate", source=source[row : row + 1])
        np.testing.assert_array_equal(actual["tokens"][0], expected["tokens"][row])
        np.testing.assert_allclose(actual["alignment"][0], expected["alignment"][row], atol=1e-4)


def test_local_attention_looks_within_its_window():
    for window in ("local_m", "local_p"):
        task = _task(f"luong-{window}")
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
