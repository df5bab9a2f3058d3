"""Plots of a comparison with a line or a dot a method; those with a panel a method are in ``comparison_panels``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .curves import COLORS, STYLES

INK, GREY, PALE = '#333333', '#8a8a8a', '#c4c4c4'
LEGEND = 8  # methods up to which one panel with a legend shows all curves
DPI = 120
_GRID = np.linspace(0.01, 1, 100)


class Dot(NamedTuple):
    """A method in :func:`draw_dots`.

    name: Of the method.
    value: Mean over the seeds.
    low, high: Its interval; NaN for none.
    seeds: Values of the seeds.
    """

    name: str
    value: float
    low: float
    high: float
    seeds: Sequence[float] = ()


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


def draw_dots(dots: Sequence[Dot], label: str, level: float, mark: float = math.nan, mark_name: str = '') -> Figure:
    """Values of methods with their intervals, the highest at the top, and the values of the seeds as small circles.

    Args:
        dots: The methods.
        label: What is shown, with its unit.
        level: Of the intervals.
        mark: Where a vertical line goes; NaN for none.
        mark_name: What the line is.
    """
    dots = sorted(dots, key=lambda dot: -math.inf if math.isnan(dot.value) else dot.value)
    figure = new_figure(7.4, 0.34 * len(dots) + 1.5)
    axes = figure.add_subplot()
    for y, dot in enumerate(dots):
        if not math.isnan(dot.low):
            axes.plot([dot.low, dot.high], [y, y], color=COLORS[0], linewidth=2, solid_capstyle='butt', zorder=2)
        axes.plot(dot.seeds, [y - 0.3] * len(dot.seeds), 'o', color='white', markeredgecolor=GREY, markersize=4)
        axes.plot([dot.value], [y], 'o', color=COLORS[0], markersize=7, zorder=4)
        text = 'undefined' if math.isnan(dot.value) else f'{dot.value:.2f}'
        axes.annotate(text, (1.015, y), xycoords=('axes fraction', 'data'), va='center', fontsize=9, color=INK)
    if not math.isnan(mark):
        axes.axvline(mark, color=COLORS[1], linestyle='--', linewidth=1.2, label=f'{mark_name}: {mark:.2f}')
    axes.plot([], [], 'o-', color=COLORS[0], markersize=7, linewidth=2, label=f'mean and {100 * level:g} % interval')
    axes.plot([], [], 'o', color='white', markeredgecolor=GREY, markersize=4, label='seeds')
    axes.set_yticks(range(len(dots)), [dot.name for dot in dots])
    axes.set_ylim(-0.6, len(dots) - 0.4)
    axes.set_xlabel(label, fontsize=10)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axes.margins(x=0.04)
    dress(axes, 'x')
    axes.tick_params(axis='y', length=0, labelsize=10)
    axes.spines['left'].set_visible(False)
    figure.legend(loc='outside upper center', ncols=3, frameon=False, fontsize=9)
    return figure


def draw_risk_coverage(curves: Mapping[str, Sequence[tuple[np.ndarray, np.ndarray]]]) -> Figure:
    """Share of wrong answers over the share of images that are answered, the most certain first.

    Up to ``LEGEND`` methods share one panel; more have a panel each, with the others in grey.

    Args:
        curves: Method -> coverage and risk of each seed, (N,) fractions; drawn is the mean of the seeds, and in a
            panel of its own the seeds too.
    """
    means = {method: _mean_curve(seeds) for method, seeds in curves.items()}
    top = max(1.0, 1.06 * max(100 * float(np.max(risk)) for risk in means.values()))
    if len(means) <= LEGEND:
        figure = new_figure(6.6, 4.9 + 0.18 * math.ceil(len(means) / 4))
        axes = figure.add_subplot()
        dress(axes)
        for i, (method, risk) in enumerate(means.items()):
            axes.plot(100 * _GRID, 100 * risk, label=method, linewidth=1.8, **method_style(i))
        axes.set_xlabel('coverage: share of images answered (%)', fontsize=10)
        axes.set_ylabel('risk: share of wrong answers (%)', fontsize=10)
        legend_above(figure, *axes.get_legend_handles_labels(), columns=4)
        every = [axes]
    else:
        figure, every = panels(len(means), 2.0, 1.75, 0.4)
        for axes, (method, own) in zip(every, means.items()):
            for risk in means.values():
                axes.plot(100 * _GRID, 100 * risk, color=PALE, linewidth=0.7)
            for coverage, risk in curves[method] if len(curves[method]) > 1 else ():
                axes.plot(
                    100 * _GRID, 100 * np.interp(_GRID, coverage, risk), color=COLORS[0], linewidth=0.7, alpha=0.5
                )
            axes.plot(100 * _GRID, 100 * own, color=COLORS[0], linewidth=2)
        panel_titles(every, means)
        label_edges(every, 'coverage (%)', 'risk (%)')
        every[0].plot([], [], color=COLORS[0], linewidth=2, label='the method: mean (thin: seeds)')
        every[0].plot([], [], color=PALE, linewidth=1, label='the other methods')
        figure.legend(loc='outside upper center', ncols=2, frameon=False, fontsize=9.5)
    for axes in every:
        axes.set_xlim(0, 100)
        axes.set_ylim(0, top)
    return figure


def _mean_curve(seeds: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    return np.mean([np.interp(_GRID, coverage, risk) for coverage, risk in seeds], axis=0)
