"""Configuration and presets of the memory network."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.config import Card, DecodeConfig, Preset, StoryDataConfig, require


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkConfig:
    """A memory network trained end to end (Sukhbaatar et al., 2015, arXiv:1503.08895)."""

    vocab_size: int  # words of the tokenizer: of stories, questions and answers
    max_sentences: int = 50  # that it remembers, the latest; as many times have a vector
    max_sentence_length: int  # words; a longer sentence is cut
    max_question_length: int
    width: int = 50  # of all embeddings; d in the paper
    hops: int = 3  # how often it asks its memory; K in the paper
    # Which embeddings are one (section 2.2). adjacent: what a hop reads by is what the next matches
    # by, the first of them embeds the question and the last scores the answers. layer_wise: all
    # hops have the same two, and a matrix between them. none: each its own.
    tying: Literal["adjacent", "layer_wise", "none"] = "adjacent"
    # How the words of a sentence make its vector (section 4.1). bag: their sum. position: weighted
    # by where in the sentence they stand. spread_position: the same about twice as far apart, as in
    # the authors' code.
    encoding: Literal["bag", "position", "spread_position"] = "position"
    temporal: bool = True  # sentences know how long ago they were (section 4.1)
    # A story of fewer than max_sentences leaves places empty. With this they match every question
    # with a score of 0 and say nothing, as in the authors' code: a question may then read little.
    # Without, they have no part.
    empty_places: bool = False
    nonlinear: bool = False  # a rectifier after each hop
    # The update of key-value memory networks (Miller et al., 2016, arXiv:1606.03126, section 3.1):
    # a matrix of its own after each hop; and what is read may be other than what is matched.
    key_value: bool = False

    def __post_init__(self):
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_sentences=self.max_sentences >= 1,
            max_sentence_length=self.max_sentence_length >= 1,
            max_question_length=self.max_question_length >= 1,
            width=self.width >= 1,
            hops=self.hops >= 1,
        )


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkTrainConfig:
    """How a preset is trained: gradient descent, several times at once, and the best is kept.

    The loss is summed, not averaged, over a batch, as in the authors' code; learning rate and clip
    are to be read so.
    """

    epochs: int = 90  # in all, the linear ones counted
    steps: int | None = None  # stop after this many updates, whatever `epochs` says
    linear_epochs: int = 30  # the first, without softmax over the memory: "linear start"
    batch_size: int = 32
    learning_rate: float = 0.005
    halve_every: int = 15  # epochs after which the learning rate is half, the linear ones aside
    clip_norm: float = 40.0  # of each weight's gradient by itself
    noise: float = 0.1  # gaps drawn into a story's times, at most, as a share of its sentences
    # One gap more at most, as in the authors' code: without it, stories of 1 / noise sentences or
    # fewer have none.
    noise_in_short_stories: bool = False
    # Train on the validation stories too, for a last training, when nothing is left to be chosen by
    # them: their scores are then those of what was learned.
    with_validation: bool = False
    # Trainings from other weights, at once; the model is the one with the lowest training loss.
    restarts: int = 10
    # So many of them, those whose loss was then the lowest, go on after `trial_epochs`; None: all.
    finalists: int | None = None
    trial_epochs: int = 6
    seed: int = 0

    average: ClassVar[int] = 1  # epochs whose checkpoints are kept

    def __post_init__(self):
        require(
            self,
            epochs=self.epochs >= 1,
            steps=self.steps is None or self.steps >= 1,
            linear_epochs=self.linear_epochs >= 0,
            batch_size=self.batch_size >= 1,
            learning_rate=self.learning_rate > 0,
            halve_every=self.halve_every >= 1,
            clip_norm=self.clip_norm > 0,
            noise=0 <= self.noise <= 1,
            restarts=self.restarts >= 1,
            finalists=self.finalists is None or 1 <= self.finalists <= self.restarts,
            trial_epochs=self.trial_epochs >= 1,
            seed=0 <= self.seed < 2**32,  # what NumPy takes
        )


@dataclass(frozen=True, kw_only=True)
class MemoryNetworkPreset(Preset):
    """A preset of this family."""

    model: MemoryNetworkConfig
    train: MemoryNetworkTrainConfig = field(default_factory=MemoryNetworkTrainConfig)
    decode: DecodeConfig = field(default_factory=lambda: DecodeConfig(beam_size=1))
    data: StoryDataConfig

    modality = "story"


PRESET_TYPE = MemoryNetworkPreset


def _test(name: str, **model) -> MemoryNetworkPreset:
    """Returns a preset for tests: trained in seconds, never published."""
    return MemoryNetworkPreset(
        name=name,
        family="memory_network",
        summary="For tests.",
        paper="None.",
        model=MemoryNetworkConfig(
            vocab_size=40,
            max_sentences=7,
            max_sentence_length=8,
            max_question_length=6,
            **{"width": 20, "hops": 2} | model,
        ),
        train=MemoryNetworkTrainConfig(
            epochs=8,
            linear_epochs=2,
            batch_size=4,
            learning_rate=0.02,
            halve_every=3,
            noise=0.5,
            restarts=3,
        ),
        data=StoryDataConfig(name="babi_qa", size="sample"),
    )


# Between them, every option of the configuration stands at a value that does something.
_TESTS = (
    _test("memory_network_test"),
    _test("memory_network_test_layer_wise", tying="layer_wise", encoding="spread_position",
          nonlinear=True, empty_places=True),
    _test("memory_network_test_none", tying="none", encoding="bag", temporal=False, hops=3),
    _test("memory_network_test_key_value", tying="layer_wise", key_value=True),
)  # fmt: skip


# The paper's joint training with its best options: position encoding, linear start, random noise,
# 50 wide, 3 hops, the best of ten by the training loss. Deviations: batches are an epoch's shuffled
# questions, not drawn with replacement; 1k learns from the validation stories too; and of 10k's ten
# two are trained to the end.
def _babi(size, **changes) -> MemoryNetworkPreset:
    return MemoryNetworkPreset(
        name=f"memory_network_babi_{size}",
        family="memory_network",
        paper="Sukhbaatar, Szlam, Weston and Fergus, 2015 (arXiv:1503.08895)",
        data=StoryDataConfig(name="babi_qa", size=size),
        **changes,
    )


_MODEL = {
    "max_sentence_length": 11,
    "max_question_length": 11,
    "encoding": "spread_position",
    "empty_places": True,
}
_USE = (
    "To answer questions about short stories in the words of the bAbI tasks, and to show which"
    " sentences each hop looks at."
)
_LIMITS = "stories of the bAbI tasks: about 170 words, at most 50 sentences, answers of one word."
_PARTIAL = " Of task 3 a fifth of the training stories was at hand, and scores leave it out."

PRESETS = (
    *_TESTS,
    _babi(
        "1k",
        summary="Questions about stories: the 20 bAbI tasks, 1,000 questions each; 3 hops.",
        model=MemoryNetworkConfig(vocab_size=177, **_MODEL),
        train=MemoryNetworkTrainConfig(noise_in_short_stories=True, with_validation=True),
        card=Card(
            use=_USE,
            limits=_LIMITS,
            hard_input='{"story": ["The pink rectangle is to the left of the triangle.",'
            ' "The triangle is to the left of the red square."],'
            ' "question": "Is the pink rectangle to the right of the red square?"}',
            hard_input_expected="no",
            hard_input_reason="where things lie to each other (task 17) it never learned",
        ),
    ),
    _babi(
        "10k",
        summary="Questions about stories: the 20 bAbI tasks, 10,000 questions each; 3 hops.",
        model=MemoryNetworkConfig(vocab_size=180, **_MODEL),
        # An epoch has ten times the updates of 1k's, so fewer are linear.
        train=MemoryNetworkTrainConfig(
            epochs=64, linear_epochs=4, noise_in_short_stories=True, finalists=2
        ),
        card=Card(
            use=_USE,
            limits=_LIMITS + _PARTIAL,
            hard_input='{"story": ["The office is east of the hallway.",'
            ' "The kitchen is north of the office.", "The garden is west of the bedroom.",'
            ' "The office is west of the garden.", "The bathroom is north of the garden."],'
            ' "question": "How do you go from the kitchen to the garden?"}',
            hard_input_expected="s,e",
            hard_input_reason="a way through rooms (task 19) it never learned to find",
        ),
    ),
)
