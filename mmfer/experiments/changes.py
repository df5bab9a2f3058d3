"""What a condition, such as label noise or occlusion, does to methods: each against itself without it, on the same
images, and against the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.bootstrap import Difference

from .conditions import Condition
from .results import Run, methods_of
from .statistics import Comparison, PairedTest, Summary, adjust, compare, difference_of, needed_replicates, summary_of

MEANS = dict(accuracy=100.0, uncertainty=1.0, deviation=1.0)
"""Means over the images whose changes are tested, and what their unit is multiplied with."""


@dataclass
class Changes:
    """Figures and tests of the conditions of one kind.

    Args:
        kind: Of the conditions, see :class:`Condition`.
        reference: The method that the others are tested against.
        replicates: Bootstrap replicates behind the changes.
        level: Of the intervals; tests are at ``1 - level``.
        shares: Condition -> how much of it, a fraction; None where it has no measure. The first is the baseline.
        comparisons: Condition -> figures and tests of the methods under it.
        means: Condition -> method -> one of ``MEANS`` -> :class:`Summary`.
        changes: Of each method, condition and mean, from the baseline; Holm's correction is over those of a mean.
        margins: Changes in accuracy less that of the reference, for the other methods.
    """

    kind: str
    reference: str
    replicates: int
    level: float
    shares: dict[str, float | None]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    means: dict[str, dict[str, dict[str, Summary]]] = field(default_factory=dict)
    changes: list[PairedTest] = field(default_factory=list)
    margins: list[PairedTest] = field(default_factory=list)

    @property
    def conditions(self) -> list[str]:
        return list(self.shares)

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(name for result in self.comparisons.values() for name in result.methods))

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 10)

    def summary(self, name: str, method: str, condition: str) -> Summary | None:
        """A figure, or one of ``MEANS`` that is none, of a method under a condition."""
        if name in self.means.get(condition, {}).get(method, {}) and name != 'accuracy':
            return self.means[condition][method][name]
        return self.comparisons[condition].summaries.get(method, {}).get(name)


def assess(table: Mapping[Condition, Sequence[Run]], kind: str, baseline: Comparison, seed: int = 0) -> Changes:
    """Compute figures, intervals and tests of the conditions of a kind.

    Args:
        table: Of :func:`mmfer.experiments.load_table`; its first condition is the baseline.
        kind: Which of its conditions.
        baseline: Figures and tests under the first condition, with a reference.
        seed: Of the bootstrap.

    Raises:
        ValueError: If the reference has no runs under one of them.
    """
    first, *others = table
    own = [first, *(condition for condition in others if condition.kind == kind)]
    reference, level = baseline.reference, baseline.level
    lacking = [each.name for each in own if reference not in {run.method for run in table[each]}]
    if reference is None or lacking:
        raise ValueError(f'reference={reference!r} has no runs under {", ".join(lacking)}: choose another method')
    shares = {condition.name: condition.share for condition in own}
    shares[first.name] = first.share if kind == first.kind else 0.0
    methods = {run.method for each in own for run in table[each]}
    replicates = needed_replicates(len(methods) * (len(own) - 1), level)
    result = Changes(kind, reference, replicates, level, shares, {first.name: baseline})
    for condition in own[1:]:
        result.comparisons[condition.name] = compare(table[condition], level, reference, seed)
    _fill(result, {each.name: methods_of(table[each]) for each in own}, baseline.images, seed)
    return result


def _fill(result: Changes, runs: Mapping[str, Mapping[str, Sequence[Run]]], size: int, seed: int) -> None:
    """Means, changes and margins: all are means over the images, which are drawn alike for all of them."""
    vectors = {
        (name, method, what): {run.seed: _values(run, what) for run in own}
        for name, by_method in runs.items()
        for method, own in by_method.items()
        for what in MEANS
    }
    vectors = {key: own for key, own in vectors.items() if all(values is not None for values in own.values())}
    base, *others = runs
    columns: list[np.ndarray] = []  # of what is drawn, in the order in which it is taken
    for own in vectors.values():
        columns.append(np.mean(list(own.values()), axis=0))
    differences: list[tuple[PairedTest, dict]] = []
    for name in others:
        for method in runs[name]:
            for what in MEANS:
                ends = [(name, method, what), (base, method, what)]
                _add(differences, result.changes, vectors, ends, (method, '', what), name)
                if what == 'accuracy' and method != result.reference:
                    ends += [(name, result.reference, what), (base, result.reference, what)]
                    _add(differences, result.margins, vectors, ends, (method, result.reference, what), name)
    columns += [np.mean(list(own.values()), axis=0) for _, own in differences]
    stacked = np.stack(columns, axis=1)
    drawn = iter(np.concatenate([part @ stacked / size for part in F.resamples(size, result.replicates, seed)]).T)
    for (name, method, what), own in vectors.items():
        values = {each: float(vector.mean()) for each, vector in own.items()}
        summary = summary_of(values, next(drawn), result.level)
        result.means.setdefault(name, {}).setdefault(method, {})[what] = summary
    for test, _ in differences:
        test.difference = difference_of(float(np.mean(test.by_seed)), next(drawn), result.level)
    for group in (*([test for test in result.changes if test.what == what] for what in MEANS), result.margins):
        adjust(group)


def _add(tests: list, group: list[PairedTest], vectors: Mapping, ends: list, names: tuple, condition: str) -> None:
    """Note the difference of the first two of ``ends``, less that of the other two, for the seeds that all have."""
    if not all(end in vectors for end in ends):
        return
    seeds = tuple(each for each in vectors[ends[0]] if all(each in vectors[end] for end in ends))
    own = {each: vectors[ends[0]][each] - vectors[ends[1]][each] for each in seeds}
    if len(ends) > 2:
        own = {each: own[each] - (vectors[ends[2]][each] - vectors[ends[3]][each]) for each in seeds}
    if own:
        by_seed = tuple(float(values.mean()) for values in own.values())
        group.append(PairedTest(*names, seeds, by_seed, Difference(*[np.nan] * 4), condition))
        tests.append((group[-1], own))


def _values(run: Run, what: str) -> np.ndarray | None:
    """(N,) of which a figure is the mean."""
    if what == 'accuracy':
        return MEANS[what] * F.top_label(run.scores, run.labels)[1]
    return getattr(run, what)
