"""Plots for reports, as SVG that takes its ink from the page and so fits light and dark."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK = "#010203"  # stands for the page's own ink until the SVG is written
COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#eab308")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "font.size": 9,
    "grid.color": "#88888855",
    "legend.frameon": False,
}
MAX_POINTS = 600


def lines(series: Mapping[str, Sequence[float | None]], *, x_label: str, y_label: str, first_x: int = 1) -> str:
    """Plots one line per name; None leaves a gap."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.2), layout="constrained")
        axes = figure.subplots()
        for (name, values), colour in zip(series.items(), COLOURS, strict=False):
            heights = [np.nan if value is None else value for value in values]
            axes.plot(range(first_x, first_x + len(heights)), heights, "o-", ms=3, lw=1.8, color=colour, label=name)
        axes.set(xlabel=x_label, ylabel=y_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(True)
        axes.legend(loc="best")
        return _svg(figure, "lines" + y_label)


def scatter(
    true: Float[np.ndarray, "n a"],
    guessed: Float[np.ndarray, "n a"],
    names: Sequence[str],
    *,
    x_label: str,
    y_label: str,
) -> str:
    """Plots guessed against true values, one square per dimension, with the diagonal; evenly thinned to 600 points."""
    chosen = np.linspace(0, len(true) - 1, min(MAX_POINTS, len(true))).astype(int)
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.7 * columns, 2.8 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(names):
                axes.set_visible(False)
                continue
            _scatter_one(axes, true[chosen, index], guessed[chosen, index], names[index])
        figure.supxlabel(x_label, fontsize=9)
        figure.supylabel(y_label, fontsize=9)
        return _svg(figure, "scatter" + x_label)


def dots(groups: Mapping[str, Sequence[float]], *, x_label: str) -> str:
    """Plots every value of every group as a dot on the group's row, with the mean as a bar."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 0.8 + 0.5 * len(groups)), layout="constrained")
        axes = figure.subplots()
        for row, ((_, values), colour) in enumerate(zip(groups.items(), COLOURS, strict=False)):
            # Spread over the row's height in a fixed pattern, so that equal values stay visible.
            heights = row + 0.5 * ((np.arange(len(values)) * 0.618) % 1.0 - 0.5)
            axes.plot(values, heights, "o", ms=4, alpha=0.6, color=colour)
            axes.plot([np.mean(values)] * 2, [row - 0.4, row + 0.4], lw=2.5, color=colour)
        axes.set(xlabel=x_label, yticks=range(len(groups)), yticklabels=list(groups), ylim=(len(groups) - 0.5, -0.5))
        axes.grid(True, axis="x")
        return _svg(figure, "dots" + x_label)


def agreement(
    true: Sequence[tuple[float, float, float]], dream: Sequence[tuple[float, float, float]], names: Sequence[str]
) -> tuple[str, bytes]:
    """Plots success in the dream against success in truth, a cross of two intervals for every policy.

    Args:
        true: value, low and high end of its interval, of every policy.
        dream: the same in the dream.
        names: of the policies.

    Returns:
        The plot as SVG, and as PNG.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], lw=1, color=INK, alpha=0.5)
        colours = matplotlib.colormaps["tab10" if len(names) <= 10 else "tab20"].colors  # pyright: ignore
        for index, (x, y, name) in enumerate(zip(true, dream, names, strict=True)):
            errors = [np.abs(np.subtract(ends, value))[:, None] for value, *ends in (x, y)]
            style: dict[str, Any] = {"fmt": "o", "ms": 6, "lw": 1, "color": colours[index % len(colours)]}
            axes.errorbar(x[0], y[0], xerr=errors[0], yerr=errors[1], label=shortened(name), **style)
        axes.set(xlabel="success in the true environment", ylabel="success in the dream", aspect="equal")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        axes.grid(True)
        figure.legend(loc="outside right upper")
        png = io.BytesIO()
        svg = _svg(figure, "agreement")
        figure.savefig(png, format="png", dpi=120)
        return svg, png.getvalue()


def shortened(name: str, most: int = 28) -> str:
    """The end of a long name, which of paths tells most."""
    return name if len(name) <= most else "..." + name[3 - most :]


def _scatter_one(axes: Axes, true: Float[np.ndarray, "n"], guessed: Float[np.ndarray, "n"], name: str) -> None:
    low, high = float(min(true.min(), guessed.min())), float(max(true.max(), guessed.max()))
    axes.plot([low, high], [low, high], lw=1, color=INK, alpha=0.5)
    axes.plot(true, guessed, "o", ms=2.2, alpha=0.5, mew=0, color=COLOURS[0])
    axes.set(title=name, aspect="equal")
    axes.grid(True)


def _svg(figure: Figure, salt: str) -> str:
    """The figure as an <svg> element; ``salt`` keeps the ids of several figures on one page apart."""
    stream = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    return text[text.index("<svg") :].replace(INK, "currentColor")
