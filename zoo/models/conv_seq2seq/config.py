"""Configuration and presets of the convolutional sequence to sequence model."""

from dataclasses import dataclass, field

from zoo.config import Card, DataConfig, DecodeConfig, Preset, TrainConfig, require


@dataclass(frozen=True, kw_only=True)
class ConvSeq2SeqConfig:
    """Gated convolutions and multi-step attention (Gehring et al., 2017, arXiv:1705.03122)."""

    vocab_size: int  # pieces of the tokenizer, which source and target share
    max_source_length: int  # tokens; a longer source is cut
    max_target_length: int  # tokens, the end token counted
    embedding_width: int = 192  # of tokens and positions, of keys and values
    width: int = 192  # of every block's inputs and outputs; its convolution has twice as many
    out_width: int = 192  # of what the logits are read from
    num_encoder_layers: int = 4
    num_decoder_layers: int = 3
    encoder_kernel_width: int = 3  # positions that a block of the encoder sees; odd
    decoder_kernel_width: int = 3
    share_embeddings: bool = True  # one table for source and target
    tie_output: bool = True  # the target's table gives the logits, too
    dropout: float = 0.1  # of embeddings, of every convolution's inputs and of the logits' inputs

    def __post_init__(self):
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_source_length=self.max_source_length >= 1,
            max_target_length=self.max_target_length >= 1,
            embedding_width=self.embedding_width >= 1,
            width=self.width >= 1,
            out_width=self.out_width >= 1
            and (self.out_width == self.embedding_width or not self.tie_output),
            num_encoder_layers=self.num_encoder_layers >= 1,
            num_decoder_layers=self.num_decoder_layers >= 1,
            encoder_kernel_width=self.encoder_kernel_width >= 1
            and self.encoder_kernel_width % 2 == 1,
            # With 1, a decoder would know no token but the last.
            decoder_kernel_width=self.decoder_kernel_width >= 2,
            dropout=0 <= self.dropout < 1,
        )


@dataclass(frozen=True, kw_only=True)
class ConvSeq2SeqPreset(Preset):
    """A preset of this family."""

    model: ConvSeq2SeqConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)


PRESET_TYPE = ConvSeq2SeqPreset


def _test(name: str, **model) -> ConvSeq2SeqPreset:
    """Returns a preset for tests: trained in seconds, never published."""
    sizes = {"embedding_width": 24, "width": 32, "out_width": 24, "num_encoder_layers": 2}
    return ConvSeq2SeqPreset(
        name=name,
        family="conv_seq2seq",
        summary="For tests.",
        paper="None.",
        model=ConvSeq2SeqConfig(
            vocab_size=62,
            max_source_length=32,
            max_target_length=12,
            **sizes | {"num_decoder_layers": 2} | model,
        ),
        train=TrainConfig(
            epochs=1,
            batch_tokens=1024,
            learning_rate=1e-2,
            schedule="cosine",
            warmup_steps=10,
            clip_norm=0.1,
            label_smoothing=0.1,
            average=2,
        ),
        decode=DecodeConfig(beam_size=3, length_penalty=0.6),
        data=DataConfig(name="dates", rows=400),
    )


# The size of a model for IWSLT, 4 + 3 layers, made narrower for 29,000 pairs of captions.
# Deviations from the paper: Adam with a cosine schedule, not Nesterov's momentum that stops on a
# plateau; one table for source, target and output; SentencePiece pieces. The clipping at 0.1 is the
# paper's: under Adam it keeps the first updates calm.
def _multi30k(source: str, target: str, languages: str, card: Card) -> ConvSeq2SeqPreset:
    return ConvSeq2SeqPreset(
        name=f"conv_seq2seq_multi30k_{source}_{target}",
        family="conv_seq2seq",
        summary=f"{languages}, captions of photographs; 4 + 3 convolutions, 192 wide.",
        paper="Gehring et al., 2017 (arXiv:1705.03122)",
        model=ConvSeq2SeqConfig(
            vocab_size=4000, max_source_length=64, max_target_length=64, dropout=0.25
        ),
        train=TrainConfig(
            epochs=45,
            batch_tokens=2048,
            learning_rate=1e-3,
            schedule="cosine",
            warmup_steps=800,
            epsilon=1e-8,
            clip_norm=0.1,
            label_smoothing=0.1,
            average=5,
        ),
        decode=DecodeConfig(beam_size=5, length_penalty=1.0),
        data=DataConfig(name="multi30k", source=source, target=target, tokenizer="unigram"),
        card=card,
    )


# Between them, every option of the configuration stands at a value that does something.
_TESTS = (
    _test("conv_seq2seq_test"),
    _test("conv_seq2seq_test_untied", share_embeddings=False, tie_output=False, out_width=20,
          encoder_kernel_width=5, decoder_kernel_width=2, num_decoder_layers=3, dropout=0.05),
)  # fmt: skip

_LIMITS = "captions: sentences of up to about forty words that describe what a photograph shows."

PRESETS = (
    *_TESTS,
    _multi30k(
        "en",
        "de",
        "English to German",
        Card(
            use="To translate captions of photographs without recurrence and without"
            " self-attention, and to see attention that every layer pays anew.",
            limits=_LIMITS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Der Vorstand verschob die Fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
    ),
)
