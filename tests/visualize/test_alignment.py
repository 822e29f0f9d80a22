import dataclasses

import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.runtime.result import Result
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
