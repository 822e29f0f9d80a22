"""Draws an alignment: the source along the top, the output down the side, weights as darkness."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from zoo import paths
from zoo.errors import ZooError
from zoo.runtime.result import Result

_FORMATS = (".png", ".svg", ".pdf")
_CELL_INCHES = 0.3


def save_alignment(result: Result, path: Path) -> None:
    """Writes the alignment of `result` as a picture; the file's ending chooses the format.

    Raises:
        ZooError: If the model has no alignment, the result is empty, or the format is unknown.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ZooError(f"Expected a picture ending in {', '.join(_FORMATS)}. Received: {path}.")
    if result.alignment is None:
        raise ZooError("The model has no attention, so there is no alignment to draw.")
    if not result.tokens:
        raise ZooError("The output is empty, so there is no alignment to draw.")
    with paths.new_file(path) as partial:
        alignment_figure(result).savefig(partial, dpi=150, bbox_inches="tight")


def alignment_figure(result: Result) -> Figure:
    """Returns the heat map of a result's alignment `(T, S)`, every token labelled.

    The heads of an alignment `(T, H, S)` stand side by side, and after them their mean.
    """
    panels = {"": result.alignment}
    if result.alignment.ndim == 3:
        heads = range(result.alignment.shape[1])
        panels = {f"head {head + 1}": result.alignment[:, head] for head in heads}
        panels["mean"] = result.alignment.mean(axis=1)
    rows, columns = panels[next(iter(panels))].shape
    # Not pyplot: it keeps every figure and looks for a window system.
    width = len(panels) * (0.4 + columns * _CELL_INCHES) + 1.2
    figure = Figure(figsize=(width, 1.2 + rows * _CELL_INCHES), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(ncols=len(panels), sharey=True, squeeze=False)[0]
    for axes, (title, weights) in zip(all_axes, panels.items(), strict=True):
        image = _draw(axes, weights, result)
        axes.set_xlabel(f"{title}: source" if title else "source")
    all_axes[0].set_yticks(range(rows), [_visible(token) for token in result.tokens])
    all_axes[0].set_ylabel("output")
    figure.colorbar(image, ax=all_axes, label="weight", fraction=0.046 / len(panels), pad=0.02)
    return figure


def _draw(axes: Axes, weights: np.ndarray, result: Result) -> AxesImage:
    rows, columns = weights.shape
    image = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(columns), [_visible(token) for token in result.source_tokens])
    if max(map(len, result.source_tokens)) > 2:
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
