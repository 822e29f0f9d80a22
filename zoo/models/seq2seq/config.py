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
    # Who asks, and where the context goes. luong: the new state; to the readout. bahdanau: the
    # previous state; into the cell. conditional: the state between two cells; into the second.
    order: Literal["luong", "bahdanau", "conditional"] = "luong"
    input_feeding: bool = False  # of luong: the readout's hidden layer enters the next step's cell
    # From context, state and embedding to the logits. linear: nothing between. tanh: a layer reads
    # context and state. deep, maxout: it reads the embedding of the token before, too.
    readout: Literal["linear", "tanh", "deep", "maxout"] = "linear"
    readout_units: int | None = None  # of that layer; None is `units`, or a tied output's width
    # output: one table embeds target tokens and scores them. all: it embeds the source's, too.
    tie_embeddings: Literal["none", "output", "all"] = "none"
    encoder_units: int | None = None  # None is `units`
    bidirectional: bool = False
    reverse_source: bool = False
    share_parameters: bool = False  # of encoder and decoder: embedding and recurrent layers
    # What the decoder starts from. last: the encoder's last states. A layer of its own makes it of
    # backward: the state of the encoder's backward half at the first word; mean: all its states.
    initial_state: Literal["last", "backward", "mean"] = "last"
    # An LSTM's cell state starts the decoder's too; the book hands over the output alone.
    transfer_cell: bool = False
    dropout: float = 0.0  # of the inputs of every recurrent layer
    embedding_dropout: float = 0.0
    context_dropout: float = 0.0  # of the source states that attention reads
    readout_dropout: float = 0.0  # of what the logits are computed from

    def __post_init__(self):
        for fields, contradictory in self._contradictions().items():
            require(self, **dict.fromkeys(fields, not contradictory))
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_source_length=self.max_source_length >= 1,
            max_target_length=self.max_target_length >= 1,
            embedding_dim=self.embedding_dim >= 1,
            units=self.units >= 1,
            num_layers=self.num_layers >= 1,
            readout_units=self.readout_units is None or self.readout_units >= 1,
            encoder_units=self.encoder_width >= 1,
            dropout=0 <= self.dropout < 1,
            embedding_dropout=0 <= self.embedding_dropout < 1,
            context_dropout=0 <= self.context_dropout < 1,
            readout_dropout=0 <= self.readout_dropout < 1,
        )

    def _contradictions(self) -> dict[tuple[str, ...], bool]:
        """Returns, by the fields that are at odds, whether they are."""
        blind = self.context != "attention"
        odd = self.bidirectional and self.encoder_width % 2 != 0
        shared, tied = self.share_parameters, self.tie_embeddings != "none"
        other_width = self.encoder_width != self.units
        compared = not blind and self.attention.score in ("dot", "scaled_dot", "cosine")
        width = "units" if self.encoder_units is None else "encoder_units"
        return {
            ("context", "order"): blind and self.order != "luong",
            ("context", "input_feeding"): blind and self.input_feeding,
            ("context", "context_dropout"): blind and self.context_dropout != 0,
            ("order", "cell"): self.order == "conditional" and self.cell != "gru",
            ("order", "input_feeding"): self.order != "luong" and self.input_feeding,
            # What is fed is Luong's attentional state.
            ("input_feeding", "readout"): self.input_feeding and self.readout != "tanh",
            ("tie_embeddings", "readout"): tied and self.readout == "linear",
            ("tie_embeddings", "readout_units"): tied
            and self.readout_units not in (None, self.embedding_dim),
            ("readout", "readout_units"): self.readout == "linear"
            and self.readout_units is not None,
            ("bidirectional", width): odd,
            ("bidirectional", "reverse_source"): self.bidirectional and self.reverse_source,
            ("bidirectional", "initial_state"): not self.bidirectional
            and self.initial_state == "backward",
            ("cell", "transfer_cell"): self.cell != "lstm" and self.transfer_cell,
            ("initial_state", "transfer_cell"): self.initial_state != "last" and self.transfer_cell,
            ("share_parameters", "bidirectional"): shared and self.bidirectional,
            ("share_parameters", "context"): shared and self.context == "peeky",
            ("share_parameters", "order", "input_feeding"): shared and self.has_feedback,
            ("share_parameters", "encoder_units"): shared and other_width,
            ("encoder_units", "units", "initial_state"): other_width
            and self.initial_state == "last",
            ("encoder_units", "units", "attention"): other_width and compared,
        }

    @property
    def encoder_width(self) -> int:
        """The width of a source state, both halves of a bidirectional one together."""
        return self.units if self.encoder_units is None else self.encoder_units

    @property
    def context_width(self) -> int:
        """The width of what a step knows of the source: a context, or the summary; 0 is nothing."""
        return 0 if self.context == "plain" else self.encoder_width

    @property
    def has_feedback(self) -> bool:
        """True where a context enters a cell, so that attention is a part of the recurrence."""
        return self.order != "luong" or self.input_feeding

    @property
    def cell_input_width(self) -> int:
        """The width of what the bottom layer reads at each step."""
        if self.order == "conditional":
            return self.encoder_width
        width = self.embedding_dim
        if self.order == "bahdanau" or self.context == "peeky":
            width += self.encoder_width
        return width + (self.readout_width if self.input_feeding else 0)

    @property
    def readout_width(self) -> int:
        """The width of the readout's layer, where it is not linear."""
        if self.readout_units is not None:
            return self.readout_units
        return self.units if self.tie_embeddings == "none" else self.embedding_dim


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


