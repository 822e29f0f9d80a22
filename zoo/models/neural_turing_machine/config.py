"""Configuration and presets of the Neural Turing machine."""

import random
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from zoo.config import Card, DecodeConfig, Preset, require


@dataclass(frozen=True, kw_only=True)
class NeuralTuringMachineConfig:
    """A controller with a memory it reads and writes (Graves et al., 2014, arXiv:1410.5401)."""

    input_width: int  # numbers a step
    output_width: int  # bits a step
    max_length: int  # the most steps of a sequence where that is fixed, as in LiteRT
    memory: bool = True  # without, the controller is alone: what memory buys is the difference
    controller: Literal["lstm", "feedforward"] = "lstm"
    controller_units: int = 100
    memory_rows: int = 128  # N in the paper
    memory_width: int = 20  # M in the paper
    read_heads: int = 1
    write_heads: int = 1
    # content looks for what is like a key, and is the simpler form that came first; full goes on
    # from there by location (figure 2).
    addressing: Literal["full", "content"] = "full"
    shift_radius: int = 1  # of full: the most rows a head moves on or back in a step
    # What the memory begins as. learned: rows that differ, so that heads may go to any of them by
    # its content. Where they go by content alone it always is.
    first_memory: Literal["constant", "learned"] = "constant"

    def __post_init__(self):
        require(
            self,
            input_width=self.input_width >= 1,
            output_width=self.output_width >= 1,
            max_length=self.max_length >= 1,
            # What neither has a state nor a memory sees one step alone.
            memory=self.memory or self.controller == "lstm",
            controller_units=self.controller_units >= 1,
            memory_rows=self.memory_rows >= 2,
            memory_width=self.memory_width >= 1,
            read_heads=self.read_heads >= 1,
            write_heads=self.write_heads >= 1,
            shift_radius=0 <= self.shift_radius <= (self.memory_rows - 1) // 2,
        )

    @property
    def learns_first_memory(self) -> bool:
        """Whether the memory begins as numbers that are learned."""
        return self.first_memory == "learned" or self.addressing == "content"


@dataclass(frozen=True, kw_only=True)
class SequencesConfig:
    """Which sequences a preset is trained on; `zoo.data.algorithmic` draws them.

    Sizes are what the task counts: vectors of copy and priority_sort, vectors and repeats of
    repeat_copy, items of associative_recall, bits of dynamic_ngrams.
    """

    name: Literal["copy", "repeat_copy", "associative_recall", "dynamic_ngrams", "priority_sort"]
    shortest: int = 1  # sizes are drawn evenly from here
    longest: int  # to here
    curriculum_steps: int = 0  # updates over which the longest grows from the shortest
    # After training, the model is tested at sizes from the longest to this one.
    tested_longest: int
    tested_every: int = 1

    def __post_init__(self):
        require(
            self,
            shortest=1 <= self.shortest <= self.longest,
            curriculum_steps=self.curriculum_steps >= 0,
            tested_longest=self.tested_longest >= self.longest,
            tested_every=self.tested_every >= 1,
        )


@dataclass(frozen=True, kw_only=True)
class SequencesTrainConfig:
    """How a preset is trained: Adam with a clipped gradient, on sequences drawn for each update."""

    epochs: int = 20  # after each, the model is tested and saved
    epoch_steps: int = 500  # updates an epoch
    steps: int | None = None  # stop after this many updates, whatever `epochs` says
    batch_size: int = 32
    learning_rate: float = 1e-3
    clip_norm: float = 10.0  # of the gradient of all weights together
    tested_rows: int = 192  # sequences of a test
    seed: int = 0  # of the weights and of what is drawn
    average: ClassVar[int] = 1  # the model is that of the last epoch

    def __post_init__(self):
        require(
            self,
            epochs=self.epochs >= 1,
            epoch_steps=self.epoch_steps >= 1,
            steps=self.steps is None or self.steps >= 1,
            batch_size=self.batch_size >= 1,
            learning_rate=self.learning_rate > 0,
            clip_norm=self.clip_norm > 0,
            tested_rows=self.tested_rows >= 1,
            seed=0 <= self.seed < 2**32,  # what NumPy takes
        )


