"""Groups of faces: which group each method serves worst, and whether the largest gap is more than chance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.groups import GroupComparison, gap_unit

from .results import Run, methods_of


@dataclass
class GroupTest:
    """A method's figure by group, the mean over its seeds.

    Args:
        method: Name of the method.
        by: The column of the predictions.
        found: The groups, the largest gap, and its test.
        p_value: Of that test, after Holm's correction over the methods.
        p_within: The same within classes: whether the gap is more than other expressions in the groups explain.
        notes: What was left out, and why.
    """

    method: str
    by: str
    found: GroupComparison
    p_value: float = math.nan
    p_within: float = math.nan
    notes: tuple[str, ...] = ()


def compare_by(
    runs: Sequence[Run], by: Sequence[str], level: float, names: Sequence[str] = ('accuracy', 'selective_risk')
) -> list[GroupTest]:
    """Figures of each method by each column.

    Args:
        runs: On the same images.
        by: The columns.
        level: Of the intervals.
        names: Of ``mmfer.evaluation.functional.group_figures.FIGURES``. Answers are selected at the threshold of each
            run at which it answers 90 % of all faces, the same for all groups.

    Raises:
        ValueError: If no predictions have a column.
    """
    tests = []
    for column in by:
        groups = _column(runs, column)
        for name in names:
            own = [_test(method, column, groups, each, name, level) for method, each in methods_of(runs).items()]
            for field in ('p_value', 'p_within'):
                for test, adjusted in zip(own, F.holm([getattr(test, field) for test in own])):
                    setattr(test, field, float(adjusted))
            tests += own
    return tests


def _column(runs: Sequence[Run], column: str) -> list:
    """A column belongs to the images: the first run that has it tells it."""
    found = next((run.columns[column] for run in runs if column in run.columns), None)
    if found is None:
        there = ', '.join(dict.fromkeys(name for run in runs for name in run.columns)) or 'none'
        raise ValueError(
            f'no predictions have the column {column}; there are: {there}. Add it to meta_keys of PackInputs in the '
            'test pipeline, and test again'
        )
    return found


def _test(method: str, by: str, groups: Sequence, runs: Sequence[Run], name: str, level: float) -> GroupTest:
    figures = [
        F.group_figure(
            name, run.scores / run.scores.sum(1, keepdims=True), run.labels, run.uncertainty, run.gt_distribution
        )
        for run in runs
    ]
    first, figure = runs[0], F.mean_over(figures)
    found = F.compare_groups(figure, groups, first.labels, level=level, classes=first.classes)
    within = F.compare_groups(figure, groups, first.labels, stratify=True, bootstrap=0, classes=first.classes)
    p_values = [math.nan if each.gap is None else each.gap.p_value for each in (found, within)]
    return GroupTest(method, by, found, *p_values, tuple(dict.fromkeys([*found.notes, *within.notes])))


def check_columns(settings: Mapping[str, Any], by: Iterable[str], method: str) -> None:
    """Refuse a config whose test does not carry a column, before it is trained.

    Raises:
        ValueError: It names what to add.
    """
    keys = [
        value for name, value in settings.items() if name.startswith('test_dataloader.') and name.endswith('.meta_keys')
    ]
    for column in by:
        if not any(column in (value or ()) for value in keys):
            raise ValueError(
                f'--by {column}: the tests of {method} would not tell it. Add meta_keys=[{column!r}] to PackInputs in '
                'the test pipeline, with a data set that has this column'
            )


def group_table(tests: Sequence[GroupTest]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for one column and figure: each group, the worst, the gap, and p-values."""
    first = tests[0].found
    header = ['method', *(f'{group.name} ({group.size:,})' for group in first.groups), 'worst']
    header += ['gap', 'by chance', 'p (Holm)', 'p within classes']
    digits, rows = _digits(tests[0]), []
    for test in tests:
        gap = test.found.gap
        row = [test.method, *(_cell(digits, group.value, group.low, group.high) for group in test.found.groups)]
        row += ['-'] * 3 if gap is None else [test.found.worst, _cell(digits, *gap[2:5]), _cell(digits, gap.expected)]
        rows.append([*row, _p(test.p_value), _p(test.p_within)])
    return header, rows


def by_table(tests: Sequence[GroupTest]) -> dict[tuple[str, str], list[GroupTest]]:
    """The tests by column and figure, in their order."""
    tables: dict[tuple[str, str], list[GroupTest]] = {}
    for test in tests:
        tables.setdefault((test.by, test.found.figure), []).append(test)
    return tables


def group_verdict(tests: Sequence[GroupTest], alpha: float) -> list[str]:
    """A sentence for each column and figure."""
    return [
        f'{name.replace("_", " ").capitalize()} by {by}: {"; ".join(_said(test, alpha) for test in own)}.'
        for (by, name), own in by_table(tests).items()
    ]


def _said(test: GroupTest, alpha: float) -> str:
    gap = test.found.gap
    if gap is None:
        return f'{test.method}: {test.found.describe()}'
    text = f'{test.method} is worst for {test.by} {test.found.worst}, gap '
    text += f'{_cell(_digits(test), *gap[2:5])} {gap_unit(test.found.unit)}'
    if math.isnan(test.p_value) or test.p_value > alpha:
        return f'{text}, not shown to be more than chance'
    if math.isnan(test.p_within):
        return f'{text}, more than chance'
    within = 'not shown within classes' if test.p_within > alpha else 'also within classes'
    return f'{text}, more than chance, {within}'


def _digits(test: GroupTest) -> int:
    return 2 if test.found.unit.startswith('%') else 4


def _cell(digits: int, value: float, low: float = math.nan, high: float = math.nan) -> str:
    if math.isnan(value):
        return '-'
    return f'{value:.{digits}f}' + ('' if np.isnan(low) else f' [{low:.{digits}f}, {high:.{digits}f}]')


def _p(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.4f}'
