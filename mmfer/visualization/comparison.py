"""Plots of a comparison of methods: accuracy, calibration, selective prediction, confusion, uncertainty, conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mmfer.evaluation.functional.calibration import CalibrationBins

from .contact_sheet import abbreviations
from .panels import (
    COLORS,
    GREY,
    INK,
    PALE,
    dress,
    label_edges,
    legend_above,
    method_style,
    new_figure,
    panel_titles,
    panels,
)

LEGEND = 8  # methods up to which one panel with a legend shows all curves
FEW = 10  # answers below which the accuracy of a bin means little
HISTOGRAM = 24
_GRID = np.linspace(0.01, 1, 100)
_BLUES = LinearSegmentedColormap.from_list('blues', ['#ffffff', '#c6dcec', COLORS[0], '#00314f'])
_BIG = 12  # methods from which on the cells of confusion matrices show their numbers only where they matter
_FAINT = 0.35
_MARKERS = 'osD^vPX*'
_SPREAD = 0.5  # of the distance between conditions, which the methods share where these have no order
Point = tuple  # mean, low, high; the ends are NaN where there is no interval


class Dot(NamedTuple):
    """A method in :func:`draw_dots`: the mean over its seeds, its interval (NaN for none), and their values."""

    name: str
    value: float
    low: float
    high: float
    seeds: Sequence[float] = ()


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
    means = {m: np.mean([np.interp(_GRID, *seed) for seed in seeds], axis=0) for m, seeds in curves.items()}
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
            for seed in curves[method] if len(curves[method]) > 1 else ():
                axes.plot(100 * _GRID, 100 * np.interp(_GRID, *seed), color=COLORS[0], linewidth=0.7, alpha=0.5)
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


def draw_reliability(bins: Mapping[str, CalibrationBins], ece: Mapping[str, float]) -> Figure:
    """Accuracy over confidence, a panel a method, with the number of answers in each bin below.

    Bins with fewer than ``FEW`` answers are faint.

    Args:
        bins: Method -> bins of the answers of all its seeds together, uniform.
        ece: Method -> calibration error (%) that is written into its panel.
    """
    number = len(bins)
    columns = number if number <= 4 else 6 if number > 12 else 4
    rows = math.ceil(number / columns)
    figure = new_figure(max(2.1 * columns, 5.2), 2.75 * rows + (0.45 if columns > 3 else 0.65))
    ratios = dict(height_ratios=[3, 1.15] * rows)
    grid = figure.subplots(2 * rows, columns, squeeze=False, sharex=True, gridspec_kw=ratios)
    most = max(float(own.count.max()) for own in bins.values())
    pairs = [(grid[2 * row][column], grid[2 * row + 1][column]) for row, column in np.ndindex(rows, columns)]
    for i, ((upper, lower), method) in enumerate(zip(pairs, bins)):
        _reliability(upper, lower, bins[method], ece[method], most)
        left, bottom = i % columns == 0, i + columns >= number
        upper.tick_params(labelleft=left, labelbottom=False)
        lower.tick_params(labelleft=left, labelbottom=bottom)
        upper.set_ylabel('accuracy (%)' if left else '', fontsize=9)
        lower.set_ylabel('answers' if left else '', fontsize=9)
        lower.set_xlabel('confidence (%)' if bottom else '', fontsize=9)
    for spare in np.ravel(pairs[number:]):
        spare.set_visible(False)
    panel_titles([upper for upper, _ in pairs[:number]], bins)
    handles = [
        Patch(color=COLORS[0], label='accuracy in the bin'),
        Patch(color=COLORS[0], alpha=_FAINT, label=f'of fewer than {FEW} answers'),
        Line2D([], [], color=COLORS[1], linewidth=2.2, label='mean confidence'),
        Patch(color=PALE, label='number of answers'),
    ]
    figure.legend(handles=handles, loc='outside upper center', ncols=4 if columns > 3 else 2, frameon=False, fontsize=9)
    return figure


def _reliability(upper, lower, bins: CalibrationBins, ece: float, most: float) -> None:
    used = bins.count > 0
    left, width = 100 * bins.lower[used], 100 * (bins.upper - bins.lower)[used]
    accuracy, confidence = 100 * bins.accuracy[used], 100 * bins.confidence[used]
    faces = [to_rgba(COLORS[0], 1 if count >= FEW else _FAINT) for count in bins.count[used]]
    upper.bar(left + 0.04 * width, accuracy, 0.92 * width, align='edge', color=faces)
    upper.hlines(confidence, left, left + width, color=COLORS[1], linewidth=2.2)
    upper.plot([0, 100], [0, 100], color=INK, linewidth=0.9, linestyle='--')
    text = 'undefined' if math.isnan(ece) else f'ECE {ece:.1f} %'
    box = dict(facecolor='white', edgecolor='none', alpha=0.85, pad=1)
    upper.text(0.05, 0.93, text, transform=upper.transAxes, va='top', fontsize=9, color=INK, bbox=box)
    upper.set_xlim(0, 100)
    upper.set_ylim(0, 100)
    upper.set_yticks([0, 50, 100])
    lower.bar(left + 0.04 * width, bins.count[used], 0.92 * width, align='edge', color=PALE)
    lower.set_yscale('symlog', linthresh=10)
    lower.set_ylim(0, 2 * max(most, 10))
    lower.set_yticks([0, 10, *(10**power for power in (3, 5) if 10**power < 2 * most)])
    lower.set_xticks([0, 50, 100])
    lower.minorticks_off()
    for axes in (upper, lower):
        dress(axes, 'y')


def draw_confusions(matrices: Mapping[str, np.ndarray], classes: Sequence[str]) -> Figure:
    """Confusion matrices in % of each true class, a panel a method.

    Args:
        matrices: Method -> counts (K, K) of all its seeds together, rows true.
        classes: K names in label order.
    """
    number, size = len(matrices), len(classes)
    side = max(2.3, 0.36 * size + 0.5) if number <= _BIG else max(2.0, 0.28 * size + 0.3)
    columns = min(number, 4 if number <= _BIG else 6)
    figure, every = panels(number, side, side + 0.1, 0.5, columns)
    names = abbreviations(classes)
    for axes, matrix in zip(every, matrices.values()):
        totals = matrix.sum(1, keepdims=True)
        share = np.divide(100.0 * matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)
        axes.grid(False)
        image = axes.imshow(share, cmap=_BLUES, vmin=0, vmax=100)
        for row, column in np.ndindex(share.shape):
            value = share[row, column]
            if not math.isnan(value) and (value >= 0.5 if number <= _BIG else value >= 10):
                look = dict(ha='center', va='center', fontsize=7, color='white' if value > 50 else INK)
                axes.text(column, row, f'{value:.0f}', **look)
        axes.spines[:].set(visible=True, color=PALE)
        axes.set_xticks(range(size), names, rotation=90)
        axes.set_yticks(range(size), names)
        axes.tick_params(length=0, labelsize=8)
    panel_titles(every, matrices)
    label_edges(every, 'answer', 'true')
    bar = figure.colorbar(image, ax=every, location='top', shrink=0.4 if len(every) > 1 else 0.8, aspect=40, pad=0.01)
    bar.set_label('share of the images of a true class (%)', fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def draw_uncertainties(answers: Mapping[str, tuple[np.ndarray, np.ndarray]], num_classes: int) -> Figure:
    """Uncertainty of right and of wrong answers, a panel a method, each as densities that sum to 100 %.

    Args:
        answers: Method -> uncertainties (nats) of the right and of the wrong answers of all its seeds together.
        num_classes: K; the axis ends at ln K.
    """
    columns = min(len(answers), 4 if len(answers) <= 12 else 6)
    figure, every = panels(len(answers), 2.1, 1.75, 0.45, columns)
    end = max([math.log(max(num_classes, 2)), *(values.max(initial=0) for pair in answers.values() for values in pair)])
    edges, top = np.linspace(0, end, HISTOGRAM + 1), 10.0
    for axes, pair in zip(every, answers.values()):
        for values, color, filled in zip(pair, COLORS, (True, False)):
            if len(values):
                share = 100 * np.histogram(np.clip(values, 0, end), edges)[0] / len(values)
                top = max(top, share.max())
                axes.stairs(share, edges, color=color, fill=filled, alpha=0.45 if filled else 1, linewidth=1.8)
                axes.axvline(float(np.median(values)), color=color, linewidth=1.1, linestyle=':')
        missing = ' and '.join(name for name, values in zip(('right', 'wrong'), pair) if not len(values))
        if missing:
            axes.text(0.97, 0.92, f'no {missing} answers', transform=axes.transAxes, ha='right', va='top', fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    panel_titles(every, answers)
    ticks = [tick for tick in (0, 5, 10, 30, 100) if tick <= 1.15 * top]
    for axes in every:
        axes.set_xlim(0, end)
        axes.set_yscale('symlog', linthresh=10)
        axes.set_ylim(0, 1.15 * top)
        axes.set_yticks(ticks, list(map(str, ticks)))
        axes.minorticks_off()
    label_edges(every, 'uncertainty (nats)', 'answers (%)')
    handles = [
        Patch(facecolor=COLORS[0], alpha=0.45, label='right answers'),
        Patch(facecolor='none', edgecolor=COLORS[1], linewidth=1.8, label='wrong answers'),
        Line2D([], [], linestyle=':', color=GREY, label='medians'),
    ]
    figure.legend(handles=handles, loc='outside upper center', ncols=3, frameon=False, fontsize=9)
    return figure


def draw_conditions(
    figures: Mapping[str, Mapping[str, Sequence[Point]]],
    conditions: Sequence[str],
    shares: Sequence[float | None],
    label: str,
) -> Figure:
    """A panel a figure, with a line a method over the conditions; dots where the conditions have no order.

    Args:
        figures: Name with unit -> method -> (mean, low, high) of each condition, NaN for what is not there.
        conditions: Names of the C conditions.
        shares: (C,) how much of it, as fractions; a None means that the conditions have no order.
        label: What the shares are of, with the unit %.
    """
    ordered = all(share is not None for share in shares)
    columns = min(2, len(figures))
    rows = math.ceil(len(figures) / columns)
    methods = list(dict.fromkeys(name for own in figures.values() for name in own))
    figure = new_figure(4.6 * columns if ordered else max(4.6, 0.9 * len(conditions)) * columns, 2.9 * rows + 0.4)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    places = [100 * share for share in shares] if ordered else list(range(len(conditions)))
    step = min((b - a for a, b in zip(places, places[1:])), default=1)
    for axes, (name, own) in zip(grid.ravel(), figures.items()):
        dress(axes, 'y')
        for i, method in enumerate(methods):
            if method in own:
                offset = (i - (len(methods) - 1) / 2) / max(len(methods), 2) * step * (0.16 if ordered else _SPREAD)
                _line(axes, [place + offset for place in places], own[method], i, ordered, method)
        axes.set_title(name, fontsize=10, color=INK, pad=5)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
        if ordered:
            axes.set_xticks(places, [f'{place:g}' for place in places])
        else:
            tilted = max(map(len, conditions)) > 10
            axes.set_xticks(places, conditions, rotation=30 if tilted else 0, ha='right' if tilted else 'center')
            axes.set_xlim(-0.5, len(conditions) - 0.5)
    for axes in grid.ravel()[len(figures) :]:
        axes.set_visible(False)
    for axes in grid[-1] if ordered else ():
        axes.set_xlabel(label, fontsize=9.5)
    legend_above(figure, *grid[0][0].get_legend_handles_labels(), columns=6)
    return figure


def _line(axes, places: Sequence[float], points: Sequence[Point], index: int, ordered: bool, name: str) -> None:
    style, marker = method_style(index), _MARKERS[index // len(COLORS) % len(_MARKERS)]
    color, format = style['color'], marker + (style['linestyle'] if ordered else '')
    means = [mean for mean, _, _ in points]
    axes.plot(places, means, format, color=color, markersize=5, linewidth=1.6, label=name, zorder=3)
    for place, (_, low, high) in zip(places, points):
        if not math.isnan(low):
            axes.plot([place, place], [low, high], color=color, linewidth=1.3, solid_capstyle='butt', zorder=2)
