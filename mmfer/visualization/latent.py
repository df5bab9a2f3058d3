"""Latent Gaussians of faces: the expression intensities that a model sees in a compound expression, and how surely.

Paper: Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from .contact_sheet import class_colors, fit_image
from .panels import GREY, INK, PALE, dress, new_figure
from .text import font_families, plot_text

MOST = 9  # faces that fit beside each other


@dataclass(frozen=True)
class LatentFace:
    """A face and what a model makes of it.

    Attributes:
        img: The face to show, uint8 (H, W, 3) BGR.
        name: A few words below it.
        mean, std: Of the latent (K,).
        score: Predicted probabilities (K,).
        score_low, score_high: Bounds of what the latent's Gaussian implies for them (K,).
        truth: True label distribution (K,), or None where nobody knows it.
    """

    img: np.ndarray
    name: str
    mean: np.ndarray
    std: np.ndarray
    score: np.ndarray
    score_low: np.ndarray
    score_high: np.ndarray
    truth: np.ndarray | None = None


def draw_latent(
    faces: Sequence[LatentFace],
    classes: Sequence[str],
    pair: tuple[str, str],
    title: str = '',
    is_path: bool = True,
    level: float = 0.9,
) -> Figure:
    """Latent Gaussians of faces in the plane of two expressions, and for each face those of all.

    Above: an ellipse of one standard deviation a face, with its number, where the axes are the latent coordinates of
    two expressions; beside it the predicted probabilities of the two and the true ones. Below, a column a face: the
    face, mean and deviation of each latent coordinate, and its predicted and true distribution.

    Args:
        faces: From one to ``MOST``.
        classes: K names in the order of all arrays.
        pair: The two expressions of the plane.
        title: Such as the name of the checkpoint.
        is_path: Whether the faces are steps of one way, which lines connect.
        level: Mass of the intervals of the faces, for the legend.

    Raises:
        ValueError: If there are too many or no faces, or the pair is not two of the classes.
    """
    if not 1 <= len(faces) <= MOST:
        raise ValueError(f'{len(faces)} faces: from 1 to {MOST} fit into a picture')
    if len(set(pair)) != 2 or not set(pair) <= set(classes):
        raise ValueError(f'pair={pair}: two different ones of {", ".join(classes)}')
    shades = [tuple(c / 255 for c in color[::-1]) for color in class_colors(classes)]
    a, b = map(classes.index, pair)
    if shades[a] == shades[b]:  # there are more classes than colours
        shades[b] = next((shade for shade in shades if shade != shades[a]), (0, 0, 0))
    longest = max(map(len, classes))
    names_width = 0.35 + 0.085 * longest
    width = max(9.0, names_width + 1.3 * len(faces) + 0.3)
    rows = [1.55, 0.3 + 0.2 * len(classes), 0.3 + 0.2 * len(classes)]
    with matplotlib.rc_context({'font.family': font_families([*classes, title, *(face.name for face in faces)])}):
        figure = new_figure(width, 4.75 + sum(rows) + 0.3)
        upper, lower = figure.subfigures(2, 1, height_ratios=[4.75, sum(rows) + 0.3])
        plane, course = upper.subplots(1, 2, width_ratios=[1, 1.15])
        _draw_plane(plane, faces, (a, b), pair, shades, is_path)
        _draw_course(course, faces, classes, pair, shades, is_path, level)
        upper.suptitle(plot_text(title), fontsize=10, color=INK, x=0.01, ha='left')
        _draw_columns(lower, faces, classes, shades, rows, longest)
    return figure


def _draw_plane(axes, faces, index, pair, shades, is_path) -> None:
    """Ellipses of one standard deviation; along a way their colour goes from the first expression's to the second's."""
    a, b = index
    means, stds = (np.array([getattr(face, name)[[a, b]] for face in faces]) for name in ('mean', 'std'))
    low, high = (means - 1.25 * stds).min(), (means + 1.25 * stds).max()
    margin = 0.06 * (high - low) + 1e-6
    low, high = low - margin, high + margin
    axes.plot([low, high], [low, high], color=GREY, linestyle=':', linewidth=1)
    if is_path:
        axes.plot(*means.T, color=INK, linewidth=1.1, zorder=3)
    for i, (mean, std) in enumerate(zip(means, stds)):
        part = i / max(len(faces) - 1, 1)
        color = (1 - part) * np.array(shades[a]) + part * np.array(shades[b]) if is_path else np.full(3, 0.35)
        axes.add_patch(Ellipse(mean, *(2 * std), facecolor=(*color, 0.22), edgecolor=color, linewidth=1.4, zorder=2))
        axes.plot(*mean, 'o', color=INK, markersize=3, zorder=4)
        number = axes.annotate(str(i + 1), mean, (6, 5), textcoords='offset points', fontsize=9, color=INK, zorder=5)
        number.set_path_effects([withStroke(linewidth=2.5, foreground='white')])
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_aspect('equal')
    dress(axes)
    for axis, name in ((axes.xaxis, pair[0]), (axes.yaxis, pair[1])):
        axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        axis.set_label_text(f'latent {plot_text(name)}', fontsize=10)
    axes.set_title('mean and one standard deviation; dotted: equally strong', fontsize=9, color=INK, loc='left')


def _draw_course(axes, faces, classes, pair, shades, is_path, level) -> None:
    """Predicted and true probabilities of the two expressions, and of all others together, over the faces."""
    steps = np.arange(1, len(faces) + 1)
    a, b = (classes.index(name) for name in pair)
    score = np.array([face.score for face in faces])
    truth = None if any(face.truth is None for face in faces) else np.array([face.truth for face in faces])
    solid, dashed = ('-', '--') if is_path else ('none', 'none')
    for k in (a, b):
        bounds = np.array([[face.score_low[k], face.score_high[k]] for face in faces])
        if is_path and len(faces) > 1:
            axes.fill_between(steps, *bounds.T, color=shades[k], alpha=0.18, linewidth=0)
        else:
            axes.vlines(steps, *bounds.T, color=shades[k], alpha=0.35, linewidth=5)
        axes.plot(steps, score[:, k], linestyle=solid, marker='o', markersize=5, color=shades[k], linewidth=2)
        if truth is not None:
            look = dict(marker='D', markersize=5, markerfacecolor='white', color=shades[k])
            axes.plot(steps, truth[:, k], linestyle=dashed, **look)
    rest = [k for k in range(len(classes)) if k not in (a, b)]
    others = dict(color=GREY, marker='s', markersize=3.5, linewidth=1)  # smaller: neutral is grey as well
    axes.plot(steps, score[:, rest].sum(1), linestyle=solid, **others)
    if truth is not None:
        axes.plot(steps, truth[:, rest].sum(1), linestyle=dashed, markerfacecolor='white', **others)
    dress(axes)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlim(0.8, len(faces) + 0.2)
    axes.set_xticks(steps)
    axes.set_xlabel('face', fontsize=10)
    axes.set_ylabel('probability', fontsize=10)
    handles = [Line2D([], [], color=shades[k], linewidth=4, label=plot_text(classes[k])) for k in (a, b)]
    handles.append(Line2D([], [], linestyle=solid, label='all others', **others))
    handles.append(Line2D([], [], color=INK, linestyle=solid, marker='o', markersize=5, label='predicted'))
    if truth is not None:
        look = dict(marker='D', markersize=5, markerfacecolor='white')
        handles.append(Line2D([], [], color=INK, linestyle=dashed, label='true', **look))
    handles.append(Line2D([], [], color=PALE, linewidth=7, label=f'{100 * level:g} % interval'))
    axes.legend(handles=handles, loc='lower center', bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=9)


def _draw_columns(figure, faces, classes, shades, rows, longest) -> None:
    """A column a face: the face, its latent, its probabilities."""
    grid = figure.subplots(3, len(faces), squeeze=False, height_ratios=rows)
    y = np.arange(len(classes))[::-1]
    low = min(float((face.mean - face.std).min()) for face in faces)
    high = max(float((face.mean + face.std).max()) for face in faces)
    for i, (face, (top, latent, chance)) in enumerate(zip(faces, grid.T)):
        top.imshow(fit_image(face.img, 160)[..., ::-1], interpolation='antialiased')
        top.set_title(f'{i + 1}', fontsize=10, color=INK, pad=3)
        top.set_xlabel('\n'.join(map(plot_text, face.name.splitlines())), fontsize=8, color=INK)
        top.set_xticks([])
        top.set_yticks([])
        top.spines[:].set_color(PALE)
        latent.axvline(0, color=PALE, linewidth=1)
        latent.hlines(y, face.mean - face.std, face.mean + face.std, color=shades, linewidth=2.5)
        latent.scatter(face.mean, y, s=22, c=shades, edgecolors='white', linewidths=0.6, zorder=3)
        latent.set_xlim(low - 0.05 * (high - low), high + 0.05 * (high - low))
        chance.barh(y, face.score, height=0.62, color=shades)
        chance.hlines(y, face.score_low, face.score_high, color=INK, linewidth=1)
        if face.truth is not None:
            chance.scatter(face.truth, y, s=20, marker='D', facecolors='white', edgecolors=INK, linewidths=1, zorder=4)
        chance.set_xlim(0, 1.04)
        chance.set_xticks([0, 0.5, 1], ['0', '0.5', '1'])
        for axes in (latent, chance):
            dress(axes, 'x')
            axes.set_ylim(-0.6, len(classes) - 0.4)
            axes.tick_params(labelsize=8)
            axes.tick_params(axis='y', length=0)
            axes.spines['left'].set_visible(False)
            axes.set_yticks(y, [plot_text(name) for name in classes] if i == 0 else [''] * len(classes))
        latent.xaxis.set_major_locator(MaxNLocator(nbins=3, steps=[1, 2, 5, 10]))
    _caption(grid[1][0], 'latent coordinates: mean ± one standard deviation')
    known = ', true (diamond)' if any(face.truth is not None for face in faces) else ''
    _caption(grid[2][0], f'probabilities: predicted (bar, line: interval){known}')


def _caption(axes, text: str) -> None:
    """A line above a row of panels, from its left edge on: it takes room in height, but does not widen its panel."""
    axes.set_title(' ', fontsize=9)
    caption = axes.text(0, 1.04, text, transform=axes.transAxes, fontsize=9, color=INK)
    caption.set_in_layout(False)
