"""Configuration survives JSON, and takes no value that is not one."""

import dataclasses
import json
from typing import Literal

import pytest

from zoo import models
from zoo.config import (
    ConfigError,
    DataConfig,
    DecodeConfig,
    TrainConfig,
    from_dict,
    override,
    require_choice,
    to_dict,
    unknown_name,
)

PRESETS = models.presets()
TINY = PRESETS["seq2seq_test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Inner:
    number: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outer:
    needed: str
    kind: Literal["a", "b"] = "a"
    rate: float = 0.5
    flag: bool = False
    limit: int | None = None
    turns: tuple[float, ...] = ()
    inner: Inner = Inner()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_json(name):
    preset = PRESETS[name]
    assert from_dict(type(preset), json.loads(json.dumps(to_dict(preset)))) == preset


def test_every_value_survives_json():
    config = Outer(
        needed="é\n",
        kind="b",
        rate=1e-9,
        flag=True,
        limit=7,
        turns=(1.0, 0.5),
        inner=Inner(number=-2),
    )
    values = json.loads(json.dumps(to_dict(config)))
    assert values == to_dict(config)
    assert from_dict(Outer, values) == config


def test_what_is_not_given_has_its_default():
    assert from_dict(Outer, {"needed": "x"}) == Outer(needed="x")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("needed=y", {"needed": "y"}),
        ("needed=", {"needed": ""}),
        ("needed=a=b", {"needed": "a=b"}),
        ('needed="3"', {"needed": "3"}),
        ("kind=b", {"kind": "b"}),
        ("rate=0.25", {"rate": 0.25}),
        ("rate=2", {"rate": 2.0}),
        ("rate=1e-3", {"rate": 1e-3}),
        ("flag=true", {"flag": True}),
        ("limit=3", {"limit": 3}),
        ("limit=null", {"limit": None}),
        ("turns=[1, 0.5]", {"turns": (1.0, 0.5)}),
        ("turns=[]", {"turns": ()}),
        ("inner.number=-5", {"inner": Inner(number=-5)}),
        ('inner={"number": 4}', {"inner": Inner(number=4)}),
    ],
)
def test_override_changes_one_field(change, expected):
    before = Outer(needed="x", limit=9)
    assert override(before, [change]) == dataclasses.replace(before, **expected)


def test_a_whole_number_becomes_the_float_that_the_field_is():
    assert type(override(Outer(needed="x"), ["rate=2"]).rate) is float


def test_overrides_apply_in_order():
    assert override(Outer(needed="x"), ["limit=1", "needed=y", "limit=2"]).limit == 2