@dataclass(frozen=True, kw_only=True)
class NeuralTuringMachinePreset(Preset):
    """A preset of this family."""

    model: NeuralTuringMachineConfig
    train: SequencesTrainConfig = field(default_factory=SequencesTrainConfig)
    decode: DecodeConfig = field(default_factory=lambda: DecodeConfig(beam_size=1))
    data: SequencesConfig

    modality = "sequence"


PRESET_TYPE = NeuralTuringMachinePreset


def _test(name: str, data: SequencesConfig, **model) -> NeuralTuringMachinePreset:
    """Returns a preset for tests: trained in seconds, never published."""
    sizes = {"controller_units": 16, "memory_rows": 11, "memory_width": 6, "max_length": 13}
    return NeuralTuringMachinePreset(
        name=name,
        family="neural_turing_machine",
        summary="For tests.",
        paper="None.",
        model=NeuralTuringMachineConfig(**sizes | model),
        train=SequencesTrainConfig(
            epochs=2, epoch_steps=10, batch_size=8, learning_rate=1e-2, tested_rows=16
        ),
        data=data,
    )


# Between them, every option of the configuration stands at a value that does something.
_TESTS = (
    _test(
        "neural_turing_machine_test",
        SequencesConfig(name="copy", longest=4, tested_longest=6, tested_every=2),
        input_width=9,
        output_width=8,
        write_heads=2,
        shift_radius=2,
    ),
    _test(
        "neural_turing_machine_test_content",
        SequencesConfig(name="repeat_copy", longest=2, tested_longest=3, curriculum_steps=6),
        input_width=10,
        output_width=9,
        controller="feedforward",
        read_heads=2,
        addressing="content",
    ),
    _test(
        "neural_turing_machine_test_learned",
        SequencesConfig(name="priority_sort", shortest=6, longest=6, tested_longest=6),
        input_width=10,
        output_width=8,
        controller="feedforward",
        first_memory="learned",
    ),
    _test(
        "neural_turing_machine_test_lstm",
        SequencesConfig(name="dynamic_ngrams", shortest=8, longest=12, tested_longest=14,
                        tested_every=2),
        input_width=1,
        output_width=1,
        memory=False,
    ),
)  # fmt: skip


def _published(
    data: SequencesConfig, *, summary: str, model: dict, train: dict, card: Card
) -> NeuralTuringMachinePreset:
    short = {"dynamic_ngrams": "ngrams"}.get(data.name, data.name)
    return NeuralTuringMachinePreset(
        name=f"neural_turing_machine_{short}",
        family="neural_turing_machine",
        summary=summary,
        paper="Graves, Wayne and Danihelka, 2014 (arXiv:1410.5401)",
        model=NeuralTuringMachineConfig(**model),
        train=SequencesTrainConfig(**train),
        data=data,
        card=card,
    )


def _words(count: int, *, bits: int) -> list[str]:
    """Returns vectors of bits as they are typed, the same ones always."""
    generator = random.Random(count)
    return [format(generator.getrandbits(bits), f"0{bits}b") for _ in range(count)]


def _hard_recall(items: int) -> tuple[str, str]:
    words = _words(3 * items, bits=6)
    typed = [" ".join(words[start : start + 3]) for start in range(0, len(words), 3)]
    return f"{'; '.join(typed)} ? {typed[1]}", typed[2]


