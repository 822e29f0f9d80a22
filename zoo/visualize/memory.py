"""Draws how a memory was used: over time, what was read and written, and where."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from zoo import paths
from zoo.errors import ZooError
from zoo.runtime.result import Written
from zoo.visualize.alignment import require_format

_STEP_INCHES = 0.12
_SEEN = 0.1  # the least weight of a row that a head is said to have looked at


def save_memory(result: Written, path: Path) -> None:
    """Writes the picture of `result`; the file's ending chooses the format.

    Raises:
        ZooError: If the model has no memory, or the format is unknown.
    """
    require_format(path)
    figure = memory_figure(result)
    with paths.new_file(path) as partial:
        figure.savefig(partial, dpi=150, bbox_inches="tight")


def memory_figure(result: Written) -> Figure:
    """Returns the figure: inputs and outputs above, write and read weights below, time rightwards.

    As figure 6 of Graves et al., 2014 (arXiv:1410.5401). The weights of several heads are added
    up. The memory is a circle, and is cut open where no head looked: those rows are left out.
    """
    if result.write_weights is None:
        raise ZooError("The model has no memory, so there is nothing to draw.")
    weights = {
        "write weights": result.write_weights.sum(axis=1).T,  # (rows, T)
        "read weights": result.read_weights.sum(axis=1).T,
    }
    rows = _rows_in_use(sum(panel.max(axis=1) for panel in weights.values()) > _SEEN)
    panels = {"inputs": result.inputs.T, "outputs": result.outputs.T}
    panels |= {title: panel[rows] for title, panel in weights.items()}
    heights = [max(len(panel), 4) for panel in panels.values()]
    steps = len(result.inputs)
    figure = Figure(
        figsize=(1.6 + max(steps, 20) * _STEP_INCHES, 1 + sum(heights) * _STEP_INCHES),
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(nrows=4, sharex=True, gridspec_kw={"height_ratios": heights})
    for axes, (title, panel) in zip(all_axes, panels.items(), strict=True):
        top = max(1.0, panel.max())
        axes.imshow(panel, cmap="Blues", vmin=min(0.0, panel.min()), vmax=top, aspect="auto",
                    interpolation="nearest")  # fmt: skip
        axes.set_ylabel(title, rotation=0, ha="right", va="center")
        axes.set_yticks([])
    for axes in all_axes[2:]:
        axes.set_yticks([0, len(rows) - 1], [f"row {rows[0]}", f"row {rows[-1]}"], fontsize=7)
    all_axes[-1].set_xlabel("step")
    return figure


def _rows_in_use(used: np.ndarray) -> np.ndarray:
    """Returns the indices of a circle's rows, in order, without its longest run of unused ones."""
    count = len(used)
    if used.all() or not used.any():
        return np.arange(count)
    places = np.flatnonzero(used)
    gaps = np.diff(np.append(places, places[0] + count))  # after each used row, to the next one
    widest = int(gaps.argmax())
    return (places[(widest + 1) % len(places)] + np.arange(count - gaps[widest] + 1)) % count
