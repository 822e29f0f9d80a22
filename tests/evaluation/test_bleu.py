import collections
import math
import subprocess
import sys

import pytest
import sacrebleu
import sacremoses

from zoo.evaluation.bleu import bleu, bleu_signature, bleu_tokenized_lowercase

BOTH = pytest.mark.parametrize("metric", [bleu, bleu_tokenized_lowercase])


def slow_bleu(predictions, references):
    """Returns BLEU of tokens between spaces, by Papineni 2002; one zero is halved once more."""
    predictions = [prediction.split() for prediction in predictions]
    references = [[text.split() for text in texts] for texts in references]

    def ngrams(tokens, n):
        return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

    product, zeros = 1.0, 0
    for n in (1, 2, 3, 4):
        matches = total = 0
        for prediction, texts in zip(predictions, references, strict=True):
            for ngram, count in collections.Counter(ngrams(prediction, n)).items():
                matches += min(count, max(ngrams(text, n).count(ngram) for text in texts))
                total += count
        if not matches:
            zeros += 1
            matches = 1 / 2**zeros
        product *= matches / total
    length = sum(map(len, predictions))
    reference_length = 0
    for prediction, texts in zip(predictions, references, strict=True):
        nearest = min((abs(len(text) - len(prediction)), len(text)) for text in texts)
        reference_length += nearest[1]
    return 100 * min(1, math.exp(1 - reference_length / length)) * product**0.25


# Lower case, no punctuation: here both metrics have the same tokens, those between spaces.
CORPORA = {
    "long": (
        ["the red boat sails on the the lake today now", "two men fix an old bike"],
        [["the red boat sails on the lake"], ["two men fix a very old bike"]],
    ),
    "short": (
        ["a girl reads a book", "two men fix an old bike"],
        [["a girl reads a book under the tree"], ["two men fix an old bike outside"]],
    ),
    "no 4-gram": (["a girl reads the book"], [["a girl reads a book"]]),
    "no 3-gram": (["a girl sees the book"], [["a girl reads a book"]]),
    "references": (
        ["a dog runs over the wet grass", "he reads the news on a bench", "snow falls", "dusk"],
        [
            ["a dog is running over wet grass here", "a brown dog runs over the grass"],
            ["on a bench he reads the news"],
            ["snow falls on it", "the snow is falling", "it snows"],
            ["dusk comes to the town"],  # a missing reference is not one of no words
        ],
    ),
}


@BOTH
@pytest.mark.parametrize("corpus", CORPORA)
def test_it_is_the_slow_count_of_ngrams(metric, corpus):
    predictions, references = CORPORA[corpus]
    expected = slow_bleu(predictions, references)
    assert 1 < expected < 99
    assert metric(predictions, references, language="en") == pytest.approx(expected, abs=1e-9)


def test_the_slow_count_is_that_of_the_formula():
    # p = 5/5, 4/4, 3/3, 2/2 and 5 tokens for 8.
    prediction, reference = "a girl reads a book", "a girl reads a book under the tree"
    assert slow_bleu([prediction], [[reference]]) == pytest.approx(100 * math.exp(1 - 8 / 5))
    assert bleu([prediction], [reference], language="en") == pytest.approx(100 * math.exp(-0.6))


@BOTH
def test_text_equal_to_its_reference_scores_exactly_100(metric):
    texts = ["Ein Boot fährt über den See.", "„Halt!“, ruft die Frau & winkt."]
    assert metric(texts, texts, language="de") == 100.0


@BOTH
def test_no_common_word_scores_0(metric):
    assert metric(["ein altes Rad im Hof"], ["zwei Frauen lesen am Tisch"], language="de") == 0.0


@BOTH
def test_text_without_a_4_gram_scores_0(metric):
    assert metric(["ein altes Rad"], ["ein altes Rad"], language="de") == 0.0


@BOTH
def test_a_reference_alone_is_a_string_or_a_sequence(metric):
    predictions = ["a girl reads the book", "two men fix an old bike"]
    references = ["a girl reads a book", "two men fix the old bike"]
    expected = metric(predictions, references, language="en")
    assert metric(predictions, [references[:1], references[1]], language="en") == expected
    assert metric(predictions, [(text,) for text in references], language="en") == expected


