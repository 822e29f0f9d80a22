"""Configuration and presets of the recurrent encoder-decoder."""

from dataclasses import dataclass, field, replace
from typing import Literal

from zoo.config import AttentionConfig, Card, DataConfig, DecodeConfig, Preset, TrainConfig, require


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """A recurrent encoder, a recurrent decoder, and what the one tells the other."""

    vocab_size: int  # pieces of the tokenizer, which source and target share
    max_source_length: int  # tokens; a longer source is cut
    max_target_length: int  # tokens, the end token counted
    embedding_dim: int = 16
    units: int = 256
    num_layers: int = 1
    cell: Literal["simple", "gru", "lstm"] = "lstm"
    # plain: the encoder's last state starts the decoder. peeky: the decoder also reads it at every
    # step, in its input and in its output. attention: it starts the decoder, which then attends to
    # all states of the encoder.
    context: Literal["plain", "peeky", "attention"] = "attention"
    attention: AttentionConfig = AttentionConfig()  # where the context is attention
    bidirectional: bool = False
    reverse_source: bool = False
    share_parameters: bool = False  # of encoder and decoder: embedding and recurrent layers
    # An LSTM's cell state starts the decoder's too; the book hands over the output alone.
    transfer_cell: bool = False
    dropout: float = 0.0

    def __post_init__(self):
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_source_length=self.max_source_length >= 1,
            max_target_length=self.max_target_length >= 1,
            embedding_dim=self.embedding_dim >= 1,
            units=self.units >= 1 and not (self.bidirectional and self.units % 2),
            num_layers=self.num_layers >= 1,
            bidirectional=not (self.bidirectional and self.reverse_source),
            share_parameters=not (
                self.share_parameters and (self.bidirectional or self.context == "peeky")
            ),
            transfer_cell=not self.transfer_cell or self.cell == "lstm",
            dropout=0 <= self.dropout < 1,
        )


@dataclass(frozen=True, kw_only=True)
class Seq2SeqPreset(Preset):
    """A preset of this family."""

    model: Seq2SeqConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)


PRESET_TYPE = Seq2SeqPreset

# Chapter 8 of "Deep Learning from Scratch 2": one LSTM layer of 256 units on 16-dimensional
# characters, the source reversed; Adam at 1e-3, batches of 128, gradient clipped at 5, 10 epochs.
# Deviations: padding is masked, so that a batch mate's length changes nothing; weights start as
# Keras starts them (Glorot, orthogonal, a forget bias of 1), not from N(0, 1/sqrt(fan in)).
_DATES = Seq2SeqConfig(
    vocab_size=62,  # 58 characters and 4 special tokens
    max_source_length=32,  # the longest date has 29 characters
    max_target_length=12,  # ten characters, the end token, and one to spare
    reverse_source=True,
)


_LIMITS = "US date formats, 1970 to 2018, in the four styles that it was trained on."


def _dates(context: str, summary: str, paper: str, card: Card) -> Seq2SeqPreset:
    return Seq2SeqPreset(
        name=f"seq2seq_{context}_dates",
        family="seq2seq",
        summary=summary,
        paper=paper,
        model=replace(_DATES, context=context),
        data=DataConfig(name="dates"),
        card=card,
    )


def _tiny(name: str, **model) -> Seq2SeqPreset:
    """Returns a preset for tests: trained in seconds, never published."""
    return Seq2SeqPreset(
        name=name,
        family="seq2seq",
        summary="For tests.",
        paper="None.",
        model=replace(_DATES, **{"reverse_source": False} | model),
        train=TrainConfig(epochs=1, batch_size=32, learning_rate=1e-2),
        decode=DecodeConfig(beam_size=3, length_penalty=0.6),
        data=DataConfig(name="dates", rows=400),
    )


# Between them, every option of the configuration stands at a value that does something.
_TINY = (
    _tiny("seq2seq_test", context="attention", cell="gru", bidirectional=True, num_layers=2,
          units=32, embedding_dim=8),
    _tiny("seq2seq_test_plain", context="plain", cell="simple", share_parameters=True, units=24,
          embedding_dim=8, dropout=0.1),
    _tiny("seq2seq_test_peeky", context="peeky", cell="lstm", num_layers=2, transfer_cell=True,
          reverse_source=True, units=20, embedding_dim=8),
)  # fmt: skip

PRESETS = (
    *_TINY,
    _dates(
        "plain",
        "Dates to YYYY-MM-DD; the decoder knows the encoder's last state only.",
        "Sutskever, Vinyals and Le, 2014 (arXiv:1409.3215)",
        Card(
            use="To see what a fixed-size summary of the source can and cannot carry.",
            limits=_LIMITS,
            hard_input="Tuesday, September 27, 1994",
            hard_input_expected="1994-09-27",
            hard_input_reason="one state, read once, holds too little of a date",
        ),
    ),
    _dates(
        "peeky",
        "Dates to YYYY-MM-DD; the decoder reads the encoder's last state at every step.",
        "Cho et al., 2014 (arXiv:1406.1078)",
        Card(
            use="To compare with plain and attention: the same summary, never out of sight.",
            limits=_LIMITS,
            hard_input="27 September 1994",
            hard_input_expected="1994-09-27",
            hard_input_reason="no training date has its day before its month",
        ),
    ),
    _dates(
        "attention",
        "Dates to YYYY-MM-DD; the decoder attends to all of the source.",
        "Luong, Pham and Manning, 2015 (arXiv:1508.04025), global attention, dot score",
        Card(
            use="To read US dates, and to see attention at work: each output character points at"
            " the characters that it was read from.",
            limits=_LIMITS,
            hard_input="27 September 1994",
            hard_input_expected="1994-09-27",
            hard_input_reason="no training date has its day before its month",
        ),
    ),
)
