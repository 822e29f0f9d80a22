"""What a model is called with, checked: texts, stories or sequences, in anything that has many."""

from collections.abc import Iterable, Mapping
from typing import Any

from zoo.data.algorithmic import Sequences
from zoo.data.stories import Story
from zoo.errors import ZooError
from zoo.text.utf8 import require_utf8

_SHOWN = 80  # characters of a wrong input that its error repeats


def as_texts(given: Iterable[str]) -> list[str]:
    """Returns the texts.

    Raises:
        ZooError: If `given` is a single string, or holds something other than strings of UTF-8.
    """
    texts = _listed(given, "strings")
    for number, text in enumerate(texts, start=1):
        if not isinstance(text, str):
            raise _wrong("strings", text)
        require_utf8(text, f"Text {number}")
    return texts


def as_stories(given: Iterable[Story | Mapping[str, Any]]) -> list[Story]:
    """Returns the stories; those of mappings are made, see `as_story`.

    Raises:
        ZooError: If `given` is a single story, or holds something else.
    """
    return [as_story(x) for x in _listed(given, 'stories, {"story": [...], "question": "..."}')]


def as_story(given: Story | Mapping[str, Any]) -> Story:
    """Returns the story in a mapping, `{"story": ["...", ...], "question": "..."}`, or `given`.

    Blank sentences are left out.

    Raises:
        ZooError: If it has another form, or a text is not UTF-8.
    """
    if isinstance(given, Story):
        sentences, question = given.sentences, given.question
    else:
        try:
            sentences, question = given["story"], given["question"]
        except (TypeError, KeyError) as error:
            raise ZooError(
                f'Expected "story", a list of sentences, and "question". Received: {_shown(given)}.'
            ) from error
    texts = [question, *sentences] if isinstance(sentences, (list, tuple)) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ZooError(
            'Expected strings: "question", and "story" as a list of them. '
            f"Received: {_shown(given)}."
        )
    for text in texts:
        require_utf8(text, "The story or the question")
    return Story(tuple(sentence for sentence in sentences if sentence.strip()), question)


def as_sequences(given: Iterable[Sequences | str], task) -> list[Sequences]:
    """Returns the sequences; those that are typed are read by `task`, of `zoo.data.algorithmic`.

    Raises:
        ZooError: If `given` is a single one, holds something else, or one is typed wrongly.
    """
    found = []
    for sequence in _listed(given, "sequences"):
        if isinstance(sequence, str):
            sequence = task.encode(sequence)
        elif not isinstance(sequence, Sequences):
            raise _wrong("sequences", sequence)
        found.append(sequence)
    return found


def _listed(given: Iterable, what: str) -> list:
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        raise _wrong(what, given)
    return list(given)


def _wrong(what: str, given) -> ZooError:
    return ZooError(f"Expected a list of {what}. Received: {_shown(given)}.")


def _shown(given) -> str:
    return repr(given)[:_SHOWN]