@BOTH
def test_any_of_several_references_may_match(metric):
    predictions = ["Ein Mann liest ein Buch.", "Der Hund schläft auf dem Sofa."]
    references = [
        "Ein Mann liest ein Buch.",
        ("Eine Katze ist wach.", "Sie sitzt dort.", "Der Hund schläft auf dem Sofa."),
    ]
    assert metric(predictions, references, language="de") == 100.0


def test_case_counts_in_plain_text_alone():
    prediction, reference = ["ein mann liest ein buch im park"], ["Ein Mann liest ein Buch im Park"]
    # Tokens 3/7, one 2-gram of 6 ("liest ein"), no 3-gram, no 4-gram.
    expected = 100 * (3 / 7 * 1 / 6 * (1 / 2) / 5 * (1 / 4) / 4) ** 0.25
    assert bleu(prediction, reference, language="de") == pytest.approx(expected)
    assert bleu_tokenized_lowercase(prediction, reference, language="de") == 100.0


@pytest.mark.parametrize(
    ("language", "text", "tokens"),
    [
        # The quotes of German become straight, and tokens of their own: &quot;
        ("de", "Sie ruft „Komm her“ und lacht.", "sie ruft &quot; komm her &quot; und lacht ."),
        ("de", "Ein Schild mit „Halt.“", "ein schild mit &quot; halt . &quot;"),
        ("de", "Brot & Salz (frisch)", "brot &amp; salz ( frisch )"),
        ("de", "Tür [a] <b> x|y", "tür &#91; a &#93; &lt; b &gt; x &#124; y"),
        # The apostrophe stays with what follows in English, before it in French, alone in German.
        ("en", "The dog’s bone isn't old", "the dog &apos;s bone isn &apos;t old"),
        ("fr", "L'homme d’ici", "l&apos; homme d&apos; ici"),
        ("de", "Wie geht’s dir", "wie geht &apos; s dir"),
        # No -a: a hyphen between letters splits nothing, and is not written @-@.
        ("de", "ein T-Shirt–Laden", "ein t-shirt-laden"),
        # Lower-cased first: before a small letter the dot stays where it is.
        ("de", "Das Boot ist rot. Es fährt.", "das boot ist rot. es fährt ."),
        # Of the language, to normalize: German has the dot after the quotes, English before.
        ("de", "Sie ruft „Halt.“ und winkt", "sie ruft &quot; halt &quot; . und winkt"),
        ("en", "She calls “Stop.” and waves", "she calls &quot; stop . &quot; and waves"),
        # Of the language, to tokenize: "bzw." is an abbreviation, and no English word.
        ("de", "10 bzw. 12 Boote", "10 bzw. 12 boote"),
        ("en", "10 bzw. 12 boats", "10 bzw . 12 boats"),
        ("cs", "Muž čte knihu „Led“", "muž čte knihu &quot; led &quot;"),
    ],
)
def test_moses_tokens_are_what_is_counted(monkeypatch, language, text, tokens):
    scored = []
    score = sacrebleu.BLEU.corpus_score

    def spy(metric, predictions, streams):
        scored.append((metric.tokenizer_signature, predictions, streams))
        return score(metric, predictions, streams)

    monkeypatch.setattr(sacrebleu.BLEU, "corpus_score", spy)
    bleu_tokenized_lowercase([text], [text], language=language)
    assert scored == [("none", [tokens], [[tokens]])]


def test_escaping_makes_one_token_of_a_sign():
    # Written out, "&amp;" is escaped again: 1 token for 1, another one. 13a reads it as "&".
    prediction, reference = ["wir kaufen Brot &amp; Salz ein"], ["wir kaufen Brot & Salz ein"]
    assert bleu(prediction, reference, language="de") == 100.0
    expected = slow_bleu(
        ["wir kaufen brot &amp; amp ; salz ein"], [["wir kaufen brot &amp; salz ein"]]
    )
    assert bleu_tokenized_lowercase(prediction, reference, language="de") == pytest.approx(expected)


