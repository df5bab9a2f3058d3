"""Expressions of the people of a video over time: as a picture, and as a page to move about in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from mmfer.utils.optional import require

from .contact_sheet import class_colors
from .panels import INK, PALE, dress, new_figure
from .text import font_families, plot_text

BINS = 1200  # of time: about one a pixel
HEIGHT = 100  # of a strip in pixels, before it is scaled
FADING = 0.8  # how much of its colour the most uncertain answer loses
WIDTH, STRIP, FACES = 10.0, 1.15, 0.75  # inches: of the picture, of a person, of a row of faces
NOTE = 'time (min:s).  Paler: less certain.  Hatched: the model abstains.  Grey: not seen.'


@dataclass(frozen=True, eq=False)
class Strip:
    """One person of a video. N frames in which the person is seen, K classes.

    Attributes:
        name: Such as ``'person 0'``.
        start: Seconds (N,), rising.
        lasts: Seconds (N,) until the next frame.
        scores: Probabilities (N, K).
        uncertainty: Nats (N,).
        abstains: bool (N,).
        faces: Pairs of a time and a picture, uint8 BGR, for a row above the strip.
    """

    name: str
    start: np.ndarray
    lasts: np.ndarray
    scores: np.ndarray
    uncertainty: np.ndarray
    abstains: np.ndarray
    faces: Sequence[tuple[float, np.ndarray]] = field(default=())


@dataclass(frozen=True, eq=False)
class _Binned:
    """A strip in B parts of time of equal length, NaN where the person is not seen in them."""

    middle: np.ndarray  # seconds (B,)
    scores: np.ndarray  # (B, K)
    doubt: np.ndarray  # entropy as a share of its maximum (B,)
    abstains: np.ndarray  # bool (B,)


def _binned(strip: Strip, begin: float, end: float) -> _Binned:
    """Means of the frames that begin in a part; else the frame that lasts into it."""
    edges = np.linspace(begin, end, BINS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    own = np.clip(np.searchsorted(edges, strip.start, 'right') - 1, 0, BINS - 1)
    counts = np.bincount(own, minlength=BINS)
    values = np.column_stack([strip.scores, strip.uncertainty, strip.abstains])
    sums = np.column_stack([np.bincount(own, column, BINS) for column in values.T])
    last = np.searchsorted(strip.start, middle, 'right') - 1
    lasts_into = (last >= 0) & (middle < strip.start[last] + strip.lasts[last])
    with np.errstate(invalid='ignore'):
        means = sums / counts[:, None]
    parts = np.where(counts[:, None] > 0, means, np.where(lasts_into[:, None], values[last], np.nan))
    classes = strip.scores.shape[1]
    doubt = np.clip(parts[:, -2] / math.log(max(classes, 2)), 0, 1)
    return _Binned(middle, parts[:, :classes], doubt, parts[:, -1] >= 0.5)


def _picture(binned: _Binned, colors: np.ndarray) -> np.ndarray:
    """RGB (HEIGHT, B, 3) in [0, 1]: the classes above each other, each as high as its probability."""
    tops = np.cumsum(np.nan_to_num(binned.scores), axis=1)
    tops /= np.maximum(tops[:, -1:], 1e-12)
    levels = 1 - (np.arange(HEIGHT) + 0.5) / HEIGHT
    owner = (levels[:, None, None] >= tops[None]).sum(2).clip(max=len(colors) - 1)
    image = 1 - (1 - colors[owner]) * (1 - FADING * np.nan_to_num(binned.doubt))[None, :, None]
    image[:, np.isnan(binned.doubt)] = 0.93
    return image


def span(strips: Sequence[Strip]) -> tuple[float, float]:
    """Seconds of the first and of the last frame in which anybody is seen."""
    begin, end = min(s.start[0] for s in strips), max(s.start[-1] + s.lasts[-1] for s in strips)
    return begin, end if end > begin else begin + 1.0


def clock(seconds: float) -> str:
    """
    >>> clock(75.5), clock(3600)
    ('1:15.5', '1:00:00')
    """
    minutes, rest = divmod(round(seconds, 2), 60)
    hours, minutes = divmod(int(minutes), 60)
    text = f'{rest:05.2f}'.rstrip('0').rstrip('.')
    return f'{hours}:{minutes:02d}:{text}' if hours else f'{minutes}:{text}'


def draw_timeline(strips: Sequence[Strip], classes: Sequence[str], title: str = '') -> Figure:
    """A strip for each person: the probability of each class over time, one above the other.

    Uncertain answers are paler, spans in which the model abstains are hatched, and those in which the person is not
    seen are grey.

    Args:
        strips: Of the people, at least one.
        classes: K names.
        title: Such as the name of the video.
    """
    begin, end = span(strips)
    colors = np.array(class_colors(classes), float)[:, ::-1] / 255
    with matplotlib.rc_context({'font.family': font_families([*classes, title]), 'hatch.linewidth': 0.7}):
        heights = [height for strip in strips for height in ([FACES] if strip.faces else []) + [STRIP]]
        figure = new_figure(WIDTH, sum(heights) + 1.0)
        rows = list(figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0])
        for strip in strips:
            above = rows.pop(0) if strip.faces else None
            axes, binned = rows.pop(0), _binned(strip, begin, end)
            axes.imshow(_picture(binned, colors), extent=(begin, end, 0, 1), aspect='auto', interpolation='nearest')
            hatch = dict(hatch='////', facecolor='none', edgecolor=INK, linewidth=0)
            axes.fill_between(binned.middle, 0, 1, where=binned.abstains, step='mid', **hatch)
            dress(axes)
            axes.grid(False)
            axes.set_ylim(0, 1)
            axes.set_yticks([0, 0.5, 1])
            axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 1.5, 2, 3, 6, 10]))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, place: clock(value)))
            if above is not None:
                _draw_faces(above, strip)
            (above or axes).set_title(plot_text(strip.name), fontsize=9.5, color=INK, loc='left', pad=3)
        axes.set_xlabel(NOTE, fontsize=9, color=INK)
        figure.supylabel('probability', fontsize=9)
        handles = [Patch(facecolor=color) for color in colors]
        names = [plot_text(name) for name in classes]
        figure.legend(handles, names, loc='outside lower center', ncols=min(8, len(names)), frameon=False, fontsize=9)
        figure.suptitle(plot_text(title), fontsize=10.5, color=INK, x=0.01, ha='left')
    return figure


def _draw_faces(axes, strip: Strip) -> None:
    axes.axis('off')
    axes.set_ylim(0, 1)
    for seconds, face in strip.faces:
        zoom = 0.8 * FACES * 72 / face.shape[0]
        image = OffsetImage(cv2.cvtColor(face, cv2.COLOR_BGR2RGB), zoom=zoom)
        axes.add_artist(AnnotationBbox(image, (seconds, 0.5), pad=0.1, bboxprops=dict(edgecolor=PALE)))


def timeline_page(strips: Sequence[Strip], classes: Sequence[str], title: str = '') -> str:
    """The same as one HTML page to zoom and to point at, which needs nothing from the network.

    Raises:
        ImportError: plotly is not installed.
    """
    what = 'pages to move about in are made by plotly'
    plotly = require('plotly.graph_objects', 'plotly>=5.20', what)
    subplots = require('plotly.subplots', 'plotly>=5.20', what)
    begin, end = span(strips)
    colors = [f'rgb({red},{green},{blue})' for blue, green, red in class_colors(classes)]
    figure = subplots.make_subplots(len(strips), 1, shared_xaxes=True, subplot_titles=[strip.name for strip in strips])
    for row, strip in enumerate(strips, 1):
        binned = _binned(strip, begin, end)
        seen = ~np.isnan(binned.doubt)
        for k, (name, color) in enumerate(zip(classes, colors)):
            area = plotly.Scatter(
                x=binned.middle.round(3),
                y=np.where(seen, binned.scores[:, k], 0).round(4),
                stackgroup=f'person {row}',
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                fillcolor=color,
                line=dict(width=0, shape='hvh'),
                hovertemplate='%{y:.0%}',
            )
            figure.add_trace(area, row, 1)
        figure.add_trace(
            plotly.Heatmap(
                x=binned.middle.round(3),
                y=[0.5],
                dy=1,
                z=[np.where(seen, binned.doubt, 0).round(3)],
                zmin=0,
                zmax=1,
                colorscale=[[0, 'rgba(255,255,255,0)'], [1, f'rgba(255,255,255,{FADING})']],
                showscale=False,
                hovertemplate='uncertainty %{z:.0%} of its maximum<extra></extra>',
            ),
            row,
            1,
        )
        hatch = dict(shape='/', size=6, solidity=0.2, fgcolor='#333333', bgcolor='rgba(0,0,0,0)')
        hatched = plotly.Scatter(
            x=binned.middle.round(3),
            y=np.where(binned.abstains, 1.0, 0.0),
            fill='tozeroy',
            fillpattern=hatch,
            line=dict(width=0, shape='hvh'),
            name='abstains',
            legendgroup='abstains',
            showlegend=row == 1,
            hoverinfo='skip',
        )
        figure.add_trace(hatched, row, 1)
    figure.update_layout(title=title, height=150 + 170 * len(strips))
    figure.update_layout(hovermode='x unified', template='plotly_white', plot_bgcolor='#ededed')
    figure.update_yaxes(range=[0, 1], showgrid=False, fixedrange=True, title='probability')
    figure.update_xaxes(range=[begin, end], showgrid=False)
    figure.update_xaxes(title='seconds', row=len(strips), col=1)
    # Without plotly's button that uploads the numbers.
    return figure.to_html(include_plotlyjs=True, config=dict(showSendToCloud=False))
