r"""Is a model worse for some groups of people than for others? Metrics by group, the largest gap, and a test of it.

Among several groups the largest gap is large by chance alone, and more so if groups are small. So the gap cannot be
judged by itself. The permutation test assigns the faces to groups of the same sizes at random, many times, and counts
how often a pair is as far apart. The statistic of a pair is its difference, less the mean of that difference over the
permutations, divided by its standard error:

.. math::
    T = \max_{a < b} \frac{|v_a - v_b - m_{ab}|}{\sqrt{s_a^2 + s_b^2}}

Because of :math:`m_{ab}`, metrics that are biased in small groups are tested fairly. If groups show different
expressions, of which some are harder, a gap may come from the expressions and not from the model. With ``stratify``,
faces change groups only within their class, and :math:`m_{ab}` is the difference that the classes explain. The level is
exact if groups are exchangeable; in large groups it also holds if only the metric is the same. DiCiccio, Vasudevan,
Basu, Kenthapadi & Agarwal, Evaluating fairness using permutation tests, https://arxiv.org/abs/2007.05124; Chung &
Romano, https://arxiv.org/abs/1304.5939.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import bca_interval
from .group_figures import GroupFigure
from .intervals import check_level, proportion_interval

PRIOR = 20  # faces with the spread of all faces count in each group's variance, as that of a few faces may be 0
NO_GAP = 'fewer than two groups can be compared: no gap and no test'


class Group(NamedTuple):
    """A group: its name, its faces, the figure and its interval, and whether it takes part in the comparison."""

    name: str
    size: int
    value: float
    low: float
    high: float
    compared: bool


class Gap(NamedTuple):
    """The largest gap.

    highest, lowest: Names of the two groups.
    value: Difference of their figures.
    low, high: Simultaneous interval, which holds the differences of all pairs at once.
    expected: Mean of the largest gap where groups are dealt out at random.
    p_value: Of the test; NaN without one.
    """

    highest: str
    lowest: str
    value: float
    low: float
    high: float
    expected: float
    p_value: float


@dataclass
class GroupComparison:
    """The result of :func:`compare_groups`.

    Args:
        figure: Name of the figure; ``unit``: its unit.
        groups: In the order of their names.
        worst: Name of the group that is served worst; '' without a comparison.
        gap: None without a comparison.
        notes: What was left out, and why, a sentence each.
    """

    figure: str
    unit: str
    groups: list[Group]
    worst: str
    gap: Gap | None
    notes: list[str]

    def describe(self) -> str:
        """The gap in a line."""
        if self.gap is None:
            return NO_GAP
        gap = self.gap
        text = f'largest gap {gap.value:.4g} {gap_unit(self.unit)} ({gap.highest} - {gap.lowest})'
        text += '' if np.isnan(gap.low) else f', {gap.low:.4g} to {gap.high:.4g}'
        if np.isnan(gap.p_value):
            return text
        return f'{text}; {gap.expected:.3g} expected by chance, p = {gap.p_value:.4f}; worst: {self.worst}'


def compare_groups(
    figure: GroupFigure,
    groups: Sequence,
    labels: ArrayLike,
    stratify: bool = False,
    bootstrap: int = 1000,
    permutations: int = 2000,
    level: float = 0.95,
    min_size: int = 10,
    seed: int = 0,
    classes: Sequence[str] = (),
) -> GroupComparison:
    """Figure of each group with its interval, the worst group, and the largest gap with interval and test.

    The interval of a share is Clopper & Pearson's, that of another figure a bias-corrected and accelerated bootstrap
    within the group. The interval of the gap is a simultaneous bootstrap t interval over all pairs, as the pair was
    chosen for being far apart.

    Args:
        figure: See :func:`~mmfer.evaluation.functional.group_figure`.
        groups: (N,) names; None, '' or NaN where the group is unknown.
        labels: (N,) true classes.
        stratify: Compare within classes.
        bootstrap: Replicates of the intervals; 0 gives none.
        permutations: Of the test; 0 gives none.
        level: Of the intervals.
        min_size: Smaller groups are shown, and not compared.
        seed: Of the replicates and permutations.
        classes: Names of the classes, for the notes.

    >>> from mmfer.evaluation.functional import group_figure
    >>> scores = np.repeat([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8]], [95, 40, 15], axis=0)
    >>> labels, groups = np.zeros(150, int), ['light'] * 80 + ['dark'] * 70
    >>> found = compare_groups(group_figure('accuracy', scores, labels), groups, labels)
    >>> found.worst, round(found.gap.value, 1), found.gap.p_value < 0.01
    ('dark', 21.4, True)

    Raises:
        ValueError: If lengths differ, or a number is out of range.
    """
    check_level(level)
    if min(bootstrap, permutations) < 0 or min_size < 1:
        raise ValueError(
            f'bootstrap={bootstrap}, permutations={permutations} and min_size={min_size} must be from 0, 0, 1'
        )
    labels = np.asarray(labels, np.int64)
    if not len(groups) == len(labels) == len(figure.counted):
        raise ValueError(f'{len(groups)} groups, {len(labels)} labels and a figure of {len(figure.counted)} faces')
    texts = [group_name(group) for group in groups]
    names = sorted({text for text in texts if text}, key=_natural)
    codes = np.array([names.index(text) if text else -1 for text in texts], np.int64)
    members = [np.flatnonzero(codes == code) for code in range(len(names))]
    found = [figure.over(rows) for rows in members]
    values = np.array([value for value, _ in found])
    used = [i for i, rows in enumerate(members) if len(rows) >= min_size and np.isfinite(values[i])]
    faces = np.flatnonzero(np.isin(codes, used))
    prior = PRIOR * float(np.mean(np.square(figure.over(faces)[1]))) if used else 0.0
    rng, dealer = (np.random.default_rng((seed, stream)) for stream in range(2))
    drawn = {
        i: _estimates(figure, (rng.choice(members[i], len(members[i])) for _ in range(bootstrap)), prior) for i in used
    }
    rows = []
    for i, (name, own) in enumerate(zip(names, members)):
        replicates = drawn[i][0] if i in used and bootstrap else np.zeros(0)
        low, high = _interval(figure, own, *found[i], replicates, level)
        rows.append(Group(name, len(own), float(values[i]), low, high, i in used))
    notes = _notes(figure, texts, rows, [labels[own] for own in members], min_size, classes, bootstrap)
    if len(used) < 2:
        return GroupComparison(figure.name, figure.kind.unit, rows, '', None, [*notes, NO_GAP])
    of_used = [members[i] for i in used], [drawn[i] for i in used]
    highest, lowest, gap, low, high = _gap(figure, values[used], *of_used, prior, level)
    tested, expected, p_value = [names[i] for i in used], float('nan'), float('nan')
    strata = labels if stratify else np.zeros_like(labels)
    mixed = [
        stratum for stratum in np.unique(strata[faces]) if len(np.unique(codes[faces][strata[faces] == stratum])) > 1
    ]
    if permutations and not mixed:
        notes.append('no class is in two of the groups: no test within classes')
    elif permutations:
        expected, p_value = _permute(figure, codes, faces, strata, used, permutations, prior, dealer)
    worst = _worst(values[used], figure.kind.better)
    result = Gap(tested[highest], tested[lowest], gap, low, high, expected, p_value)
    return GroupComparison(figure.name, figure.kind.unit, rows, tested[worst], result, notes)


def gap_unit(unit: str) -> str:
    """The unit of a difference.

    >>> gap_unit('%'), gap_unit('nats')
    ('% points', 'nats')
    """
    return '% points' if unit == '%' else unit


def group_name(value: object) -> str:
    """A value of a column as text; '' where it is missing.

    >>> [group_name(value) for value in ('female', ' 20-39', None, float('nan'), 3)]
    ['female', '20-39', '', '', '3']
    """
    return '' if value is None or value != value else str(value).strip()


def _natural(name: str) -> tuple:
    """Ages by number, others by name."""
    start = re.match(r'\d+', name)
    return (0, int(start[0]), name) if start else (1, 0, name)


def _error(influence: np.ndarray, prior: float) -> float:
    """Standard error of a figure from its influence values."""
    size = len(influence)
    return float(np.sqrt((influence @ influence + prior) / (size + PRIOR) / size))


def _estimates(figure: GroupFigure, samples, prior: float) -> tuple[np.ndarray, np.ndarray]:
    """Figures and standard errors over samples of rows."""
    found = [figure.over(rows) for rows in samples]
    errors = [_error(influence, prior) for _, influence in found]
    return np.array([value for value, _ in found]), np.array(errors)


def _pairs(values: np.ndarray, errors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of all pairs of groups and their standard errors: (..., G) -> (..., G (G - 1) / 2)."""
    first, second = np.array(list(combinations(range(values.shape[-1]), 2))).T
    return values[..., first] - values[..., second], np.hypot(errors[..., first], errors[..., second])


