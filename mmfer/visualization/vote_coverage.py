"""Whether predicted vote shares scatter as people's do."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mmfer.evaluation.functional.vote_coverage import coverage_curve, pit_histogram

from .panels import COLORS, GREY, INK, PALE, dress, method_style, new_figure

LEVELS = np.linspace(0.02, 0.98, 49)
SIDE = 3.6  # inches of the larger panel at least


def draw_vote_coverage(predictions: Mapping[str, tuple], num_bins: int = 10) -> Figure:
    """PIT histograms of vote counts with the band of right predictions, and nominal against held coverage.

    Args:
        predictions: Name of a method -> ``lower``, ``upper`` of
            :func:`~mmfer.evaluation.functional.vote_coverage.pit_bounds` and ``chosen``, (N, K) each, which
            :class:`~mmfer.evaluation.VoteMetric` keeps as ``bounds``.
        num_bins: Of the histograms. Their titles give the p-value of the test that all bins are equal.

    Raises:
        ValueError: If there is no prediction.
    """
    if not predictions:
        raise ValueError('draw_vote_coverage: there are no predictions to draw')
    rows = 1 if len(predictions) <= 2 else 2
    columns = math.ceil(len(predictions) / rows)
    height = max(SIDE, 2.3 * rows)
    figure = new_figure(2.7 * columns + height + 0.4, height)
    grid = figure.add_gridspec(rows, columns + 1, width_ratios=[2.7] * columns + [height + 0.4])
    curves = figure.add_subplot(grid[:, -1])
    curves.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle=(0, (4, 3)))
    histograms: list = []
    top = 1.6
    for i, (name, bounds) in enumerate(predictions.items()):
        shared = dict(sharex=histograms[0], sharey=histograms[0]) if histograms else {}
        axes = figure.add_subplot(grid[i // columns, i % columns], **shared)
        histograms.append(axes)
        top = max(top, _draw_histogram(axes, name, bounds, num_bins))
        axes.tick_params(labelbottom=i + columns >= len(predictions), labelleft=i % columns == 0)
        if i + columns >= len(predictions):
            axes.set_xlabel('PIT of the votes for a class', fontsize=9)
        if i % columns == 0:
            axes.set_ylabel('density', fontsize=9)
        coverage, error = coverage_curve(*bounds, LEVELS)
        style = method_style(i)
        curves.plot(100 * LEVELS, 100 * coverage, **style, linewidth=1.8, label=name)
        ends = (100 * (coverage + sign * 1.96 * error) for sign in (-1, 1))
        curves.fill_between(100 * LEVELS, *ends, color=style['color'], alpha=0.18, linewidth=0)
    histograms[0].set(xlim=(0, 1), ylim=(0, top))
    dress(curves)
    curves.set(xlim=(0, 100), ylim=(0, 100), aspect='equal')
    curves.set_xlabel('nominal coverage of the interval (%)', fontsize=9)
    curves.set_ylabel('vote shares that it holds (%)', fontsize=9)
    curves.legend(loc='upper left', frameon=False, fontsize=9)
    return figure


def _draw_histogram(axes, name: str, bounds: tuple, num_bins: int) -> float:
    """Draw one panel; how high it needs to be."""
    histogram = pit_histogram(*bounds, num_bins)
    edges = np.linspace(0, 1, num_bins + 1)
    band = (np.append(1 + sign * histogram.band, 1 + sign * histogram.band[-1]) for sign in (-1, 1))
    axes.bar(edges[:-1], histogram.density, 1 / num_bins, align='edge', color=COLORS[5], edgecolor='white')
    axes.fill_between(edges, *band, step='post', color=PALE, alpha=0.75, linewidth=0)
    axes.axhline(1, color=GREY, linewidth=1)
    p = histogram.p_value
    told = '' if math.isnan(p) else f' (p = {p:.2g})' if p >= 0.001 else ' (p < 0.001)'
    axes.set_title(name + told, fontsize=10 if len(name) <= 18 else 8, color=INK, pad=4)
    dress(axes, 'y')
    return 1.05 * float(np.nanmax([histogram.density, 1 + histogram.band]))
