"""Configuration: frozen dataclasses, changed by `field=value`, written to and read from JSON.

Standard library only, so that listing presets and reading a manifest starts no framework.
"""

import contextlib
import dataclasses
import difflib
import json
import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from zoo.errors import ZooError

NAME = re.compile(r"[a-z0-9][a-z0-9_]*")  # of a preset: a folder, a part of a URL, a word to type


class ConfigError(ZooError):
    """A configuration that names an unknown field or holds a value of the wrong type or range."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which data set a preset is trained on, and how its text becomes tokens."""

    name: str
    source: str = "source"  # the column of the data set to read: a language, where it has several
    target: str = "target"  # the column to write
    rows: int | None = None  # pairs in all splits together; None is the whole data set
    # The pieces of the tokenizer, which is trained on both columns: characters, or SentencePiece's;
    # unigram_bytes writes rare characters as their bytes, for scripts of thousands; word has whole
    # words, in lower case.
    tokenizer: typing.Literal["char", "unigram", "unigram_bytes", "bpe", "word"] = "char"
    # Subword regularization: in training, each epoch draws how unigram cuts the words. This is
    # alpha of Kudo, 2018 (arXiv:1804.10959): the lower, the more varied. None takes the best cut.
    sampling: float | None = None

    def __post_init__(self):
        require(
            self,
            source=self.source != self.target,
            sampling=self.sampling is None
            or (self.sampling > 0 and self.tokenizer in ("unigram", "unigram_bytes")),
            rows=self.rows is None or self.rows >= 10,
        )