def _hard_sort(vectors: int) -> tuple[str, str]:
    words = _words(vectors, bits=8)
    # Priorities that differ by a hundredth.
    priorities = random.Random(0).sample(range(vectors), vectors)
    typed = [f"{p / 100:.2f}:{word}" for p, word in zip(priorities, words, strict=True)]
    descending = sorted(zip(priorities, words, strict=True), reverse=True)
    return " ".join(typed), " ".join(word for _, word in descending[: vectors * 4 // 5])


# The paper's sizes: an LSTM of 100 units, or a feed-forward controller, and 128 rows of 20 numbers.
# The recipe of Collier and Beel, 2018 (arXiv:1807.08518): Adam at 1e-3 and batches of 32, in place
# of RMSProp at 1e-4 and single sequences; a smaller bound on the gradient.
_ZEROS = " ".join(["00000000"] * 20)
_LONG_PERIOD = "".join(_words(4, bits=12)) * 3
_RECALL, _RECALLED = _hard_recall(28)
_SORT, _SORTED = _hard_sort(20)

PRESETS = (
    *_TESTS,
    _published(
        SequencesConfig(name="copy", longest=20, tested_longest=120, tested_every=20),
        summary="Writes again what it read: up to 20 vectors of 8 bits in training, and longer.",
        model={"input_width": 9, "output_width": 8, "max_length": 241},
        train={"epochs": 16},
        card=Card(
            use="To see a network learn a program, a loop over addresses, and go on with it beyond"
            " the lengths it was trained on; and as the smallest model with a memory to serve.",
            limits="vectors of 8 bits, of which it copies some dozens.",
            hard_input=_ZEROS,
            hard_input_expected=_ZEROS,
            hard_input_reason="it was trained on drawn vectors, which are never all alike",
        ),
    ),
    _published(
        SequencesConfig(name="repeat_copy", longest=10, tested_longest=20, tested_every=10),
        summary="Writes what it read as often as it is told, then says that it is done.",
        # Feed-forward: after 6,500 updates it had 2 wrong bits, an LSTM 302.
        model={
            "input_width": 10,
            "output_width": 9,
            "max_length": 222,
            "controller": "feedforward",
        },
        train={"epochs": 30},
        card=Card(
            use="To see a network learn a loop within a loop, and count.",
            limits="up to 10 vectors of 8 bits, written up to 10 times.",
            hard_input="16: 10110010 01101001",
            hard_input_expected=" ".join(["10110010 01101001"] * 16) + " end",
            hard_input_reason="it learned to count to 10, and does not know when 16 are done",
        ),
    ),
    _published(
        SequencesConfig(name="associative_recall", shortest=2, longest=6, tested_longest=12),
        summary="Reads a list of items, then an item of it, and writes the next.",
        # Feed-forward: the paper's learned this about three times faster than its LSTM.
        model={
            "input_width": 8,
            "output_width": 6,
            "max_length": 128,
            "controller": "feedforward",
            "controller_units": 256,
            "read_heads": 4,
            "write_heads": 4,
        },
        train={"epochs": 20},
        card=Card(
            use="To see a network find what it wrote by its content and read on from there.",
            limits="lists of items of three vectors of 6 bits, up to about a dozen items.",
            hard_input=_RECALL,
            hard_input_expected=_RECALLED,
            hard_input_reason="it was trained on 6 items at most, and 28 crowd its memory",
        ),
    ),
    _published(
        SequencesConfig(name="priority_sort", shortest=20, longest=20, tested_longest=20),
        summary="Reads 20 vectors with their priorities and writes the 16 highest in order.",
        model={
            "input_width": 10,
            "output_width": 8,
            "max_length": 37,
            "controller": "feedforward",
            "controller_units": 256,
            "read_heads": 4,
            "write_heads": 4,
            # A priority says which row: heads can go there only where rows differ.
            "first_memory": "learned",
        },
        train={"epochs": 60, "learning_rate": 3e-4},
        card=Card(
            use="To see a network write to where a number says, and so sort.",
            limits="20 vectors of 8 bits with priorities between -1 and 1.",
            hard_input=_SORT,
            hard_input_expected=_SORTED,
            hard_input_reason="priorities a hundredth apart are too close for it to tell",
        ),
    ),
    _published(
        # To find out what to count, short sequences do as well, and take less time.
        SequencesConfig(
            name="dynamic_ngrams",
            shortest=40,
            longest=200,
            curriculum_steps=6000,
            tested_longest=200,
        ),
        summary="Predicts the next bit of a source that it has to learn while it reads.",
        # A row for each of the 32 endings: rows that differ from the start are told apart sooner.
        model={
            "input_width": 1,
            "output_width": 1,
            "max_length": 199,
            "first_memory": "learned",
        },
        train={"epochs": 60, "batch_size": 16},
        card=Card(
            use="To see a network count in its memory what followed what.",
            limits="streams of 200 bits in which the last 5 tell the odds of the next.",
            hard_input=_LONG_PERIOD,
            hard_input_expected=_LONG_PERIOD[5:],
            hard_input_reason="it looks 5 bits back, and this repeats itself after 48",
        ),
    ),
)
