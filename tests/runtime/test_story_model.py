"""Stories and questions as people type them, and what the engine gets and gives."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest

from zoo.data.stories import Story
from zoo.errors import ZooError
from zoo.runtime.story_model import StoryModel, encode_stories
from zoo.text.tokenizer import train_tokenizer

TEXTS = ["Mary went to the kitchen.", "John went to the garden.", "Where is Mary?", "apple,milk"]
CONFIG = SimpleNamespace(max_sentences=3, max_sentence_length=5, max_question_length=4)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, kind="word", vocab_size=14)


class _Engine:
    """Answers the first word of the question, and attends to the first sentence alone."""

    batch_size = 2
    length_step = None

    def run_all(self, signature, batches):
        assert signature == "predict"
        self.batches = batches
        return [self._answer(**batch) for batch in batches]

    def _answer(self, story, question):
        alignment = np.zeros((len(story), 2, story.shape[1]), "float32")
        alignment[:, :, 0] = 1.0
        probabilities = np.full((len(story), 14), 0.05, "float32")
        probabilities[np.arange(len(story)), question[:, 0]] = 0.35
        return {
            "answer": question[:, 0],
            "probabilities": probabilities,
            "alignment": alignment,
        }


@pytest.fixture
def model(tokenizer):
    return StoryModel(_Engine(), tokenizer, CONFIG)


def test_a_story_becomes_rows_of_words_then_padding(tokenizer):
    arrays = encode_stories([Story(tuple(TEXTS[:2]), TEXTS[2])], tokenizer, CONFIG)
    assert arrays["story"].shape == (1, 3, 5) and arrays["question"].shape == (1, 4)
    first, second = tokenizer.encode(TEXTS[:2])
    assert arrays["story"][0].tolist() == [first, second, [0] * 5]
    assert arrays["question"][0].tolist() == [*tokenizer.encode([TEXTS[2]])[0], 0]


def test_answers_keep_the_order_of_the_stories(model):
    stories = [Story(("Mary went to the garden.",), word) for word in ("Mary", "John", "Where")]
    answers = model(stories)
    assert [answer.text for answer in answers] == ["mary", "john", "where"]
    assert answers[0].probability == pytest.approx(0.35)
    assert answers[0].sentences == ("Mary went to the garden.",)
    np.testing.assert_array_equal(answers[0].alignment, [[1.0], [1.0]])
    assert [len(batch["story"]) for batch in model.engine.batches] == [2, 1]


def test_of_a_long_story_the_oldest_sentences_are_dropped(model, caplog):
    story = Story(tuple(f"John went to {place}." for place in "abcde"), "Where is John?")
    with caplog.at_level(logging.WARNING, logger="zoo"):
        [answer] = model([story], first_line=7)
    assert answer.sentences == story.sentences[2:]
    assert "Line 7 has 5 sentences; the model remembers 3, the oldest are dropped." in caplog.text


def test_a_long_sentence_or_question_is_cut_with_a_warning(model, caplog):
    long = "John went to the garden to the garden"
    with caplog.at_level(logging.WARNING, logger="zoo"):
        model([Story((long, long), long)])
    assert caplog.messages == [
        f"Line 1: the model reads 5 words of {long!r}.",
        f"Line 1: the model reads 4 words of {long!r}.",
    ]


def test_a_blank_sentence_is_none(model):
    given = Story(("Mary went to the garden.", " ", ""), "Mary")
    [answer] = model([given])
    assert answer.sentences == ("Mary went to the garden.",)
    assert answer.alignment.shape == (2, 1)


def test_an_empty_story_has_an_answer_and_no_alignment(model):
    [answer] = model([Story((), "Where is Mary?")])
    assert answer.sentences == () and answer.alignment.shape == (2, 0)
    with pytest.raises(ZooError, match="story is empty"):
        answer.heat_map()


def test_a_heat_map_has_a_row_a_hop_and_a_column_a_sentence(model):
    [answer] = model([Story(tuple(TEXTS[:2]), "Mary")])
    heat_map = answer.heat_map()
    assert heat_map.rows == ("hop 1", "hop 2") and heat_map.columns == tuple(TEXTS[:2])
    [(title, weights)] = heat_map.panels.items()
    assert title == "Mary mary" and weights.shape == (2, 2)


def test_a_line_of_json_is_a_story():
    line = '{"story": ["Mary went.", " "], "question": "Where?"}'
    assert StoryModel.read(line) == Story(("Mary went.",), "Where?")


@pytest.mark.parametrize(
    "line",
    [
        "Where is Mary?",
        "[]",
        '{"story": ["a"]}',
        '{"story": "a", "question": "b"}',
        '{"story": [1], "question": "b"}',
        '{"story": ["a"], "question": null}',
        "[" * 100_000,
    ],
)
def test_another_line_is_refused(line):
    with pytest.raises(ZooError, match="Expected"):
        StoryModel.read(line)


class _SlotEngine(_Engine):
    def _answer(self, story, question):
        reads = np.tile(np.array([0.25, 0.75], "float32"), (len(story), 1))
        return {**super()._answer(story, question), "reads": reads}


def test_slots_are_drawn_with_what_was_read_of_them_last(tokenizer):
    [answer] = StoryModel(_SlotEngine(), tokenizer, CONFIG)([Story(tuple(TEXTS[:2]), TEXTS[2])])
    assert answer.as_dict()["reads"] == [0.25, 0.75]
    heat_map = answer.heat_map()
    assert heat_map.rows == ("slot 1", "slot 2")
    assert heat_map.columns == (*TEXTS[:2], TEXTS[2])
    [weights] = heat_map.panels.values()
    np.testing.assert_array_equal(weights, [[1, 0, 0.25], [1, 0, 0.75]])


def test_hops_are_drawn_over_the_sentences(model):
    [answer] = model([Story(tuple(TEXTS[:2]), TEXTS[2])])
    heat_map = answer.heat_map()
    assert answer.as_dict()["reads"] is None
    assert heat_map.rows == ("hop 1", "hop 2") and heat_map.columns == tuple(TEXTS[:2])
