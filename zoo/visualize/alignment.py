"""Draws an alignment: the source along the top, the output down the side, weights as darkness."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.image import AxesImage

from zoo import paths
from zoo.errors import ZooError
from zoo.runtime.result import Answer, HeatMap, Result

_LOG = logging.getLogger("zoo")
_FORMATS = (".png", ".svg", ".pdf")
_CELL_INCHES = 0.3
_GAP_INCHES = 0.4  # between panels, and before the scale of colors
_SCALE_INCHES = 0.12
# Parts of the names of fonts with Chinese characters, which matplotlib's own font lacks.
_CHINESE_FONTS = (
    "CJK",
    "Han Sans",
    "WenQuanYi",
    "PingFang",
    "Heiti",
    "YaHei",
    "SimSun",
    "Arial Unicode",
)


def require_format(path: Path) -> None:
    """Raises ZooError unless the ending of `path` is that of a picture that can be drawn."""
    if path.suffix.lower() not in _FORMATS:
        raise ZooError(f"Expected a picture ending in {', '.join(_FORMATS)}. Received: {path}.")


def save_alignment(result: Result | Answer, path: Path) -> None:
    """Writes the alignment of `result` as a picture; the file's ending chooses the format.

    Characters that no installed font has are drawn as boxes, with a warning.

    Raises:
        ZooError: If there is no alignment to draw, or the format is unknown.
    """
    require_format(path)
    figure = heat_map_figure(result.heat_map())
    with paths.new_file(path) as partial, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Tight: labels reach beyond the figure, which is the size of its cells.
        figure.savefig(partial, dpi=150, bbox_inches="tight")
    if any("missing from font" in str(warning.message) for warning in caught):
        _LOG.warning("No font that is installed has all characters of the labels in %s.", path)


def heat_map_figure(heat_map: HeatMap) -> Figure:
    """Returns the figure of a heat map, every row and column labelled."""
    panels = heat_map.panels
    height = len(heat_map.rows) * _CELL_INCHES
    panel_width = len(heat_map.columns) * _CELL_INCHES
    width = len(panels) * (panel_width + _GAP_INCHES) + _SCALE_INCHES
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)  # not pyplot: it keeps every figure and looks for a window system
    text = {"family": _font_families(), "parse_math": False}  # a dollar sign is one
    first = None
    for index, (title, weights) in enumerate(panels.items()):
        left = index * (panel_width + _GAP_INCHES)
        axes = figure.add_axes((left / width, 0, panel_width / width, 1), sharey=first)
        image = _draw(axes, weights, heat_map.columns, text)
        axes.set_xlabel(title, **text)
        axes.tick_params(labelleft=first is None)
        first = first or axes
    first.set_yticks(range(len(heat_map.rows)), [_visible(x) for x in heat_map.rows], **text)
    first.set_ylabel(heat_map.row_title)
    scale = figure.add_axes((1 - _SCALE_INCHES / width, 0, _SCALE_INCHES / width, 1))
    figure.colorbar(image, cax=scale, label="weight")
    return figure


def _draw(axes: Axes, weights: np.ndarray, labels: Sequence[str], text: dict) -> AxesImage:
    rows, columns = weights.shape
    # Weights are 0 to 1; a raw match, attention without a normalizer, is any number.
    low, high = min(0.0, weights.min()), max(1.0, weights.max())
    image = axes.imshow(weights, cmap="Blues", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(columns), [_visible(label) for label in labels], **text)
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


def _font_families() -> list[str]:
    """Returns matplotlib's own font, and after it those installed that have Chinese characters."""
    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *sorted(x for x in installed if any(y in x for y in _CHINESE_FONTS))]
