"""SentencePiece, with the special tokens of the zoo."""

import io
import string
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import sentencepiece

from zoo.errors import ZooError

PAD_ID = 0
UNKNOWN_ID = 1
START_ID = 2
END_ID = 3


class Tokenizer:
    """A SentencePiece model; `tensorflow_text.SentencepieceTokenizer` reads the same bytes."""

    pad_id = PAD_ID
    start_id = START_ID
    end_id = END_ID

    def __init__(self, model: bytes):
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        except RuntimeError as error:
            raise ZooError("Expected a SentencePiece model. Received other bytes.") from error
        self.model = model
        specials = (
            self._processor.pad_id(),
            self._processor.unk_id(),
            self._processor.bos_id(),
            self._processor.eos_id(),
        )
        if specials != (PAD_ID, UNKNOWN_ID, START_ID, END_ID):
            raise ZooError(
                "Expected the ids 0, 1, 2, 3 for padding, unknown, start and end in the tokenizer. "
                f"Received: {specials}."
            )

    @classmethod
    def from_file(cls, path: Path) -> "Tokenizer":
        """Returns the tokenizer stored at `path`."""
        return cls(path.read_bytes())

    @property
    def vocab_size(self) -> int:
        """The number of pieces, special tokens included."""
        return self._processor.vocab_size()

    def require_vocab_size(self, expected: int) -> None:
        """Raises ZooError if a model with a vocabulary of `expected` cannot use this tokenizer."""
        if self.vocab_size != expected:
            raise ZooError(
                f"The tokenizer has {self.vocab_size} pieces, the model expected {expected}: "
                f"--set model.vocab_size={self.vocab_size}"
            )

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns the ids of each text, without start and end tokens."""
        return self._processor.encode(list(texts))

    def sample(self, texts: Sequence[str], *, alpha: float, seed: int) -> list[list[int]]:
        """Returns the ids of each text, its cut into pieces drawn among all that there are.

        A cut x is drawn in proportion to P(x) ** alpha (Kudo, 2018, arXiv:1804.10959, section 3.3).
        The same texts and seed give the same ids.
        """
        sentencepiece.set_random_generator_seed(seed)
        # A call with one thread starts a new one, and a new thread starts from the seed.
        return self._processor.encode(
            list(texts), enable_sampling=True, nbest_size=-1, alpha=alpha, num_threads=1
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Returns the text of `ids`; special tokens have none."""
        return self._processor.decode([int(token) for token in ids])

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns each id's piece; a blank is `▁`."""
        return [self._processor.id_to_piece(int(token)) for token in ids]


def train_tokenizer(texts: Iterable[str], *, kind: str, vocab_size: int) -> Tokenizer:
    """Returns a tokenizer trained on `texts`; the same texts always give the same.

    Args:
        texts: Of both sides, source and target.
        kind: `char`: the characters of `texts` are the pieces, as many as there are. `unigram`
            (Kudo, 2018, arXiv:1804.10959) or `bpe` (Sennrich, Haddow and Birch, 2016,
            arXiv:1508.07909): pieces of words. `unigram_bytes`: the same, but the rarest
            characters, 1 in 2,000 of the text, and those never seen are their UTF-8 bytes, and no
            character is replaced by its like: a full-width question mark stays what it is.
            `word`: the words between blanks are the pieces, as many as there are, A to Z in lower
            case and without full stops, question marks and exclamation marks; a comma stays.
        vocab_size: How many pieces, special tokens included.

    Raises:
        ZooError: If the texts do not give that many pieces.
    """
    model = io.BytesIO()
    options = {"vocab_size": vocab_size}
    if kind == "char":
        # "9" in a date is the same token at the start and inside.
        options = {"vocab_size": 1000, "use_all_vocab": True, "add_dummy_prefix": False}
    elif kind == "unigram_bytes":
        kind = "unigram"
        options |= {
            "byte_fallback": True,
            "character_coverage": 0.9995,
            "normalization_rule_name": "identity",
        }
    elif kind == "word":
        options = {"vocab_size": 1000, "use_all_vocab": True}
    with tempfile.TemporaryDirectory() as folder:
        if kind == "word":
            rules = Path(folder) / "rules.tsv"
            rules.write_text(_WORD_RULES, encoding="utf-8")
            options["normalization_rule_tsv"] = str(rules)
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=kind,
                hard_vocab_limit=False,
                pad_id=PAD_ID,
                unk_id=UNKNOWN_ID,
                bos_id=START_ID,
                eos_id=END_ID,
                num_threads=1,
                minloglevel=2,
                **{"character_coverage": 1.0, **options},
            )
        except RuntimeError as error:
            raise ZooError(f"The texts give no {kind} tokenizer of {vocab_size} pieces.") from error
    tokenizer = Tokenizer(_without_paths(model.getvalue()))
    tokenizer.require_vocab_size(vocab_size)
    return tokenizer


# What the tokenizer itself makes of a text before it looks for words: code points in hexadecimal,
# what they become after the tab.
_WORD_RULES = "".join(
    [f"{ord(letter):X}\t{ord(letter.lower()):X}\n" for letter in string.ascii_uppercase]
    + [f"{ord(mark):X}\t\n" for mark in ".?!"]
)


def _without_paths(model: bytes) -> bytes:
    """Returns `model` without the name of the file that its rules came from.

    SentencePiece (0.2.3) keeps that name beside the rules, where no reader needs it and where it
    would make each training's bytes different.
    """
    # Here: only training needs protobuf. What is not described is kept as it is; the description of
    # all of it in sentencepiece demands the newest protobuf, which Beam does not take.
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="zoo/text/tokenizer.proto", package="zoo")
    rules = {"name": "normalization_rule_tsv", "number": 6, "type": field.TYPE_STRING}
    file.message_type.add(name="NormalizerSpec").field.add(label=field.LABEL_OPTIONAL, **rules)
    file.message_type.add(name="ModelProto").field.add(
        name="normalizer_spec", number=3, type=field.TYPE_MESSAGE, type_name=".zoo.NormalizerSpec",
        label=field.LABEL_OPTIONAL,
    )  # fmt: skip
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("zoo.ModelProto"))
    content = message.FromString(model)
    if not content.normalizer_spec.normalization_rule_tsv:
        return model
    content.normalizer_spec.ClearField("normalization_rule_tsv")
    return content.SerializeToString(deterministic=True)