def test_override_leaves_its_argument():
    before = Outer(needed="x")
    override(before, ["inner.number=9"])
    assert before == Outer(needed="x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("rate", "Expected field=value. Received: 'rate'"),
        ("", "Expected field=value. Received: ''"),
        ("=3", "Unknown Outer field ''"),
        ("rat=3", "Unknown Outer field 'rat'. Did you mean rate"),
        ("xyz=3", "Known: flag, inner, kind, limit, needed, rate, turns"),
        ("inner.numbr=3", "Unknown Inner field 'numbr'. Did you mean number"),
        ("inner.=3", "Unknown Inner field ''"),
        ("rate.x=3", "Outer field 'rate' has no fields of its own"),
        ("limit.x=3", "Outer field 'limit' has no fields of its own"),
        ("needed=3", "Outer field 'needed' expected str. Received: 3"),
        ("needed=null", "expected str. Received: None"),
        ("kind=c", "expected a or b. Received: 'c'"),
        ("kind=[]", "expected a or b. Received: []"),
        ("rate=fast", "expected float. Received: 'fast'"),
        ("rate=true", "expected float. Received: True"),
        ("rate=NaN", "expected float. Received: nan"),
        ("rate=Infinity", "expected float. Received: inf"),
        ("rate=1e999", "expected float. Received: inf"),
        ("rate=1" + "0" * 400, "expected float. Received: 1000"),
        ("flag=1", "expected bool. Received: 1"),
        ("flag=yes", "expected bool. Received: 'yes'"),
        ("limit=1.0", "expected int or null. Received: 1.0"),
        ("limit=true", "expected int or null. Received: True"),
        ("limit=" + "1" * 5000, "expected int or null. Received: '111"),
        ("limit=" + "[" * 100_000, "expected int or null. Received: '[[["),
        ("turns=0.5", "expected a list of float. Received: 0.5"),
        ('turns=[0.5, "x"]', "Outer field 'turns' expected float. Received: 'x'"),
        ("inner=3", "expected Inner. Received: 3"),
        ('inner={"number": "x"}', "Inner field 'number' expected int. Received: 'x'"),
        ('inner={"x": 1}', "Unknown Inner field 'x'"),
    ],
)
def test_override_refuses(change, message):
    with pytest.raises(ConfigError) as error:
        override(Outer(needed="x"), [change])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "Outer lacks needed"),
        ({"needed": "x", "unknown": 1}, "Unknown Outer field 'unknown'"),
        ({"needed": "x", "inner": {"numbr": 1}}, "Did you mean number"),
        ({"needed": "x", "inner": None}, "expected Inner. Received: None"),
        ([], r"Outer expected an object. Received: \[\]"),
        (None, "Outer expected an object. Received: None"),
    ],
)
def test_from_dict_refuses(values, message):
    with pytest.raises(ConfigError, match=message):
        from_dict(Outer, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.epochs=0", "TrainConfig does not accept epochs=0"),
        ("train.steps=0", "TrainConfig does not accept steps=0"),
        ("train.batch_size=0", "batch_size=0"),
        ("train.learning_rate=0", "learning_rate=0.0"),
        ("train.clip_norm=-1", "clip_norm=-1.0"),
        ("train.seed=-1", "seed=-1"),
        ("train.seed=4294967296", "seed=4294967296"),
        ("decode.beam_size=0", "DecodeConfig does not accept beam_size=0"),
        ("decode.length_penalty=-0.1", "length_penalty=-0.1"),
        ("data.rows=9", "DataConfig does not accept rows=9"),
        ("data.sampling=0.2", "sampling=0.2"),  # characters have no other cuts
        ("model.units=0", "Seq2SeqConfig does not accept units=0"),
        ("model.units=33", "units=33"),  # the preset reads both ways, half the units each
        ("model.dropout=1", "dropout=1.0"),
        ("model.vocab_size=4", "vocab_size=4"),
        ("model.reverse_source=true", "bidirectional=True"),
        ("model.cell=rnn", "expected simple or gru or lstm. Received: 'rnn'"),
        ("model.unit=3", "Did you mean units"),
        ("trian.steps=3", "Did you mean train"),
        ("name=../x", "does not accept name='../x'"),
        ("name=A", "does not accept name='A'"),
    ],
)
def test_a_preset_refuses(change, message):
    with pytest.raises(ConfigError) as error:
        override(TINY, [change])
    assert message in str(error.value)


@pytest.mark.parametrize("change", ["train.seed=4294967295", "train.steps=null", "data.rows=10"])
def test_a_preset_takes_the_last_value_in_range(change):
    assert override(TINY, [change]) != override(TINY, ["train.seed=1", "train.steps=1"])


def test_all_wrong_fields_are_named_at_once():
    with pytest.raises(ConfigError, match="epochs=0, batch_size=-1"):
        TrainConfig(epochs=0, batch_size=-1)


def test_a_configuration_leaves_out_the_card():
    preset = next(preset for preset in PRESETS.values() if preset.card)
    assert preset.configuration() == to_dict(dataclasses.replace(preset, card=None))


def test_a_configuration_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        DecodeConfig().beam_size = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        DataConfig(name="dates").rows = 20


def test_close_names_are_offered():
    message = unknown_name("preset", "seq2sec_test", PRESETS)
    assert message.startswith("Unknown preset 'seq2sec_test'. Did you mean seq2seq_test")


def test_all_names_are_listed_when_none_is_close():
    assert unknown_name("colour", "x", ["red", "blue"]) == "Unknown colour 'x'. Known: blue, red."
    assert unknown_name("colour", "x", []) == "Unknown colour 'x'. Known: none."


def test_a_choice_is_one_of_the_known():
    require_choice("colour", "red", iter(["red"]))
    with pytest.raises(ConfigError, match="Unknown colour 'rad'. Did you mean red"):
        require_choice("colour", "rad", iter(["red"]))
