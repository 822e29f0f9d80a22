import dataclasses

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.runtime.result import Answer, Result
from zoo.visualize.alignment import heat_map_figure, save_alignment

RESULT = Result(
    text="ab",
    score=-0.5,
    tokens=("a", "b"),
    source_tokens=("x", "▁", "z"),
    alignment=np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1]], "float32"),
)


def test_source_is_along_the_top_and_output_down_the_side():
    axes = heat_map_figure(RESULT.heat_map()).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["x", "␣", "z"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert axes.xaxis.get_ticks_position() == "top"
    np.testing.assert_array_equal(axes.images[0].get_array(), RESULT.alignment)


def test_heads_stand_side_by_side_and_then_their_mean():
    heads = np.stack([RESULT.alignment, RESULT.alignment[:, ::-1]], axis=1)  # (T, H, S)
    *panels, _ = heat_map_figure(dataclasses.replace(RESULT, alignment=heads).heat_map()).axes
    drawn = [axes.images[0].get_array() for axes in panels]
    np.testing.assert_allclose(drawn, [heads[:, 0], heads[:, 1], heads.mean(axis=1)])
    assert [axes.get_xlabel() for axes in panels] == [
        "head 1: source",
        "head 2: source",
        "mean: source",
    ]
    assert [axes.yaxis.get_tick_params()["labelleft"] for axes in panels] == [True, False, False]
    places = [axes.get_position() for axes in panels]
    assert all(left.x1 < right.x0 for left, right in zip(places, places[1:], strict=False))


def test_sentences_take_no_room_from_the_hops():
    sentences = tuple(
        f"Mary went back to the {place} before breakfast." for place in "abcdefghij" * 5
    )
    weights = np.eye(3, len(sentences))
    answer = Answer("a", 1.0, sentences, "Where is Mary?", weights)
    figure = heat_map_figure(answer.heat_map())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    drawn = axes.get_window_extent()
    assert drawn.width / len(sentences) == pytest.approx(drawn.height / 3)  # square cells
    boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
    assert all(box.y0 >= drawn.y1 for box in boxes)
    assert all(left.x1 <= right.x0 for left, right in zip(boxes, boxes[1:], strict=False))


def test_a_dollar_sign_is_one(tmp_path):
    tokens = ("$5^$", "$PATH\\foo$")
    result = dataclasses.replace(RESULT, tokens=tokens, source_tokens=(*tokens, "$"))
    save_alignment(result, tmp_path / "picture.svg")
    labels = heat_map_figure(result.heat_map()).axes[0].get_yticklabels()
    assert [label.get_text() for label in labels] == list(tokens)


def test_characters_without_a_font_are_told_once(tmp_path, caplog):
    result = dataclasses.replace(RESULT, tokens=("\U0010fffd", "\U0010fffc"))
    save_alignment(result, tmp_path / "picture.png")
    assert [record.getMessage() for record in caplog.records] == [
        f"No font that is installed has all characters of the labels in {tmp_path / 'picture.png'}."
    ]


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_the_ending_chooses_the_format(tmp_path, ending):
    path = tmp_path / f"picture.{ending}"
    save_alignment(RESULT, path)
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending]
    assert path.read_bytes().startswith(begins)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({}, "picture.txt", "ending in .png"),
        ({"alignment": None}, "picture.png", "no attention"),
        ({"tokens": (), "alignment": np.zeros((0, 3))}, "picture.png", "output is empty"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, changes, name, message):
    with pytest.raises(ZooError, match=message):
        save_alignment(dataclasses.replace(RESULT, **changes), tmp_path / name)
    assert not any(tmp_path.iterdir())
