"""The looks that figures share: panels, grids, legends, colours of methods."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLORS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
"""The colours of Okabe and Ito, which colour-blind people tell apart, without the yellow that fades on white.

https://jfly.uni-koeln.de/color/
"""
STYLES = ('-', '--', ':', '-.')
INK, GREY, PALE = '#333333', '#8a8a8a', '#c4c4c4'
DPI = 120


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that lays itself out."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def method_style(index: int) -> dict[str, str]:
    """Colour and line style of a method by its place."""
    return dict(color=COLORS[index % len(COLORS)], linestyle=STYLES[index // len(COLORS) % len(STYLES)])


def dress(axes, grid: str = 'both') -> None:
    """The looks that all panels share."""
    axes.tick_params(labelsize=9, color=GREY)
    axes.grid(color='0.9', axis=grid)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(GREY)


def panels(number: int, width: float, height: float, head: float, columns: int | None = None) -> tuple[Figure, list]:
    """A figure with ``number`` panels of ``width`` x ``height`` inches in rows, ``head`` inches left above them."""
    columns = columns or min(number, {1: 1, 2: 2, 3: 3, 4: 4}.get(number, 6 if number > 12 else 4))
    rows = math.ceil(number / columns)
    figure = new_figure(max(width * columns, 5.2), height * rows + head)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    axes = list(grid.ravel())
    for spare in axes[number:]:
        spare.set_visible(False)
    for i, each in enumerate(axes[:number]):
        dress(each)
        each.tick_params(labelbottom=i + columns >= number, labelleft=i % columns == 0)
    return figure, axes[:number]


def label_edges(axes: Sequence, x: str, y: str) -> None:
    """Name the axes of panels at the outer edges alone."""
    for each in axes:
        # not get_tick_params(), whose names before matplotlib 3.10 are those of the other axis
        if each.xaxis.get_major_ticks()[0].label1.get_visible():
            each.set_xlabel(x, fontsize=9)
        if each.yaxis.get_major_ticks()[0].label1.get_visible():
            each.set_ylabel(y, fontsize=9)


def panel_titles(every: Iterable, names: Iterable[str]) -> None:
    """The names of methods above their panels, all smaller where one is long."""
    names = list(names)
    size = 10 if max(map(len, names), default=0) <= 18 else 8
    for axes, name in zip(every, names):
        axes.set_title(name, fontsize=size, color=INK, pad=4)


def legend_above(figure: Figure, handles: Sequence, names: Sequence[str], columns: int) -> None:
    """A legend above everything, in at most so many columns and no more than the figure has room for."""
    for count in range(min(columns, len(names)), 0, -1):
        legend = figure.legend(handles, names, loc='outside upper center', ncols=count, frameon=False, fontsize=9.5)
        if count == 1 or legend.get_window_extent(figure.canvas.get_renderer()).width <= figure.bbox.width:
            break
        legend.remove()
