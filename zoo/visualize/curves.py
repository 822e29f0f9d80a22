"""Draws how a metric grew, epoch by epoch, in several trainings."""

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def curves_figure(trainings: Mapping[str, Sequence[Mapping]], *, metric: str, title: str) -> Figure:
    """Returns one line a training.

    Args:
        trainings: The `epochs` of each training's report, by the name to show.
        metric: A key of the epochs; a fraction, 0 to 1.
        title: Above the picture.
    """
    figure = Figure(figsize=(6.4, 4))
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (name, epochs), marker in zip(trainings.items(), "osD^v*x+", strict=False):
        numbers = [epoch["epoch"] for epoch in epochs]
        axes.plot(numbers, [100 * epoch[metric] for epoch in epochs], marker=marker, label=name)
    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{metric.replace('_', ' ')} on held-out data, %")
    axes.set_ylim(-3, 103)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(color="0.9")
    axes.legend(loc="center right")
    return figure
