"""BLEU of translations, twice: as users read the text, and as the Multi30k papers count it.

The two are different scores of the same output. `bleu` is sacreBLEU's: text as it is, capitals
count, the tokenizer belongs to the metric. `bleu_tokenized_lowercase` is what stands beside papers
that score the data's own preprocessing, lower case and tokens of Moses.

    BLEU = 100 * min(1, exp(1 - r / c)) * (p_1 * p_2 * p_3 * p_4) ** (1 / 4)

with p_n the clipped n-gram precision of the whole corpus, c the tokens of all predictions and r
those of the references, of each source the one that is nearest in length. Where p_n is 0 and there
are n-grams, it is smoothed as sacreBLEU does by default ("exp"): the k-th such n counts as
`1 / 2 ** k` of one match. Where no prediction has 4 tokens, or no token matches, BLEU is 0, even of
an output that equals its reference.

Source: Papineni et al., 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation",
sections 2.1 to 2.3; Post, 2018 (arXiv:1804.08771) for why a score comes with its signature.
"""

import re
from collections.abc import Sequence

from zoo.errors import missing_extra
from zoo.evaluation.exact_match import require_pairs

try:
    import sacrebleu
    import sacremoses
except ImportError as error:
    raise missing_extra(error.name, extra="evaluate", purpose="Scoring a translation") from error

# A source's one reference, or several; not every source needs as many as the others.
References = Sequence[str | Sequence[str]]


def bleu(predictions: Sequence[str], references: References, *, language: str) -> float:
    """Returns BLEU, 0 to 100, of plain text: cased, tokenized as sacreBLEU does by default.

    Args:
        predictions: One a source: detokenized text, as a user gets it.
        references: One string a source, or a sequence of at least one.
        language: Of the target, two small letters (ISO 639-1). It chooses the tokenizer: `zh` for
            "zh", every Chinese character a token; `13a` for languages with spaces.

    Raises:
        ValueError: If there is nothing to compare, a source has no reference, or `language` is
            not two small letters.
        RuntimeError: If `language` is "ja" or "ko" and sacreBLEU's extra for it is not installed.
    """
    require_pairs(predictions, references)
    return _score(_plain(language), predictions, _streams(references))


def bleu_tokenized_lowercase(
    predictions: Sequence[str], references: References, *, language: str
) -> float:
    """Returns BLEU, 0 to 100, of lower-cased Moses tokens: the number of the Multi30k papers.

    Predictions and references are lower-cased, then go through Moses' normalize-punctuation and
    its tokenizer, without `-a` (hyphens do not split) and with XML escaping, and sacreBLEU counts
    what is between spaces. This order gives the text that the papers' data sets publish; to
    lower-case last does not, because Moses looks at capitals.

    Args:
        predictions: As in `bleu`: not tokenized, and escaped nowhere.
        references: As in `bleu`.
        language: Of the target, two small letters. It chooses Moses' rules.

    Raises:
        ValueError: If there is nothing to compare, a source has no reference, or Moses has no
            rules for `language`. "zh" is refused: Moses splits at spaces, and Chinese has none.
    """
    require_pairs(predictions, references)
    tokenize = _moses(language)
    return _score(
        _of_tokens(),
        [tokenize(prediction) for prediction in predictions],
        [
            [None if text is None else tokenize(text) for text in stream]
            for stream in _streams(references)
        ],
    )


def bleu_signature(
    references: References, *, language: str, tokenized_lowercase: bool = False
) -> str:
    """Returns what makes a score comparable, in sacreBLEU's form: `nrefs:1|case:mixed|...`.

    sacreBLEU itself would say `case:mixed|tok:none` of `bleu_tokenized_lowercase`, because it gets
    the tokens; here the signature names what made them. `nrefs:var` means that sources differ in
    how many references they have.

    Args:
        references: Those of the score.
        language: That of the score.
        tokenized_lowercase: Whether the score is that of `bleu_tokenized_lowercase`.

    Raises:
        ValueError: As the function whose score it is.
    """
    require_pairs(references, references)
    metric = _of_tokens() if tokenized_lowercase else _plain(language)
    if tokenized_lowercase:
        _require_moses(language)
    metric.corpus_score([""] * len(references), _streams(references))  # which counts references
    signature = metric.get_signature()
    if tokenized_lowercase:
        signature.update("case", "lc")
        signature.update("tok", f"moses-{language}-sacremoses-{sacremoses.__version__}")
    return signature.format()


def _plain(language: str) -> sacrebleu.BLEU:
    _require_code(language)
    return sacrebleu.BLEU(trg_lang=language)


def _of_tokens() -> sacrebleu.BLEU:
    return sacrebleu.BLEU(tokenize="none", force=True)  # force: do not warn of tokenized text


def _score(metric: sacrebleu.BLEU, predictions: Sequence[str], streams: list) -> float:
    score = metric.corpus_score(predictions, streams).score
    return min(score, 100.0)  # through logarithms, a perfect output gets 100.00000000000004


def _streams(references: References) -> list[list[str | None]]:
    """Returns the k-th references of all sources, for every k; None where a source has fewer."""
    several = [[texts] if isinstance(texts, str) else list(texts) for texts in references]
    for row, texts in enumerate(several):
        if not texts:
            raise ValueError(f"Expected at least 1 reference for every source. Row {row} has none.")
    return [
        [texts[k] if k < len(texts) else None for texts in several]
        for k in range(max(map(len, several)))
    ]


def _moses(language: str):
    """Returns the function from plain text to lower-cased, escaped tokens between spaces."""
    _require_moses(language)
    normalizer = sacremoses.MosesPunctNormalizer(lang=language)
    tokenizer = sacremoses.MosesTokenizer(lang=language)

    def tokenize(text: str) -> str:
        normal = normalizer.normalize(text.lower())
        return tokenizer.tokenize(
            normal, aggressive_dash_splits=False, escape=True, return_str=True
        )

    return tokenize


def _require_moses(language: str) -> None:
    _require_code(language)
    # sacremoses takes an unknown language for English without a word.
    known = sacremoses.corpus.NonbreakingPrefixes().available_langs
    if language == "zh" or language not in known:
        codes = sorted(code for code in known.values() if len(code) == 2 and code != "zh")
        raise ValueError(
            f"Tokenized lower-case BLEU is defined for the languages that Moses can tokenize: "
            f"{', '.join(codes)}. Received: {language!r}."
        )


def _require_code(language: str) -> None:
    # sacreBLEU would take "ZH" or "zh-cn" for a language with spaces.
    if not re.fullmatch("[a-z]{2}", language):
        raise ValueError(
            f"Expected a language as two small letters, such as 'de'. Received: {language!r}."
        )