def test_kinds_of_quotes_count_in_plain_text_alone():
    prediction = ["Auf dem alten Schild steht 'Halt' und \"Los\""]
    reference = ["Auf dem alten Schild steht ‚Halt’ und „Los“"]
    assert bleu(prediction, reference, language="de") < 60
    assert bleu_tokenized_lowercase(prediction, reference, language="de") == 100.0


def test_chinese_is_counted_by_character():
    prediction, reference = ["一个男人在河边读书。"], ["一个男人在湖边读书。"]
    expected = slow_bleu([" ".join(prediction[0])], [[" ".join(reference[0])]])
    assert bleu(prediction, reference, language="zh") == pytest.approx(expected)
    assert bleu(prediction, reference, language="de") == 0.0


def test_chinese_has_no_moses_tokens():
    with pytest.raises(ValueError, match="languages that Moses can tokenize: .*de, .*'zh'"):
        bleu_tokenized_lowercase(["一个男人"], ["一个男人"], language="zh")


def test_a_language_without_rules_is_not_taken_for_english():
    with pytest.raises(ValueError, match="languages that Moses can tokenize: .*'tr'"):
        bleu_tokenized_lowercase(["a b c d"], ["a b c d"], language="tr")


@BOTH
@pytest.mark.parametrize("language", ["ZH", "zh-cn", "german", ""])
def test_a_language_is_two_small_letters(metric, language):
    with pytest.raises(ValueError, match=f"two small letters.*Received: '{language}'"):
        metric(["a b c d"], ["a b c d"], language=language)


@BOTH
@pytest.mark.parametrize(("predictions", "references"), [([], []), (["a"], ["a", "b"])])
def test_nothing_to_compare_is_refused(metric, predictions, references):
    with pytest.raises(ValueError, match="as many predictions as references"):
        metric(predictions, references, language="de")


@BOTH
def test_a_source_without_a_reference_is_refused(metric):
    with pytest.raises(ValueError, match="at least 1 reference for every source. Row 1 has none"):
        metric(["a", "b", "c"], ["a", [], ["c", "d"]], language="de")


@pytest.mark.parametrize(
    ("references", "count"), [(["a", "b"], 1), ([["a", "b"], ["c", "d"]], 2), (["a", "bc"], 1)]
)
def test_the_signature_of_plain_text_is_that_of_sacrebleu(references, count):
    assert bleu_signature(references, language="de") == (
        f"nrefs:{count}|case:mixed|eff:no|tok:13a|smooth:exp|version:{sacrebleu.__version__}"
    )


def test_the_signature_says_that_the_number_of_references_varies():
    assert bleu_signature(["a", ("b", "c")], language="de").startswith("nrefs:var|")


def test_the_signature_of_chinese_names_its_tokenizer():
    assert "|tok:zh|" in bleu_signature(["一个男人"], language="zh")


def test_the_signature_of_tokens_names_who_made_them():
    signature = bleu_signature([("a", "b", "c")], language="de", tokenized_lowercase=True)
    assert signature == (
        f"nrefs:3|case:lc|eff:no|tok:moses-de-sacremoses-{sacremoses.__version__}|smooth:exp|"
        f"version:{sacrebleu.__version__}"
    )


@pytest.mark.parametrize(
    ("references", "options", "message"),
    [
        ([], {"language": "de"}, "at least 1"),
        (["a", []], {"language": "de"}, "Row 1 has none"),
        (["a"], {"language": "zh-cn"}, "two small letters"),
        (["a"], {"language": "zh", "tokenized_lowercase": True}, "Moses can tokenize"),
    ],
)
def test_what_has_no_score_has_no_signature(references, options, message):
    with pytest.raises(ValueError, match=message):
        bleu_signature(references, **options)


@pytest.mark.parametrize("package", ["sacrebleu", "sacremoses"])
def test_a_missing_package_is_named_with_its_command(package):
    code = f"""
import sys
sys.modules[{package!r}] = None
from zoo.errors import ZooError
try:
    import zoo.evaluation.bleu
except ZooError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"needs the package {package}, which is not installed" in done.stdout
    assert "pip install 'attention-zoo[evaluate]'" in done.stdout