def _ratio(differences: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """The largest difference in standard errors; undefined pairs count 0."""
    ratio = np.divide(np.abs(differences), errors, out=np.zeros_like(differences), where=errors > 0)
    return np.nan_to_num(ratio).max(-1)


def _interval(
    figure: GroupFigure, rows: np.ndarray, value: float, influence: np.ndarray, drawn: np.ndarray, level: float
) -> tuple[float, float]:
    """Of the figure of one group; NaN where nothing is known."""
    if not np.isfinite(value):
        return float('nan'), float('nan')
    if figure.kind.share:
        alike = np.ptp(influence) < 1e-9
        shares = np.full(round(figure.counted[rows].sum()), value) if alike else value + influence
        low, high = proportion_interval(shares / 100, level)
        return 100 * low, 100 * high
    # what the figure loses without a face is proportional to the influence of that face
    return bca_interval(value, drawn, -influence, level)


def _gap(
    figure: GroupFigure,
    values: np.ndarray,
    members: Sequence[np.ndarray],
    drawn: Sequence[tuple[np.ndarray, np.ndarray]],
    prior: float,
    level: float,
) -> tuple[int, int, float, float, float]:
    """Highest and lowest group, their difference, and its simultaneous interval."""
    high, low = int(values.argmax()), int(values.argmin())
    value = float(values[high] - values[low])
    errors = np.array([_error(figure.over(rows)[1], prior) for rows in members])
    if not len(drawn[0][0]):
        return high, low, value, float('nan'), float('nan')
    replicates, spreads = (np.stack(columns, axis=-1) for columns in zip(*drawn))
    difference, spread = _pairs(replicates, spreads)
    ratio = _ratio(difference - _pairs(values, errors)[0], spread)
    half = float(np.quantile(ratio, level) * np.hypot(errors[high], errors[low]))
    return high, low, value, value - half, value + half


def _permute(
    figure: GroupFigure,
    codes: np.ndarray,
    faces: np.ndarray,
    strata: np.ndarray,
    used: Sequence[int],
    permutations: int,
    prior: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Mean of the largest gap by chance, and the p-value. The first of the deals is what was observed."""
    parts = [faces[strata[faces] == stratum] for stratum in np.unique(strata[faces])]
    values, errors = (np.empty((permutations + 1, len(used))) for _ in range(2))
    dealt = codes.copy()
    for i in range(permutations + 1):
        for part in parts if i else ():
            dealt[part] = rng.permutation(codes[part])
        values[i], errors[i] = _estimates(figure, (np.flatnonzero(dealt == code) for code in used), prior)
    differences, spreads = _pairs(values, errors)
    ratio = _ratio(differences - np.nanmean(differences, axis=0), spreads)
    gaps = np.nanmax(values[1:], axis=1) - np.nanmin(values[1:], axis=1)
    return float(gaps.mean()), float(np.mean(ratio >= ratio[0] * (1 - 1e-9)))


def _worst(values: np.ndarray, better: int) -> int:
    return int((-better * values).argmax() if better else np.abs(values).argmax())


def _notes(
    figure: GroupFigure,
    texts: Sequence[str],
    groups: Sequence[Group],
    labels: Sequence[np.ndarray],
    min_size: int,
    classes: Sequence[str],
    bootstrap: int,
) -> list[str]:
    notes = []
    missing = sum(not text for text in texts)
    if missing:
        notes.append(f'{missing} of {len(texts)} faces have no group: left out')
    for group, own in zip(groups, labels):
        if not np.isfinite(group.value):
            notes.append(f'{group.name}: {figure.name} is undefined for its {_faces(group.size)}, not compared')
        elif not group.compared:
            notes.append(f'{group.name} has {_faces(group.size)}, fewer than {min_size}: not compared')
        elif np.isnan(group.low) and bootstrap:
            notes.append(f'{group.name}: no interval of {figure.name}, as its {_faces(group.size)} are all alike')
        if len(np.unique(own)) == 1 and group.size > 1:
            name = classes[own[0]] if classes else f'class {own[0]}'
            notes.append(f'{group.name} has faces of one class alone: {name}')
    return notes


def _faces(number: int) -> str:
    return f'{number} face{"s" * (number != 1)}'
