"""Plot of what conditions, such as label noise or occlusion, do to the figures of methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .comparison import INK, dress, legend_above, method_style, new_figure
from .curves import COLORS

_MARKERS = 'osD^vPX*'
_SPREAD = 0.5  # of the distance between conditions, which the methods share where these have no order

Point = tuple  # mean, low, high; the ends are NaN where there is no interval


def draw_robustness(
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
    style = method_style(index)
    color, marker = style['color'], _MARKERS[index // len(COLORS) % len(_MARKERS)]
    axes.plot(
        places,
        [point[0] for point in points],
        marker if not ordered else marker + style['linestyle'],
        color=color,
        markersize=5,
        linewidth=1.6,
        label=name,
        zorder=3,
    )
    for place, (_, low, high) in zip(places, points):
        if not math.isnan(low):
            axes.plot([place, place], [low, high], color=color, linewidth=1.3, solid_capstyle='butt', zorder=2)