@dataclass(frozen=True, kw_only=True)
class StoryDataConfig:
    """Which stories a preset is trained on."""

    name: str
    size: typing.Literal[
        "sample", "1k", "10k"
    ]  # training questions a task, or the project's sample
    task: int | None = None  # one of the 20; None is all of them, jointly
    tokenizer: typing.Literal["word"] = "word"

    def __post_init__(self):
        require(self, task=self.task is None or 1 <= self.task <= 20)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a preset is trained: Adam with a clipped gradient."""

    epochs: int = 10
    steps: int | None = None  # stop after this many updates, whatever `epochs` says
    batch_size: int = 128  # pairs a batch, drawn whatever their length
    # Positions of a batch on either side, padding counted, of pairs that are about equally long;
    # with it, `batch_size` says nothing.
    batch_tokens: int | None = None
    learning_rate: float = 1e-3  # the highest of its schedule
    # inverse_sqrt (Vaswani et al., 2017, section 5.3) has no planned end; cosine ends near 0.
    schedule: typing.Literal["constant", "inverse_sqrt", "cosine"] = "constant"
    warmup_steps: int = 0  # updates over which the learning rate rises from 0
    beta_2: float = 0.999  # of Adam
    epsilon: float = 1e-7  # of Adam
    clip_norm: float = 5.0  # of the gradient of all weights together
    label_smoothing: float = 0.0  # probability spread over the whole vocabulary
    average: int = 1  # the model is the mean of the weights after so many last epochs
    # A model, `name@version`, whose trained weights and tokenizer it starts from; what an attention
    # of another kind has beyond that model's starts anew.
    start_from: str | None = None
    seed: int = 0

    def __post_init__(self):
        require(
            self,
            epochs=self.epochs >= 1,
            steps=self.steps is None or self.steps >= 1,
            batch_size=self.batch_size >= 1,
            batch_tokens=self.batch_tokens is None or self.batch_tokens >= 1,
            learning_rate=self.learning_rate > 0,
            warmup_steps=self.warmup_steps >= (self.schedule == "inverse_sqrt"),
            beta_2=0 <= self.beta_2 < 1,
            epsilon=self.epsilon > 0,
            clip_norm=self.clip_norm > 0,
            label_smoothing=0 <= self.label_smoothing < 1,
            average=self.average >= 1,
            seed=0 <= self.seed < 2**32,  # what NumPy takes
        )


@dataclass(frozen=True, kw_only=True)
class DecodeConfig:
    """How an export of a preset searches for its output."""

    beam_size: int = 4  # of the beam search that a LiteRT file holds beside the greedy one
    length_penalty: float = 0.0  # 0 ranks by log probability alone

    def __post_init__(self):
        require(self, beam_size=self.beam_size >= 1, length_penalty=self.length_penalty >= 0)


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Which attention of the literature a decoder pays to its source; see `zoo.attention`."""

    score: typing.Literal[
        "dot", "scaled_dot", "general", "additive", "concat", "cosine", "location"
    ] = "dot"
    normalizer: typing.Literal["softmax", "sparsemax", "none"] = "softmax"
    # local_m looks around the target's own position, local_p around one that it predicts.
    window: typing.Literal["global", "local_m", "local_p"] = "global"
    half_width: int = 3  # of a local window; with 10, as in the paper, a short source is all inside
    units: int = 64  # of the networks within additive and concat scores and within local_p
    # soft sums over positions. hard and gumbel take one: in training a drawn one, its network
    # taught by REINFORCE or through the draw itself; in use the most probable one.
    selection: typing.Literal["soft", "hard", "gumbel"] = "soft"
    sampled_share: float = 0.5  # of hard: of the training batches; the others attend softly
    reward_weight: float = 0.1  # of hard: lambda_r in arXiv:1502.03044
    entropy_weight: float = 0.002  # of hard: lambda_e
    temperature: float = 1.0  # of gumbel: the lower, the nearer its gradient to the hard choice's

    def __post_init__(self):
        # A position is drawn from probabilities: a raw match is none, and local_p's products sum
        # to less than 1.
        takes_one = self.selection != "soft"
        draws_raw = takes_one and self.normalizer == "none"
        draws_products = takes_one and self.window == "local_p"
        require(
            self,
            normalizer=not draws_raw,
            window=not draws_products,
            half_width=self.half_width >= 1,
            units=self.units >= 1,
            selection=not (draws_raw or draws_products),
            sampled_share=0 < self.sampled_share <= 1,
            reward_weight=self.reward_weight >= 0,
            entropy_weight=self.entropy_weight >= 0,
            temperature=self.temperature > 0,
        )


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a person writes about a published preset; the rest of its card is measured."""

    use: str  # what the model is for, one or two sentences
    limits: str  # what it is not for
    hard_input: str  # an input it gets wrong, shown on the card with its true answer
    hard_input_expected: str
    hard_input_reason: str  # why it gets that wrong, ending the card's sentence


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A name for a model configuration, a training configuration and a data set of a family."""

    name: str
    family: str
    summary: str  # one line, for `zoo list`
    paper: str
    model: object  # a family narrows this to its own configuration
    train: TrainConfig
    decode: DecodeConfig
    data: DataConfig
    card: Card | None = None  # presets without a card are not published

    modality: typing.ClassVar[typing.Literal["text", "story", "sequence"]] = "text"  # what it reads

    def __post_init__(self):
        require(self, name=NAME.fullmatch(self.name) is not None)

    @property
    def for_tests(self) -> bool:
        """True for the presets that exist for tests only, and are not published."""
        return self.card is None

    def require_beam_size(self, beam_size: int) -> None:
        """Raises ZooError unless a search with so many hypotheses is something the model does."""
        if not isinstance(beam_size, int):
            raise ZooError(f"beam_size must be a whole number. Received: {beam_size!r}.")
        if beam_size < 1:
            raise ZooError(f"beam_size must be at least 1. Received: {beam_size}.")
        if beam_size > 1 and self.modality != "text":
            raise ZooError(f"{self.name} writes no text, so it has no beam. Received: {beam_size}.")

    def configuration(self) -> dict:
        """Returns what a manifest keeps of the preset: all but the card."""
        return to_dict(dataclasses.replace(self, card=None))


