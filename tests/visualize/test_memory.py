import numpy as np
import pytest

from zoo.errors import ZooError
from zoo.runtime.result import Written
from zoo.visualize.memory import memory_figure, save_memory


def _written(rows_written, rows=12):
    weights = np.zeros((len(rows_written), 1, rows), "float32")
    weights[np.arange(len(rows_written)), 0, rows_written] = 1.0
    steps = len(rows_written)
    return Written(
        text="1",
        inputs=np.arange(4.0 * steps).reshape(steps, 4),
        outputs=np.arange(2.0 * steps).reshape(steps, 2),
        mask=np.ones(steps, bool),
        write_weights=weights,
        read_weights=weights[::-1],
    )


def _panels(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def test_time_goes_rightwards_and_rows_in_use_are_shown():
    inputs, outputs, written, read = _panels(memory_figure(_written([3, 4, 5])))
    np.testing.assert_array_equal(inputs, np.arange(12.0).reshape(3, 4).T)
    np.testing.assert_array_equal(outputs, np.arange(6.0).reshape(3, 2).T)
    np.testing.assert_array_equal(written, np.eye(3))
    np.testing.assert_array_equal(read, np.eye(3)[:, ::-1])


def test_a_memory_used_round_its_end_is_shown_in_one_piece():
    figure = memory_figure(_written([10, 11, 0, 1]))
    np.testing.assert_array_equal(_panels(figure)[2], np.eye(4))
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == ["row 10", "row 1"]


def test_heads_are_added_up():
    result = _written([3, 4])
    two = {
        name: np.concatenate([weights, weights[::-1]], axis=1)
        for name in ("write_weights", "read_weights")
        for weights in [getattr(result, name)]
    }
    _, _, written, read = _panels(memory_figure(Written(**{**vars(result), **two})))
    np.testing.assert_array_equal(written, np.ones((2, 2)))
    np.testing.assert_array_equal(read, np.ones((2, 2)))


def test_what_cannot_be_drawn_is_refused(tmp_path):
    result = _written([1, 2])
    with pytest.raises(ZooError, match="ending in .png"):
        save_memory(result, tmp_path / "picture.txt")
    without = Written(**{**vars(result), "write_weights": None, "read_weights": None})
    with pytest.raises(ZooError, match="no memory"):
        save_memory(without, tmp_path / "picture.png")
    assert not any(tmp_path.iterdir())
