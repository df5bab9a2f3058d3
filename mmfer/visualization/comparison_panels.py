"""Plots of a comparison with a panel a method: reliability, confusion, uncertainty of right and wrong answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from mmfer.evaluation.functional.calibration import CalibrationBins

from .comparison import GREY, INK, PALE, dress, label_edges, new_figure, panel_titles, panels
from .contact_sheet import abbreviations
from .curves import COLORS

_BLUES = LinearSegmentedColormap.from_list('blues', ['#ffffff', '#c6dcec', COLORS[0], '#00314f'])
_BIG = 12  # methods from which on the cells of confusion matrices show their numbers only where they matter
FEW = 10  # answers below which the accuracy of a bin means little
_FAINT = 0.35
HISTOGRAM = 24


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
    grid = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=True, gridspec_kw=dict(height_ratios=[3, 1.15] * rows)
    )
    most = max(float(own.count.max()) for own in bins.values())
    for i in range(rows * columns):
        upper, lower = grid[2 * (i // columns)][i % columns], grid[2 * (i // columns) + 1][i % columns]
        if i >= number:
            upper.set_visible(False)
            lower.set_visible(False)
            continue
        method = list(bins)[i]
        _reliability(upper, lower, bins[method], ece[method], most)
        left, bottom = i % columns == 0, i + columns >= number
        upper.tick_params(labelleft=left, labelbottom=False)
        lower.tick_params(labelleft=left, labelbottom=bottom)
        if left:
            upper.set_ylabel('accuracy (%)', fontsize=9)
            lower.set_ylabel('answers', fontsize=9)
        if bottom:
            lower.set_xlabel('confidence (%)', fontsize=9)
    panel_titles([grid[2 * (i // columns)][i % columns] for i in range(number)], bins)
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
                axes.text(
                    column,
                    row,
                    f'{value:.0f}',
                    ha='center',
                    va='center',
                    fontsize=7,
                    color='white' if value > 50 else INK,
                )
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
    edges = np.linspace(0, end, HISTOGRAM + 1)
    top = 0.0
    for axes, (right, wrong) in zip(every, answers.values()):
        for values, color, filled in ((right, COLORS[0], True), (wrong, COLORS[1], False)):
            if len(values):
                share = 100 * np.histogram(np.clip(values, 0, end), edges)[0] / len(values)
                top = max(top, share.max())
                axes.stairs(share, edges, color=color, fill=filled, alpha=0.45 if filled else 1, linewidth=1.8)
        for values, color in ((right, COLORS[0]), (wrong, COLORS[1])):
            if len(values):
                axes.axvline(float(np.median(values)), color=color, linewidth=1.1, linestyle=':')
        missing = ' and '.join(name for name, values in (('right', right), ('wrong', wrong)) if not len(values))
        if missing:
            axes.text(0.97, 0.92, f'no {missing} answers', transform=axes.transAxes, ha='right', va='top', fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
    panel_titles(every, answers)
    for axes in every:
        axes.set_xlim(0, end)
        axes.set_yscale('symlog', linthresh=10)
        axes.set_ylim(0, 1.15 * max(top, 10))
        axes.set_yticks([tick for tick in (0, 5, 10, 30, 100) if tick <= 1.15 * max(top, 10)])
        axes.set_yticklabels([str(int(tick)) for tick in axes.get_yticks()])
        axes.minorticks_off()
    label_edges(every, 'uncertainty (nats)', 'answers (%)')
    figure.legend(
        handles=[
            Patch(facecolor=COLORS[0], alpha=0.45, label='right answers'),
            Patch(facecolor='none', edgecolor=COLORS[1], linewidth=1.8, label='wrong answers'),
            every[0].plot([], [], ':', color=GREY, label='medians')[0],
        ],
        loc='outside upper center',
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure
