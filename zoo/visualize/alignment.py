"""Draws an alignment: the source along the top, the output down the side, weights as darkness."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from zoo import paths
from zoo.errors import ZooError
from zoo.runtime.result import Answer, HeatMap, Result

_FORMATS = (".png", ".svg", ".pdf")
_CELL_INCHES = 0.3


def require_format(path: Path) -> None:
    """Raises ZooError unless the ending of `path` is that of a picture that can be drawn."""
    if path.suffix.lower() not in _FORMATS:
        raise ZooError(f"Expected a picture ending in {', '.join(_FORMATS)}. Received: {path}.")


def save_alignment(result: Result | Answer, path: Path) -> None:
    """Writes the alignment of `result` as a picture; the file's ending chooses the format.

    Raises:
        ZooError: If there is no alignment to draw, or the format is unknown.
    """
    require_format(path)
    figure = heat_map_figure(result.heat_map())
    with paths.new_file(path) as partial:
        figure.savefig(partial, dpi=150, bbox_inches="tight")


def heat_map_figure(heat_map: HeatMap) -> Figure:
    """Returns the figure of a heat map, every row and column labelled."""
    panels = heat_map.panels
    rows, columns = len(heat_map.rows), len(heat_map.columns)
    # Not pyplot: it keeps every figure and looks for a window system.
    width = len(panels) * (0.4 + columns * _CELL_INCHES) + 1.2
    figure = Figure(figsize=(width, 1.2 + rows * _CELL_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(ncols=len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, weights) in zip(all_axes, panels.items(), strict=True):
        image = _draw(axes, weights, heat_map.columns)
        axes.set_xlabel(title)
    all_axes[0].set_yticks(range(rows), [_visible(label) for label in heat_map.rows])
    all_axes[0].set_ylabel(heat_map.row_title)
    figure.colorbar(image, ax=all_axes, label="weight", fraction=0.046 / len(panels), pad=0.02)
    return figure


def _draw(axes: Axes, weights: np.ndarray, labels: Sequence[str]) -> AxesImage:
    rows, columns = weights.shape
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(columns), [_visible(label) for label in labels])
    if max(map(len, labels)) > 2:
        axes.tick_params(axis="x", rotation=90)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks([x - 0.5 for x in range(1, columns)], minor=True)
    axes.set_yticks([y - 0.5 for y in range(1, rows)], minor=True)
    axes.grid(which="minor", color="0.9", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    return image


def _visible(token: str) -> str:
    """Returns a token as a label; a blank, SentencePiece's `▁`, is drawn as an open box."""
    return "␣" if token == "▁" else token.replace("▁", " ").strip()