def require(config, **claims: bool) -> None:
    """Raises ConfigError naming the fields of `config` whose claim is False, with their values."""
    wrong = [f"{name}={getattr(config, name)!r}" for name, holds in claims.items() if not holds]
    if wrong:
        raise ConfigError(f"{type(config).__name__} does not accept {', '.join(wrong)}.")


def to_dict(config) -> dict:
    """Returns `config` as the dict that its JSON reads back as, and `from_dict` takes."""

    def values(fields):  # JSON has lists alone
        return {name: list(x) if isinstance(x, tuple) else x for name, x in fields}

    return dataclasses.asdict(config, dict_factory=values)


def from_dict(cls: type, values: Mapping) -> typing.Any:
    """Returns a `cls` with `values`, its nested dataclasses built from nested mappings.

    Raises:
        ConfigError: If a field is unknown, is missing, or has a value of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{cls.__name__} expected an object. Received: {values!r}.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            raise ConfigError(unknown_name(f"{cls.__name__} field", name, fields))
    missing = [
        name
        for name, field in fields.items()
        if name not in values and field.default is field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{cls.__name__} lacks {', '.join(missing)}.")
    return cls(**{name: _checked(cls, name, hints[name], value) for name, value in values.items()})


def override(config, assignments: Iterable[str]):
    """Returns `config` with `path.to.field=value` applied, one string a change, in order.

    Values are JSON (`3`, `0.5`, `true`, `null`); what is not JSON is taken as a string.

    Raises:
        ConfigError: If an assignment has no `=`, names an unknown field, or has a wrong value.
    """
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigError(f"Expected field=value. Received: {assignment!r}.")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):  # ValueError: of a number with thousands of digits too
            value = text
        config = _replaced(config, path.split("."), value)
    return config


def require_choice(kind: str, name: str, known: Iterable[str]) -> None:
    """Raises ConfigError unless `name` is one of `known`."""
    known = tuple(known)
    if name not in known:
        raise ConfigError(unknown_name(kind, name, known))


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Returns the message for a name that is not among `known`, with the closest ones or all."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(known) or 'none'}."
    )
    return f"Unknown {kind} {name!r}. {hint}"


def _replaced(config, path: list[str], value):
    fields = {field.name for field in dataclasses.fields(config)}
    name, rest = path[0], path[1:]
    if name not in fields:
        raise ConfigError(unknown_name(f"{type(config).__name__} field", name, fields))
    if rest:
        nested = getattr(config, name)
        if not dataclasses.is_dataclass(nested):
            raise ConfigError(f"{type(config).__name__} field {name!r} has no fields of its own.")
        value = _replaced(nested, rest, value)
    else:
        value = _checked(type(config), name, typing.get_type_hints(type(config))[name], value)
    return dataclasses.replace(config, **{name: value})


def _checked(cls: type, name: str, expected, value):
    """Returns `value` as the type `expected`, the annotation of `cls.name`."""
    options = typing.get_args(expected) if isinstance(expected, types.UnionType) else (expected,)
    for option in options:
        if dataclasses.is_dataclass(option) and isinstance(value, Mapping):
            return from_dict(option, value)
        origin, arguments = typing.get_origin(option), typing.get_args(option)
        if origin is typing.Literal:
            if value in arguments:
                return value
        elif origin is tuple:  # of any length, as lists are in JSON
            if isinstance(value, list | tuple):
                return tuple(_checked(cls, name, arguments[0], item) for item in value)
        elif option is float and isinstance(value, int | float) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):  # of an int beyond what a float holds
                if math.isfinite(number := float(value)):
                    return number
        elif isinstance(value, option) and isinstance(value, bool) == (option is bool):
            return value
    wanted = " or ".join(_type_name(option) for option in options)
    raise ConfigError(f"{cls.__name__} field {name!r} expected {wanted}. Received: {value!r}.")


def _type_name(option) -> str:
    if typing.get_origin(option) is typing.Literal:
        return " or ".join(typing.get_args(option))
    if typing.get_origin(option) is tuple:
        return f"a list of {_type_name(typing.get_args(option)[0])}"
    return "null" if option is type(None) else option.__name__
