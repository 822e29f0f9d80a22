"""Configuration and presets of the Transformer."""

from dataclasses import dataclass, field
from typing import Literal

from zoo.config import Card, DataConfig, DecodeConfig, Preset, TrainConfig, require


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """An encoder and a decoder made of attention (Vaswani et al., 2017, arXiv:1706.03762)."""

    vocab_size: int  # pieces of the tokenizer, which source and target share
    max_source_length: int  # tokens; a longer source is cut
    max_target_length: int  # tokens, the end token counted
    width: int = 128  # of embeddings and of every layer
    feed_forward_width: int = 256
    num_heads: int = 4
    num_encoder_layers: int = 4
    num_decoder_layers: int = 4
    norm: Literal["pre", "post"] = "post"  # before every sub-layer, or after it as in the paper
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    share_embeddings: bool = True  # one table for source, target and output
    dropout: float = 0.1  # of embeddings and of every sub-layer's output
    alignment_layer: int = -1  # the decoder layer whose weights are the alignment; -1 is the last

    def __post_init__(self):
        require(
            self,
            vocab_size=self.vocab_size >= 5,
            max_source_length=self.max_source_length >= 1,
            max_target_length=self.max_target_length >= 1,
            width=self.width >= 2 and self.width % 2 == 0,
            feed_forward_width=self.feed_forward_width >= 1,
            num_heads=self.num_heads >= 1 and self.width % self.num_heads == 0,
            num_encoder_layers=self.num_encoder_layers >= 1,
            num_decoder_layers=self.num_decoder_layers >= 1,
            dropout=0 <= self.dropout < 1,
            alignment_layer=-self.num_decoder_layers
            <= self.alignment_layer
            < self.num_decoder_layers,
        )


@dataclass(frozen=True, kw_only=True)
class TransformerPreset(Preset):
    """A preset of this family."""

    model: TransformerConfig
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)


PRESET_TYPE = TransformerPreset


def _test(name: str, **model) -> TransformerPreset:
    """Returns a preset for tests: trained in seconds, never published."""
    sizes = {"width": 32, "feed_forward_width": 48, "num_encoder_layers": 2, "dropout": 0.1}
    return TransformerPreset(
        name=name,
        family="transformer",
        summary="For tests.",
        paper="None.",
        model=TransformerConfig(
            vocab_size=62,
            max_source_length=32,
            max_target_length=12,
            num_decoder_layers=2,
            **sizes | model,
        ),
        train=TrainConfig(
            epochs=1,
            batch_tokens=1024,
            learning_rate=1e-2,
            schedule="inverse_sqrt",
            warmup_steps=10,
            label_smoothing=0.1,
            average=2,
        ),
        decode=DecodeConfig(beam_size=3, length_penalty=0.6),
        data=DataConfig(name="dates", rows=400),
    )


def _recipe(*, epochs: int, learning_rate: float) -> TrainConfig:
    """Returns how the published presets are trained, on two cores."""
    return TrainConfig(
        epochs=epochs,
        batch_tokens=2048,
        learning_rate=learning_rate,
        schedule="cosine",
        warmup_steps=1000,
        beta_2=0.98,
        epsilon=1e-8,
        clip_norm=25.0,
        label_smoothing=0.1,
        average=5,
    )


# The shape of Transformer-Tiny of Wu et al., 2021: four and four layers of 128, one table for both
# languages and the output, label smoothing 0.1, Adam with (0.9, 0.98), a mean of last epochs.
# Deviations: 4,000 cased SentencePiece pieces instead of 10,000 lower-cased merges of BPE (smaller,
# and German with its capitals), cut anew each epoch; and a recipe for two cores instead of 8,000
# updates of 8,192 positions on two GPUs: normalization before the sub-layers, batches of 2,048
# positions a side, a cosine that ends.
def _multi30k(
    source: str, target: str, languages: str, card: Card, *, epochs: int = 60
) -> TransformerPreset:
    return TransformerPreset(
        name=f"transformer_tiny_multi30k_{source}_{target}",
        family="transformer",
        summary=f"{languages}, captions of photographs; 4 + 4 layers, 128 wide.",
        paper="Vaswani et al., 2017 (arXiv:1706.03762), in the size of Wu et al., 2021"
        " (arXiv:2105.14462), Transformer-Tiny",
        model=TransformerConfig(
            vocab_size=4000,
            max_source_length=64,
            max_target_length=64,
            norm="pre",
            dropout=0.3,
        ),
        train=_recipe(epochs=epochs, learning_rate=2e-3),
        decode=DecodeConfig(beam_size=5, length_penalty=1.0),
        data=DataConfig(
            name="multi30k", source=source, target=target, tokenizer="unigram", sampling=0.3
        ),
        card=card,
    )


