"""Embeddings of a data set in two dimensions."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from mmfer.utils.files import write_text
from mmfer.utils.optional import require

from .contact_sheet import class_colors
from .panels import INK, dress, new_figure
from .text import font_families, plot_text

METHODS = dict(tsne='t-SNE', umap='UMAP', pca='PCA')
FEWEST = 5  # images that can be projected
SHAPES = 'os^Dv'  # of points, where classes share a colour
NAMED = 12  # classes that are named among their points; more would hide them


@dataclass(frozen=True)
class Embedding:
    """What the head of a model reads of N images, and what it answers.

    Attributes:
        features: (N, C).
        images: Path or name of each.
        true: Name of the class of each.
        predicted: Name of the class that was answered.
        score: Its probability (N,).
        uncertainty: Entropy of the prediction (N,), nats.
        classes: Names of the classes, those of the model first.
        num_classes: K of the model.
        protocol: The data in words.
    """

    features: np.ndarray
    images: tuple[str, ...]
    true: tuple[str, ...]
    predicted: tuple[str, ...]
    score: np.ndarray
    uncertainty: np.ndarray
    classes: tuple[str, ...]
    num_classes: int
    protocol: str = ''

    @property
    def right(self) -> np.ndarray:
        """Which answers are right, bool (N,)."""
        return np.array(self.true) == np.array(self.predicted)


@dataclass(frozen=True)
class Projection:
    """Points in two dimensions.

    Attributes:
        points: (N, 2).
        method: One of ``METHODS``.
        axes: Names of the two axes; '' where they mean nothing.
    """

    points: np.ndarray
    method: str
    axes: tuple[str, str] = ('', '')


def project(features: np.ndarray, method: str = 'tsne', seed: int = 0) -> Projection:
    """Two dimensions for features (N, C); the same ones for the same seed on the same machine.

    t-SNE (https://jmlr.org/papers/v9/vandermaaten08a.html) and PCA are scikit-learn's, UMAP
    (https://arxiv.org/abs/1802.03426) that of umap-learn. t-SNE and UMAP keep neighbours together; distances between
    groups, and their sizes, mean nothing. PCA is linear: distances are true as far as two directions can show them.

    Raises:
        MissingPackageError: If the method's package is not installed; the message has the command.
        ValueError: If the method is unknown, or there are too few features, or they are not finite.
    """
    features = np.asarray(features, np.float64)
    number = len(features)
    if method not in METHODS:
        raise ValueError(f'method={method!r}: one of {", ".join(METHODS)}')
    if number < FEWEST:
        raise ValueError(f'{number} images cannot be projected: {FEWEST} or more are needed')
    if not np.isfinite(features).all():
        raise ValueError(f'{int((~np.isfinite(features)).any(1).sum())} of {number} embeddings are not finite')
    if method == 'umap':
        umap = require('umap', 'umap-learn>=0.5', 'UMAP needs the package umap-learn (--method tsne does not)')
        reducer = umap.UMAP(n_neighbors=min(15, number - 1), random_state=seed, n_jobs=1, init='pca')
        return Projection(np.asarray(reducer.fit_transform(features), np.float64), method)
    what = f'{METHODS[method]} needs the package scikit-learn'
    decomposition = require('sklearn.decomposition', 'scikit-learn>=1.3', what)
    pca = decomposition.PCA(min(50 if method == 'tsne' else 2, *features.shape), svd_solver='full')
    with np.errstate(invalid='ignore'):  # all features may be equal
        reduced = pca.fit_transform(features)
    if method == 'pca':
        reduced = np.pad(reduced, ((0, 0), (0, 2 - reduced.shape[1])))
        shares = np.pad(np.nan_to_num(100 * pca.explained_variance_ratio_), (0, 2))
        names = tuple(f'component {i + 1} ({shares[i]:.0f} % of the variance)' for i in range(2))
        return Projection(reduced, method, names)
    from threadpoolctl import threadpool_limits  # comes with scikit-learn

    manifold = require('sklearn.manifold', 'scikit-learn>=1.3', what)
    perplexity = min(30.0, (number - 1) / 3)
    tsne = manifold.TSNE(2, perplexity=perplexity, init='pca', learning_rate='auto', random_state=seed)
    with threadpool_limits(1):  # sums over threads would not always be the same
        points = tsne.fit_transform(reduced)
    return Projection(np.asarray(points, np.float64), method)


def draw_embedding(embedding: Embedding, projection: Projection, title: str = '') -> Figure:
    """The points by true class, wrong answers as crosses, and beside it the same points by uncertainty.

    Args:
        embedding: Of N images.
        projection: Its points (N, 2).
        title: Such as the name of the config.
    """
    classes = [name for name in embedding.classes if name in embedding.true]
    looks = _looks(embedding.classes)
    points, right, true = projection.points, embedding.right, np.array(embedding.true)
    size = float(np.clip(9000 / len(points), 7, 45))
    with matplotlib.rc_context({'font.family': font_families([*embedding.classes, title, embedding.protocol])}):
        names = [f'{plot_text(k)}: {(true == k).sum()}, {100 * right[true == k].mean():.0f} % right' for k in classes]
        names.append(f'wrong answer ({(~right).sum()})')
        columns = max(1, min(4, 140 // (6 + max(map(len, names)))))
        figure = new_figure(11.5, 5.75 + 0.17 * math.ceil(len(names) / columns))
        left, other = figure.subplots(1, 2, sharex=True, sharey=True)
        order = np.random.default_rng(0).permutation(len(points))  # no class lies on top of all others
        shades = np.array([looks[name][0] for name in embedding.true])
        for shape in SHAPES:
            own = order[right[order] & np.array([looks[name][1] == shape for name in true[order]])]
            left.scatter(*points[own].T, s=size, c=shades[own], marker=shape, alpha=0.75, linewidths=0)
        bad = order[~right[order]]
        left.scatter(*points[bad].T, s=1.5 * size, c='white', marker='X', linewidths=0)
        left.scatter(*points[bad].T, s=1.2 * size, c=shades[bad], marker='x', linewidths=1.3)
        if len(classes) <= NAMED:
            _name_groups(left, points, [right & (true == name) for name in classes], classes)
        left.set_title('true class', fontsize=10, color=INK, loc='left')
        share = 100 * embedding.uncertainty / math.log(max(embedding.num_classes, 2))
        rising = np.argsort(share, kind='stable')
        scale = dict(cmap='cividis_r', vmin=0, vmax=100, linewidths=0)
        drawn = other.scatter(*points[rising].T, s=size, c=share[rising], **scale)
        other.set_title('uncertainty of the answer', fontsize=10, color=INK, loc='left')
        bar = figure.colorbar(drawn, ax=other, shrink=0.7, pad=0.02)
        bar.set_label(f'entropy (% of log {embedding.num_classes})', fontsize=9)
        bar.ax.tick_params(labelsize=9)
        bar.outline.set_visible(False)
        for axes in (left, other):
            dress(axes)
            axes.grid(False)
            axes.margins(0.03)
            axes.set_xlabel(projection.axes[0], fontsize=9)
            if not projection.axes[0]:
                axes.tick_params(length=0, labelleft=False, labelbottom=False)
        left.set_ylabel(projection.axes[1], fontsize=9)
        marks = [(looks[name][1], looks[name][0]) for name in classes] + [('x', INK)]
        handles = [Line2D([], [], linestyle='', marker=shape, color=shade, markersize=7) for shape, shade in marks]
        figure.legend(handles, names, loc='outside lower center', ncols=columns, frameon=False, fontsize=9)
        data = f' of {plot_text(embedding.protocol)}' if embedding.protocol else ''
        lines = [plot_text(title)] if title else []
        lines.append(
            f'{METHODS[projection.method]} of what the head reads, {len(points)} images{data}; '
            f'{100 * right.mean():.1f} % right'
        )
        if not projection.axes[0]:
            lines.append('Neighbours are alike; distances between groups and their sizes mean nothing.')
        figure.suptitle('\n'.join(lines), fontsize=10, color=INK, x=0.01, ha='left')
    return figure


def _looks(classes: Sequence[str]) -> dict[str, tuple[tuple, str]]:
    """Colour and shape of the points of each class: another shape where a colour returns."""
    looks, seen = {}, []
    for name, color in zip(classes, class_colors(classes)):
        looks[name] = (tuple(c / 255 for c in color[::-1]), SHAPES[seen.count(color) % len(SHAPES)])
        seen.append(color)
    return looks


def _name_groups(axes, points: np.ndarray, groups: Sequence[np.ndarray], names: Sequence[str]) -> None:
    """Write each name where its points (N, 2) are densest, moved up or down where another name is."""
    low, span = points.min(0), np.ptp(points, axis=0)
    if not (span > 0).all():
        return
    places, height = [], 0.045  # of a line, in parts of the span
    for group, name in zip(groups, names):
        if group.any():
            own = (points[group][:2000] - low) / span
            far = np.linalg.norm(own[:, None] - own[None], axis=2)
            near = np.sort(far, axis=1)[:, : max(1, len(own) // 2)].mean(1)
            places.append((*own[near.argmin()], 0.008 * len(name), name))
    done: list[tuple] = []
    for x, y, half, name in sorted(places, key=lambda place: place[1]):
        for step in (0, 1, -1, 2, -2, 3, -3, 4, -4, 5, 6, 7, 8):
            at = y + step * height
            if all(abs(at - v) >= 0.95 * height or abs(x - u) >= half + w for u, v, w in done):
                break
        done.append((x, at, half))
        text = axes.text(*(low + span * (x, at)), plot_text(name), fontsize=9, color=INK, ha='center', va='center')
        text.set_path_effects([withStroke(linewidth=3, foreground='white', alpha=0.85)])
        text.set_in_layout(False)


def write_points(path: str | Path, embedding: Embedding, projection: Projection) -> None:
    """A CSV file with a row an image: image, true, predicted, score, uncertainty, x, y; whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(('image', 'true', 'predicted', 'score', 'uncertainty', 'x', 'y'))
    for i, (x, y) in enumerate(projection.points.tolist()):
        numbers = (embedding.score[i], embedding.uncertainty[i], x, y)
        names = (embedding.images[i], embedding.true[i], embedding.predicted[i])
        writer.writerow((*names, *(f'{float(value):.6g}' for value in numbers)))
    write_text(path, text.getvalue().encode('utf-8', 'backslashreplace').decode())
