"""Curves of trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmfer.utils.files import whole_file

from .panels import dress, method_style, new_figure
from .scalars import Run

LABELS = dict(
    accuracy='accuracy (%)',
    mean_class_accuracy='mean class accuracy (%)',
    macro_f1='macro F1 (%)',
    weighted_f1='weighted F1 (%)',
    share_of_observer='share of the Bayes-optimal accuracy (%)',
    observer_accuracy='Bayes-optimal accuracy (%)',
    lr='learning rate',
    grad_norm='gradient norm',
    images_per_s='images / s',
    memory='memory (MB)',
    time='time (s / iteration)',
    data_time='loading time (s / iteration)',
    sharpness='sharpness (loss difference)',
)
DEFAULT_KEYS = ('loss', 'accuracy', 'lr')


def find_keys(runs: Sequence[Run], keys: Sequence[str] | None = None) -> list[str]:
    """The full names of what is to be drawn.

    Args:
        runs: The trainings.
        keys: Names with or without ``train/`` or ``val/``; without it, that of the training is meant where there are
            both. By default those of DEFAULT_KEYS that are there.

    Raises:
        ValueError: If none of the trainings has one; those there are listed.
    """
    there = {key for run in runs for key in run.keys}
    full = {}
    for key in keys or DEFAULT_KEYS:
        full[key] = next((name for name in (key, f'train/{key}', f'val/{key}') if name in there), None)
    unknown = [key for key, name in full.items() if name is None]
    if not there:
        raise ValueError(f'nothing was logged yet: {", ".join(run.name for run in runs)}')
    if unknown and (keys or len(unknown) == len(full)):
        raise ValueError(f'not in the logs: {", ".join(unknown)}; there are: {", ".join(sorted(there))}')
    return list(dict.fromkeys(name for name in full.values() if name is not None))


def smoothed(values: np.ndarray, weight: float) -> np.ndarray:
    """Exponential moving average without the bias of its start.

    .. math:: s_t = \\sum_{i \\le t} w^{t-i} x_i / \\sum_{i \\le t} w^{t-i}

    Args:
        values: (N,); those that are not finite stay as they are and count for nothing.
        weight: w, from 0 (unchanged) to below 1.

    >>> smoothed(np.array([1.0, 0.0, 0.0]), 0.5).round(3).tolist()
    [1.0, 0.333, 0.143]
    """
    result = np.array(values, dtype=float)
    total = count = 0.0
    for i, value in enumerate(result):
        if math.isfinite(value):
            total, count = weight * total + value, weight * count + 1
            result[i] = total / count
    return result


def curve(run: Run, key: str, smooth: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray | None] | None:
    """A scalar of a training over its steps.

    Args:
        run: The training.
        key: Full name of the scalar.
        smooth: Weight of :func:`smoothed`, which each seed goes through. Results of validations and the learning rate
            stay as they are.

    Returns:
        Steps (N,), values (N,) or their means over the seeds, and of several seeds the sample standard deviation (N,),
        at the steps that all seeds with this scalar have. None if there is nothing to draw.
    """
    seeds = [seed[key] for seed in run.seeds if key in seed]
    steps = sorted(set.intersection(*map(set, seeds))) if seeds else []
    if not steps:
        return None
    weight = smooth if _smoothable(key, smooth) else 0.0
    drawn = [dict(zip(seed, smoothed(np.array(list(seed.values())), weight))) for seed in seeds]
    values = np.array([[seed[step] for step in steps] for seed in drawn])
    std = values.std(axis=0, ddof=1) if len(values) > 1 else None
    return np.array(steps), values.mean(axis=0), std


def draw_curves(runs: Sequence[Run], keys: Sequence[str] | None = None, smooth: float = 0.0) -> Figure:
    """Draw a panel a scalar, with a line a training and for several seeds a band of ± one standard deviation.

    Args:
        runs: The trainings.
        keys: See :func:`find_keys`.
        smooth: Weight of :func:`smoothed`, for what the training measured; what was logged is drawn faintly below.

    Raises:
        ValueError: If an argument is out of range, or nothing is there to be drawn.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f'smooth={smooth}: expected 0 or more, and less than 1')
    names = find_keys(runs, keys)
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure = new_figure(max(4.6 * columns, 6.0), 3.6 * rows + 0.3)
    lines: dict[str, object] = {}
    for i, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, i + 1)
        for j, run in enumerate(runs):
            line = _draw(axes, run, name, smooth, method_style(j))
            if line is not None:
                seeds = f' (mean ± std of {len(run.seeds)} seeds)' if len(run.seeds) > 1 else ''
                lines.setdefault(run.name + seeds, line)
        dress(axes)
        axes.set_xlabel('iteration' if name.startswith('train/') else 'epoch', fontsize=10)
        axes.set_ylabel(_label(name) + (f', smoothed {smooth:g}' if _smoothable(name, smooth) else ''), fontsize=10)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10], integer=True))
        axes.ticklabel_format(axis='y', style='sci', scilimits=(-3, 5), useMathText=True)
    figure.legend(
        list(lines.values()), list(lines), loc='outside upper center', ncols=columns, frameon=False, fontsize=10
    )
    return figure


def check_picture(out: str | Path) -> Path:
    """``out`` as a path, or ValueError where it is no name of a picture."""
    if Path(out).suffix.lower() not in ('.png', '.svg', '.pdf'):
        raise ValueError(f'out={out}: the name of a picture ends in .png, .svg or .pdf')
    return Path(out)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure, whole or not at all, to a name that :func:`check_picture` takes."""
    path = check_picture(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), facecolor='white')


def _draw(axes, run: Run, name: str, smooth: float, style: dict):
    drawn = curve(run, name, smooth)
    if drawn is None:
        return None
    steps, values, std = drawn
    if _smoothable(name, smooth):
        axes.plot(*curve(run, name)[:2], **style, alpha=0.25, linewidth=1)
    if std is not None:
        axes.fill_between(steps, values - std, values + std, color=style['color'], alpha=0.18, linewidth=0)
    marker = 'o' if len(steps) == 1 else '.' if len(steps) <= 40 else None
    return axes.plot(steps, values, **style, linewidth=1.8, marker=marker, markersize=5)[0]


def _label(name: str) -> str:
    split, _, key = name.partition('/')
    label = LABELS.get(key, key.replace('_', ' '))
    if split == 'val':
        return f'validation {label}'
    return f'training {label}' if 'loss' in key or 'acc' in key else label


def _smoothable(name: str, smooth: float) -> bool:
    """Whether a scalar is smoothed: measurements in the training are, settings such as the learning rate are not."""
    return bool(smooth) and name.startswith('train/') and not name.endswith(('lr', 'momentum'))


def notes(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """Lines on what the picture cannot show: trainings without a scalar, and seeds that are shorter than others."""
    lines = []
    for run in runs:
        for key in keys:
            seeds = [seed[key] for seed in run.seeds if key in seed]
            ends = {max(seed) for seed in seeds}
            unit = 'iteration' if key.startswith('train/') else 'epoch'
            if not seeds:
                lines.append(f'{run.name} has no {key}')
            elif len(seeds) < len(run.seeds):
                lines.append(f'{run.name}: {len(run.seeds) - len(seeds)} of {len(run.seeds)} seeds have no {key}')
            elif len(ends) > 1:
                lines.append(f'{run.name}: {key} up to {unit} {min(ends)}, where the shortest seed ends')
    return lines