# Between them, every option of the configuration stands at a value that does something.
_TESTS = (
    _test("transformer_test"),
    _test("transformer_test_pre", norm="pre", positions="learned", share_embeddings=False,
          alignment_layer=0),
)  # fmt: skip


# 29,000 short sentences, half as long as Multi30k's. A larger table, for the characters of Chinese,
# simplified and traditional; fewer and wider layers, for what is said of everything.
def _tatoeba(source: str, target: str, languages: str, card: Card) -> TransformerPreset:
    return TransformerPreset(
        name=f"transformer_small_tatoeba_{source}_{target}",
        family="transformer",
        summary=f"{languages}, short everyday sentences; 3 + 3 layers, 192 wide.",
        paper="Vaswani et al., 2017 (arXiv:1706.03762)",
        model=TransformerConfig(
            vocab_size=6000,
            max_source_length=48,
            max_target_length=48,
            width=192,
            feed_forward_width=384,
            num_encoder_layers=3,
            num_decoder_layers=3,
            norm="pre",
            dropout=0.3,
        ),
        train=_recipe(epochs=26, learning_rate=1.5e-3),
        decode=DecodeConfig(beam_size=5, length_penalty=1.0),
        data=DataConfig(
            name="tatoeba_cmn_eng", source=source, target=target, tokenizer="unigram_bytes"
        ),
        card=card,
    )


_SENTENCES = "short everyday sentences, of up to about twenty words, on everyday matters."

_LIMITS = "captions: sentences of up to about forty words that describe what a photograph shows."

PRESETS = (
    *_TESTS,
    _multi30k(
        "en",
        "de",
        "English to German",
        Card(
            use="To translate captions of photographs, and as the smallest Transformer that"
            " translates well: a reference for papers and a start for products.",
            limits=_LIMITS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Der Vorstand verschob die Fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
    ),
    _multi30k(
        "de",
        "en",
        "German to English",
        Card(
            use="To translate German captions of photographs on a device or a server.",
            limits=_LIMITS,
            hard_input="Der Vorstand verschob die Fusion.",
            hard_input_expected="The board of directors postponed the merger.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
        epochs=32,
    ),
    _multi30k(
        "en",
        "fr",
        "English to French",
        Card(
            use="To translate captions of photographs into French on a device or a server.",
            limits=_LIMITS,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="Le conseil d'administration a reporté la fusion.",
            hard_input_reason="no photograph shows a merger, so it never saw these words",
        ),
        epochs=44,  # an epoch has half as many batches again as the others'
    ),
    _tatoeba(
        "zh",
        "en",
        "Chinese to English",
        Card(
            use="To translate short Chinese sentences, in either script, on a device or a server.",
            limits=_SENTENCES,
            hard_input="董事会推迟了合并。",
            hard_input_expected="The board of directors postponed the merger.",
            hard_input_reason="its sentences are of everyday matters, not of companies",
        ),
    ),
    _tatoeba(
        "en",
        "zh",
        "English to Chinese",
        Card(
            use="To translate short sentences into Chinese on a device or a server. It writes the"
            " simplified or the traditional script, as its data has both.",
            limits=_SENTENCES,
            hard_input="The board of directors postponed the merger.",
            hard_input_expected="董事会推迟了合并。",
            hard_input_reason="its sentences are of everyday matters, not of companies",
        ),
    ),
)