# Between them, every part of the model is there. Other values of its options, and their
# combinations, are in tests/models/test_seq2seq_attention.py.
_TINY = (
    _tiny("seq2seq_test", context="attention", cell="gru", bidirectional=True, num_layers=2,
          units=32, embedding_dim=8),
    _tiny("seq2seq_test_plain", context="plain", cell="simple", share_parameters=True, units=24,
          embedding_dim=8, dropout=0.1),
    _tiny("seq2seq_test_peeky", context="peeky", cell="lstm", num_layers=2, transfer_cell=True,
          reverse_source=True, units=20, embedding_dim=8),
    _tiny("seq2seq_test_hard", cell="gru", bidirectional=True, units=20, encoder_units=24,
          embedding_dim=12, attention=AttentionConfig(score="additive", units=7, selection="hard"),
          order="conditional", readout="deep", tie_embeddings="all", initial_state="mean",
          dropout=0.05, embedding_dropout=0.05, context_dropout=0.05, readout_dropout=0.05),
)  # fmt: skip

# Multi30k: the conditional GRU of nmtpytorch's examples, 256 units each way, and dropout as there,
# somewhat less. Ours: one table for source, target and output (256 wide), 4,000 cased pieces, label
# smoothing, Adam at 1e-3 with warm-up and cosine, the mean of the last five epochs.
_CONDITIONAL = Seq2SeqConfig(
    vocab_size=4000,
    max_source_length=64,
    max_target_length=64,
    embedding_dim=256,
    units=256,
    cell="gru",
    attention=AttentionConfig(score="additive", units=256),
    order="conditional",
    readout="deep",
    tie_embeddings="all",
    encoder_units=512,
    bidirectional=True,
    initial_state="mean",
    embedding_dropout=0.3,
    context_dropout=0.4,
    readout_dropout=0.4,
)

# Not Luong's order without input feeding, whose state does not know what it looked at before (26.3
# after 12 epochs), and not his general score, whose softmax is soon all on one piece and then
# learns no more (34 on top of trained weights).
_LOCAL_P = replace(
    _CONDITIONAL, attention=replace(_CONDITIONAL.attention, window="local_p", half_width=4)
)

_HARD = replace(_CONDITIONAL, attention=replace(_CONDITIONAL.attention, selection="hard"))


_RECIPE = TrainConfig(
    epochs=30,
    batch_tokens=2048,
    learning_rate=1e-3,
    schedule="cosine",
    warmup_steps=600,
    beta_2=0.98,
    clip_norm=1.0,
    label_smoothing=0.1,
    average=5,
)
# A window teaches little while it is in the wrong place, a drawn position while attention does not
# know where to look: 6.4 after two epochs, and 8.4 after three, where the additive model has 16.0
# and 22.7. So both start from its weights.
_GOES_ON = replace(_RECIPE, start_from="seq2seq_additive_multi30k_en_de@1")


def _multi30k(
    kind: str,
    model: Seq2SeqConfig,
    summary: str,
    paper: str,
    card: Card,
    train: TrainConfig = _RECIPE,
) -> Seq2SeqPreset:
    return Seq2SeqPreset(
        name=f"seq2seq_{kind}_multi30k_en_de",
        family="seq2seq",
        summary=f"English to German, captions of photographs; {summary}.",
        paper=paper,
        model=model,
        train=train,
        decode=DecodeConfig(beam_size=5, length_penalty=1.0),
        data=DataConfig(name="multi30k", source="en", target="de", tokenizer="unigram"),
        card=card,
    )


_CAPTIONS = "captions: sentences of up to about forty words that describe what a photograph shows."

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
    _multi30k(
        "additive",
        _CONDITIONAL,
        "a conditional GRU that attends additively",
        "Bahdanau, Cho and Bengio, 2015 (arXiv:1409.0473), its score, in the conditional GRU of"
        " Sennrich et al., 2017 (arXiv:1703.04357)",
        Card(
            use="To translate captions of photographs as before the Transformer, and to see which"
            " words a translation looked at.",
            limits=_CAPTIONS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Der Vorstand verschob die Fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
    ),
    _multi30k(
        "local_p",
        _LOCAL_P,
        "a conditional GRU that attends to nine pieces around a place that it predicts",
        "Luong, Pham and Manning, 2015 (arXiv:1508.04025), local-p, with an additive score",
        Card(
            use="To compare with global attention: the same translation, seen through a window.",
            limits=_CAPTIONS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Der Vorstand verschob die Fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
        train=replace(_GOES_ON, epochs=6, learning_rate=5e-4, average=3),
    ),
    _multi30k(
        "hard",
        _HARD,
        "a conditional GRU that attends to one word at a time",
        "Xu et al., 2015 (arXiv:1502.03044), hard attention, on text",
        Card(
            use="To compare with soft attention: each step looks at one source piece and no other.",
            limits=_CAPTIONS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Der Vorstand verschob die Fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
        train=replace(_GOES_ON, epochs=10, learning_rate=3e-4),
    ),
)
