"""Configuration and presets of the entity network."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.config import Card, DecodeConfig, Preset, StoryDataConfig, require


@dataclass(frozen=True, kw_only=True)
class EntityNetworkConfig:
    """A recurrent entity network (Henaff et al., 2017, arXiv:1612.03969)."""

    vocab_size: int  # words of the tokenizer: of stories, questions and answers
    max_sentences: int = 70  # that it reads, the latest
    max_sentence_length: int  # words; a longer sentence is cut
    max_question_length: int
    slots: int = 20  # of the memory: things that it can follow
    width: int = 100  # of slots and words
    # How the words of a sentence make its vector. position: each weighted by learned numbers of its
    # place (equation 1). bag: their sum.
    encoding: Literal["position", "bag"] = "position"
    # phi in the paper. linear is the identity, as in its smaller form (section 4.3).
    activation: Literal["prelu", "linear"] = "prelu"
    # Added in equations 2, a number for each slot, and 3: the paper's own code has them.
    biases: bool = False
    word_dropout: float = 0.0  # share of the words that a training leaves out, drawn each time
    normalize: bool = True  # a slot has length 1 after every sentence, which is how it forgets
    # Entity networks side by side, each trained on a task of its own; which of them answers is
    # chosen by the words of the story and the question. 1 is the network of the paper.
    networks: int = 1

    def __post_init__(self):
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_sentences=self.max_sentences >= 1,
            max_sentence_length=self.max_sentence_length >= 1,
            max_question_length=self.max_question_length >= 1,
            slots=self.slots >= 1,
            width=self.width >= 1,
            word_dropout=0 <= self.word_dropout < 1,
            networks=self.networks >= 1,
        )


@dataclass(frozen=True, kw_only=True)
class EntityNetworkTrainConfig:
    """How a preset is trained: Adam, network by network, from several starts."""

    attempts: int = 10  # to train a network from other weights; the best by validation is kept
    epochs: int = 100  # of an attempt, at most
    # Epochs after which an attempt ends in which its lowest error on validation questions has not
    # fallen by a tenth.
    patience: int | None = None
    steps: int | None = None  # stop after this many updates in all, whatever else it says
    batch_size: int = 32  # questions, each with its story
    # Attempts take them by turns: the first attempt the first, and so on, and over again.
    learning_rates: tuple[float, ...] = (0.01,)
    word_dropouts: tuple[float, ...] = ()  # the model's `word_dropout`, where there are none
    halve_every: int = 25  # epochs after which the learning rate is half
    clip_norm: float = 5.0  # of the gradient of all weights together
    # The error on validation questions, 0 to 1, at which an attempt ends.
    goal: float = 0.002
    enough: float | None = None  # that at which a network needs no other attempt, if not `goal`
    seed: int = 0
    processes: int = 1  # networks trained at once, each in a process of its own

    average: ClassVar[int] = 1  # attempts whose checkpoints are kept

    def __post_init__(self):
        require(
            self,
            attempts=self.attempts >= 1,
            epochs=self.epochs >= 1,
            patience=self.patience is None or self.patience >= 1,
            steps=self.steps is None or self.steps >= 1,
            # How many updates are left is not known while others are made.
            processes=self.processes >= 1 and (self.processes == 1 or self.steps is None),
            batch_size=self.batch_size >= 1,
            learning_rates=min(self.learning_rates, default=0) > 0,
            word_dropouts=all(0 <= share < 1 for share in self.word_dropouts),
            halve_every=self.halve_every >= 1,
            clip_norm=self.clip_norm > 0,
            goal=0 <= self.goal <= 1,
            enough=self.enough is None or self.goal <= self.enough <= 1,
            seed=0 <= self.seed < 2**32,  # what NumPy takes
        )


@dataclass(frozen=True, kw_only=True)
class EntityNetworkPreset(Preset):
    """A preset of this family."""

    model: EntityNetworkConfig
    train: EntityNetworkTrainConfig = field(default_factory=EntityNetworkTrainConfig)
    decode: DecodeConfig = field(default_factory=lambda: DecodeConfig(beam_size=1))
    data: StoryDataConfig

    modality = "story"


PRESET_TYPE = EntityNetworkPreset


def _test(name: str, *, goal: float, **model) -> EntityNetworkPreset:
    """Returns a preset for tests: trained in seconds, never published."""
    return EntityNetworkPreset(
        name=name,
        family="entity_network",
        summary="For tests.",
        paper="None.",
        model=EntityNetworkConfig(
            vocab_size=40,
            max_sentences=7,
            max_sentence_length=8,
            max_question_length=6,
            slots=5,
            width=18,
            **model,
        ),
        train=EntityNetworkTrainConfig(
            attempts=2,
            epochs=6,
            batch_size=3,
            halve_every=4,
            clip_norm=2.0,
            goal=goal,
        ),
        data=StoryDataConfig(name="babi_qa", size="sample"),
    )


# Between them, every option of the configuration stands at a value that does something.
_TESTS = (
    _test("entity_network_test", networks=2, biases=True, word_dropout=0.05, goal=0.0),
    _test("entity_network_test_plain", encoding="bag", activation="linear", normalize=False,
          goal=0.5),
)  # fmt: skip


PRESETS = (
    *_TESTS,
    EntityNetworkPreset(
        name="entity_network_babi_10k",
        family="entity_network",
        summary="Questions about stories: bAbI, 10,000 questions a task; a network a task.",
        paper="Henaff, Weston, Szlam, Bordes and LeCun, 2017 (arXiv:1612.03969)",
        model=EntityNetworkConfig(
            vocab_size=180,
            max_sentence_length=11,
            max_question_length=11,
            biases=True,
            networks=20,
        ),
        train=EntityNetworkTrainConfig(
            attempts=10,
            epochs=160,
            patience=40,
            learning_rates=(0.003, 0.005, 0.001, 0.005),
            word_dropouts=(0.0, 0.05, 0.0, 0.05),
            halve_every=80,
            clip_norm=1.25,
            goal=0.005,
            enough=0.01,
        ),
        data=StoryDataConfig(name="babi_qa", size="10k"),
        card=Card(
            use="To answer questions about short stories in the words of the bAbI tasks, and to"
            " show which sentences change which slots of its memory.",
            limits="stories of one bAbI task at a time: about 170 words, at most 70 sentences,"
            " answers of one word. Of task 3 a fifth of the training stories was at hand, and"
            " scores leave it out.",
            hard_input='{"story": ["Mary went back to the garden.", "Mary grabbed the milk there.",'
            ' "Sandra went to the hallway.", "Mary got the football there.",'
            ' "John picked up the apple there.", "Daniel went back to the kitchen.",'
            ' "John moved to the kitchen.", "Mary left the milk.", "Mary put down the football.",'
            ' "Mary journeyed to the office.", "Daniel went to the hallway.",'
            ' "Mary moved to the kitchen."], "question": "Where is the milk?"}',
            hard_input_expected="garden",
            hard_input_reason="where something was left (task 2) it gets wrong once in sixty",
        ),
    ),
)
