import numpy as np
import pytest
import tensorflow as tf
from cases import published

from zoo import layout
from zoo.errors import ZooError
from zoo.text.in_graph import GraphTokenizer
from zoo.text.tokenizer import Tokenizer, train_tokenizer

TEXTS = [
    "September 27, 1994",
    "",
    " ",
    "  two  blanks  ",
    "９／２７／９４",  # full width
    "no\u00a0break",
    "zero\u200bwidth",
    "emoji 🙂 inside",
    "日本語",
    "e\u0301",  # combining accent
    "x" * 300,
    "tab\tand\rreturn",
]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer(published("seq2seq_attention_dates").read(layout.TOKENIZER))


@pytest.fixture(scope="module")
def graph_tokenizer(tokenizer):
    return GraphTokenizer(tokenizer.model)


@pytest.mark.parametrize("text", TEXTS)
def test_server_and_device_see_the_same_tokens(tokenizer, graph_tokenizer, text):
    [expected] = tokenizer.encode([text])
    actual = graph_tokenizer.encode(tf.constant([text]), max_length=400).numpy()[0]
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("ids", [[], [9, 5, 33], [5, 5], [1, 60], [4, 20, 4]])
def test_server_and_device_write_the_same_text(tokenizer, graph_tokenizer, ids):
    row = tf.constant([[*ids, tokenizer.end_id, 7, 8]])
    lengths = tf.constant([len(ids) + 1])
    assert graph_tokenizer.decode(row, lengths).numpy()[0].decode() == tokenizer.decode(ids)
    pieces = [piece.decode() for piece in graph_tokenizer.pieces(row, lengths).numpy()[0]]
    assert pieces == [*tokenizer.pieces(ids), "", "", ""]


def test_a_long_text_is_cut(graph_tokenizer, tokenizer):
    ids = graph_tokenizer.encode(tf.constant(["1/2/93", "1/2"]), max_length=4).numpy()
    assert ids.shape == (2, 4)
    assert ids[1].tolist() == [*tokenizer.encode(["1/2"])[0], tokenizer.pad_id]


def test_decoding_undoes_encoding(tokenizer):
    for text in ("Tuesday, September 27, 1994", "9/27/94", "may 1, 2001"):
        assert tokenizer.decode(tokenizer.encode([text])[0]) == text


def test_the_same_texts_give_the_same_tokenizer():
    texts = ["b a", "c,1", "-"]
    first, second = (train_tokenizer(texts, kind="char", vocab_size=11) for _ in range(2))
    assert first.model == second.model


def test_any_character_survives_as_bytes():
    texts = ["机器学习很有趣。", "我喜欢猫！", "你喜欢什么？"] * 5
    tokenizer = train_tokenizer(texts, kind="unigram_bytes", vocab_size=279)
    graph_tokenizer = GraphTokenizer(tokenizer.model)
    for text in ("我喜欢什么？", "龘🙂 unseen"):
        [ids] = tokenizer.encode([text])
        assert tokenizer.decode(ids) == text
        served = graph_tokenizer.encode([text], max_length=64)
        assert served.numpy().tolist() == [ids]
        [decoded] = graph_tokenizer.decode(served, np.array([len(ids)])).numpy()
        assert decoded.decode() == text


def test_another_vocabulary_is_refused_with_the_setting_that_fits():
    with pytest.raises(ZooError, match="--set model.vocab_size=6"):
        train_tokenizer(["ab"], kind="char", vocab_size=9)


def test_other_bytes_are_refused():
    with pytest.raises(ZooError, match="Expected a SentencePiece model"):
        Tokenizer(b"not a model")


def test_sampling_draws_other_cuts_of_the_same_text():
    texts = ["a man walks a dog along the street", "two dogs run along a beach"] * 20
    unigram = Tokenizer(published("transformer_tiny_multi30k_en_de").read(layout.TOKENIZER))
    best = unigram.encode(texts)
    drawn = unigram.sample(texts, alpha=0.2, seed=1)
    assert drawn == unigram.sample(texts, alpha=0.2, seed=1)
    assert drawn != unigram.sample(texts, alpha=0.2, seed=2)
    assert len(set(map(tuple, drawn))) > len(set(map(tuple, best))) == 2
    assert [unigram.decode(ids) for ids in drawn] == texts
    # Toward the best cut as alpha grows.
    assert unigram.sample(texts, alpha=100.0, seed=1) == best
