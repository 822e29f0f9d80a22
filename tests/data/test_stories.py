"""Stories in bAbI's format, their archives, and their arrays."""

import hashlib
import io
import re
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from zoo.data import dataset as datasets
from zoo.data import stories as module
from zoo.data.stories import (
    Example,
    Stories,
    Story,
    encode_examples,
    noisy_times,
    open_stories,
    read_archive,
    read_stories,
    sample_examples,
)
from zoo.errors import ZooError
from zoo.runtime.story_model import encode_stories
from zoo.text.in_graph import GraphTokenizer
from zoo.text.tokenizer import train_tokenizer

TEXT = """1 Mary got the milk.
2 John went home.
3 What does Mary carry? \tmilk\t1
4 Mary took the football.
5 What does Mary carry?\tmilk,football\t1 4
1 Bill slept.
2 Who slept?\tBill\t1
"""
CONFIG = SimpleNamespace(max_sentences=3, max_sentence_length=4, max_question_length=5)


@pytest.fixture(scope="module")
def tokenizer():
    stories = Stories({("train", 1): TEXT}, "1k")
    return train_tokenizer(stories.training_texts(), kind="word", vocab_size=4 + 16)


def _archive(files, **changes):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            for field, value in changes.items():
                setattr(member, field, value)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _files(task, count=20):
    """Returns the training and test file of a task, `count` stories of one sentence."""
    lines = (f"1 Mary saw {n}.\n2 What did Mary see?\t{n}\t1\n" for n in range(count))
    folder, text = f"en/qa{task}_some-task", "".join(lines)
    return {f"{folder}_train.txt": text, f"{folder}_test.txt": text}


def test_a_question_knows_the_sentences_before_it_and_no_question_is_one():
    first, second = read_stories(TEXT, task=8, location="here")
    told = ("Mary got the milk.", "John went home.")
    assert first[0] == Example(told, "What does Mary carry?", "milk", (0,), 8)
    # ID 4 is the third sentence, for ID 3 is a question.
    assert first[1].sentences == (*told, "Mary took the football.")
    assert first[1].supports == (0, 2)
    assert first[1].answer == "milk,football"
    assert second == [Example(("Bill slept.",), "Who slept?", "Bill", (0,), 8)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mary slept.\n", "line 1.*'Mary slept.'"),
        ("1\n", "line 1"),
        ("2 Mary slept.\n", "Expected ID 1 or 1.*Received: 2"),
        ("1 Mary slept.\n3 Who slept?\tMary\t1\n", "Expected ID 2 or 1.*line 2.*Received: 3"),
        ("1 Mary slept.\n2 Who slept?\tMary\n", "question, answer and IDs"),
        ("1 Mary slept.\n2 Who slept?\t\t1\n", "question, answer and IDs"),
        ("1 Mary slept.\n2 Who slept?\tMary\t2\n", "IDs of sentences.*'2'"),
        ("1 Mary slept.\n2 Who slept?\tMary\tone\n", "IDs of sentences.*'one'"),
        ("1 Mary slept.\n", "Expected questions in here"),
        ("", "Expected questions in here"),
    ],
)
def test_what_is_not_in_the_format_is_refused(text, message):
    with pytest.raises(ZooError, match=message):
        read_stories(text, task=1, location="here")


def test_an_archive_is_read_without_being_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = _archive({**_files(1), "en-10k/qa3_a-b_train_partial.txt": TEXT})
    files = read_archive(content, location="here")
    assert files.keys() == {("train", 1), ("test", 1), ("train", 3)}
    assert files["train", 3] == TEXT
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["../en/qa1_a_train.txt", "/en/qa1_a_train.txt", "en/qa1_a_train.txt.exe", "en/a.txt"]
)
def test_a_name_that_is_none_of_the_set_is_refused(name):
    with pytest.raises(ZooError, match=rf"{re.escape(repr(name))}, which is no file of bAbI"):
        read_archive(_archive({name: TEXT}), location="here")


def test_a_link_is_refused():
    content = _archive({"en/qa1_a_train.txt": ""}, type=tarfile.SYMTYPE, linkname="/etc/passwd")
    with pytest.raises(ZooError, match="which is no file of bAbI"):
        read_archive(content, location="here")


@pytest.mark.parametrize(
    "content",
    [b"no archive", _archive({"en/qa1_a_train.txt": TEXT})[:90]],
    ids=["another", "cut"],
)
def test_a_broken_archive_is_refused(content):
    with pytest.raises(ZooError, match=r"Expected a \.tar\.gz of text at here"):
        read_archive(content, location="here")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Returns a folder of data sets with bAbI in it: tasks 1 and 2, and a manifest of its bytes."""
    content = _archive({**_files(1), **_files(2)})
    (tmp_path / "babi_qa").mkdir()
    (tmp_path / "babi_qa" / "babi_en.tar.gz").write_bytes(content)
    manifest = datasets.read_manifest("babi_qa")
    for split in ("train", "test"):
        manifest["splits"][split]["sha256"] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(module, "read_manifest", lambda name: manifest)
    monkeypatch.delenv("ZOO_DATA", raising=False)
    return tmp_path


def test_validation_is_the_last_tenth_of_every_tasks_stories(folder):
    stories = open_stories("babi_qa", size="1k", tasks=(1, 2), data_dir=folder)
    validation, train = stories.examples("validation"), stories.examples("train")
    assert [(example.task, example.answer) for example in validation] == [
        (1, "18"), (1, "19"), (2, "18"), (2, "19"),
    ]  # fmt: skip
    assert len(train) == 36 and not {*train} & {*validation}
    assert len(stories.examples("test")) == 40


def test_no_story_is_divided():
    [first, second] = read_stories(TEXT, task=1, location="here")
    stories = Stories({("train", 1): TEXT}, "1k")
    assert stories.examples("train") == first
    assert stories.examples("validation") == second


def test_some_tasks_are_some_tasks(folder, monkeypatch):
    monkeypatch.setenv("ZOO_DATA", str(folder))
    examples = open_stories("babi_qa", size="1k", tasks=(2,)).examples("train")
    assert {example.task for example in examples} == {2}
    with pytest.raises(ZooError, match="Unknown task '21'"):
        open_stories("babi_qa", size="1k", tasks=(21,))
    with pytest.raises(ZooError, match="Expected the train file of task 3"):
        open_stories("babi_qa", size="1k", tasks=(3,))
    with pytest.raises(ZooError, match="Unknown split 'dev'"):
        open_stories("babi_qa", size="1k", tasks=(2,)).examples("dev")


def test_other_bytes_are_refused(folder):
    path = folder / "babi_qa" / "babi_en.tar.gz"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ZooError, match=r"babi_en\.tar\.gz is damaged: expected sha256"):
        open_stories("babi_qa", size="1k", data_dir=folder)


def test_data_that_is_not_there_is_asked_for(folder):
    with pytest.raises(ZooError, match=r"'babi_qa' needs --data DIR or ZOO_DATA.*github\.com"):
        open_stories("babi_qa", size="1k")
    with pytest.raises(ZooError, match=r"Expected the train split.*babi_en-10k\.tar\.gz"):
        open_stories("babi_qa", size="10k", data_dir=folder)


def test_the_sample_needs_no_data():
    stories = open_stories("babi_qa", size="sample")
    assert stories.examples("test") == sample_examples("babi_qa")
    assert len(stories.examples("train")) + len(stories.examples("validation")) == 21
    for example in sample_examples("babi_qa"):
        assert example.supports and example.question.endswith("?")
        if "," not in example.answer and example.answer not in ("yes", "no", "nothing"):
            assert any(example.answer in example.sentences[index] for index in example.supports)


def test_words_are_in_lower_case_and_without_marks(tokenizer):
    [ids] = tokenizer.encode(["Mary GOT the milk?!."])
    assert tokenizer.pieces(ids) == ["▁mary", "▁got", "▁the", "▁milk"]
    assert tokenizer.decode(ids) == "mary got the milk"


def test_a_list_is_one_word(tokenizer):
    [ids] = tokenizer.encode(["milk,football"])
    assert len(ids) == 1 and tokenizer.decode(ids) == "milk,football"


@pytest.mark.parametrize(
    "text",
    ["Who slept?", "who slept", "  Mary  got.", "", "?", "milk,football", "milk, football",
     "Zoé took ＭＩＬＫ", "M.a.r.y", "tab\tbed", "日本語 slept 🙂"],
)  # fmt: skip
def test_server_and_device_see_the_same_words(tokenizer, text):
    [expected] = tokenizer.encode([text])
    graph = GraphTokenizer(tokenizer.model)
    actual = graph.encode(tf.constant([text]), max_length=20).numpy()[0]
    np.testing.assert_array_equal(actual, expected)


def test_the_tokenizer_is_the_same_each_time_and_names_no_file(tokenizer):
    texts = Stories({("train", 1): TEXT}, "1k").training_texts()
    again = train_tokenizer(texts, kind="word", vocab_size=20)
    assert again.model == tokenizer.model
    assert b".tsv" not in tokenizer.model


def test_a_story_is_padded_at_its_end(tokenizer):
    stories = [Story(("Mary slept.", "John went home."), "Who slept?"), Story((), "")]
    arrays = encode_stories(stories, tokenizer, CONFIG)
    assert arrays["story"].shape == (2, 3, 4) and arrays["story"].dtype == np.int32
    assert arrays["question"].shape == (2, 5) and arrays["question"].dtype == np.int32
    mary, slept, john = tokenizer.encode(["mary slept john"])[0]
    assert arrays["story"][0, 0].tolist() == [mary, slept, 0, 0]
    assert arrays["story"][0, 1, 0] == john
    assert not arrays["story"][0, 2].any()
    assert not arrays["story"][1].any() and not arrays["question"][1].any()


def test_the_oldest_sentences_are_dropped_and_long_ones_cut(tokenizer, caplog):
    words = ["Mary", "John", "Bill", "the", "milk"]
    story = Example(tuple(words), "Mary John Bill the milk football", "milk", (0,), 1)
    arrays = encode_stories([story], tokenizer, CONFIG)
    encode_examples([story], tokenizer, CONFIG)
    assert arrays["story"][0, :, 0].tolist() == tokenizer.encode(["Bill the milk"])[0]
    assert arrays["question"][0].tolist() == tokenizer.encode([" ".join(words)])[0]
    assert "1 of 1 questions have over 5 words" in caplog.text


def test_examples_hold_each_sentence_once_and_are_the_same_stories(tokenizer):
    examples = [example for story in read_stories(TEXT, task=3, location="") for example in story]
    encoded = encode_examples(examples, tokenizer, CONFIG)
    arrays = encode_stories(examples, tokenizer, CONFIG)
    np.testing.assert_array_equal(encoded.story(), arrays["story"])
    np.testing.assert_array_equal(encoded.question, arrays["question"])
    assert encoded.sentences.shape == (5, 4) and not encoded.sentences[0].any()
    answers = [tokenizer.decode([answer]) for answer in encoded.answer]
    assert answers == ["milk", "milk,football", "bill"]
    assert encoded.task.tolist() == [3, 3, 3] and len(encoded) == 3


def test_an_answer_never_seen_is_unknown_and_one_of_two_words_is_refused(tokenizer):
    example = Example(("Mary slept.",), "Who slept?", "Zaphod", (0,), 1)
    assert encode_examples([example], tokenizer, CONFIG).answer.tolist() == [1]
    two = Example(("Mary slept.",), "Who slept?", "the milk", (0,), 1)
    with pytest.raises(ZooError, match="one word. Received: 'the milk'"):
        encode_examples([two], tokenizer, CONFIG)


def test_without_noise_times_count_backwards():
    filled = np.arange(7)[None] < np.array([[5], [0], [7]])
    times = noisy_times(filled, share=0.0, generator=np.random.default_rng(0))
    assert times.tolist() == [[4, 3, 2, 1, 0, 0, 0], [0] * 7, [6, 5, 4, 3, 2, 1, 0]]


def test_noise_leaves_gaps_but_no_disorder():
    filled = np.arange(50)[None] < np.repeat([[10], [31], [50]], 400, axis=0)
    times = noisy_times(filled, share=0.1, generator=np.random.default_rng(0))
    falls = (times[:, :-1] > times[:, 1:]) | ~filled[:, 1:]
    assert falls.all()
    assert (times[~filled] == 0).all()
    # None to 10 sentences, at most ceil(n / 10) - 1 above.
    longest = times.max(axis=1).reshape(3, 400) + 1
    assert (longest[0] == 10).all()
    assert {*longest[1]} == {31, 32, 33, 34}
    assert (longest[2] == 50).all()  # there is room for no more
    assert (times.reshape(3, 400, 50)[1, :, 30] > 0).any()  # the latest may be after a gap too


def test_noise_may_leave_a_gap_in_short_stories():
    filled = np.arange(50)[None] < np.repeat([[0], [2], [10], [31]], 400, axis=0)
    times = noisy_times(
        filled, share=0.1, generator=np.random.default_rng(0), in_short_stories=True
    )
    longest = np.where(filled, times + 1, 0).max(axis=1).reshape(4, 400)
    assert [{*row} for row in longest] == [{0}, {2, 3}, {10, 11}, {31, 32, 33, 34, 35}]
    with_a_gap = {tuple(row[:2]) for row in times[400:800]}
    assert with_a_gap == {(1, 0), (2, 0), (2, 1)}


def test_the_same_generator_draws_the_same_noise():
    filled = np.repeat(np.arange(50)[None] < 31, 4, axis=0)
    drawn = [
        noisy_times(filled, share=0.5, generator=np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
