"""What a condition, such as label noise or occlusion, does to methods: each against itself without it, on the same
images, and against the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmfer.evaluation import functional as F

from .conditions import Condition
from .estimates import Estimate, difference, mean_interval
from .results import Run, methods_of
from .statistics import Comparison, PairedTest, Summary, adjust, common_seeds, compare, discordant, summary_of

MEANS = dict(accuracy=100.0, uncertainty=1.0, deviation=1.0)
"""Means over the images whose changes are tested, and what their unit is multiplied with."""


@dataclass
class Changes:
    """Figures and tests of the conditions of one kind.

    Args:
        kind: Of the conditions, see :class:`Condition`.
        reference: The method that the others are tested against.
        level: Of the intervals; tests are at ``1 - level``.
        shares: Condition -> how much of it, a fraction; None where it has no measure. The first is the baseline.
        comparisons: Condition -> figures and tests of the methods under it.
        means: Condition -> method -> one of ``MEANS`` -> :class:`Summary`.
        changes: Of each method, condition and mean, from the baseline, all exploratory; Holm's correction is over those
            of a mean.
        margins: Changes in accuracy less that of the reference, for the other methods.
    """

    kind: str
    reference: str
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


def assess(table: Mapping[Condition, Sequence[Run]], kind: str, baseline: Comparison) -> Changes:
    """Compute figures, intervals and tests of the conditions of a kind.

    Args:
        table: Of :func:`mmfer.experiments.load_table`; its first condition is the baseline.
        kind: Which of its conditions.
        baseline: Figures and tests under the first condition, with a reference.

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
    result = Changes(kind, reference, level, shares, {first.name: baseline})
    for condition in own[1:]:
        result.comparisons[condition.name] = compare(table[condition], level, reference, baseline.primary)
    _fill(result, {each.name: methods_of(common_seeds(table[each])[0]) for each in own})
    return result


def _fill(result: Changes, runs: Mapping[str, Mapping[str, Sequence[Run]]]) -> None:
    """Means, changes and margins."""
    found = {
        (name, method, what): {run.seed: _estimate(run, what) for run in own}
        for name, by_method in runs.items()
        for method, own in by_method.items()
        for what in MEANS
    }
    found = {key: own for key, own in found.items() if all(each is not None for each in own.values())}
    for (name, method, what), own in found.items():
        ends = mean_interval(list(own.values()), what, result.level, False)
        summary = summary_of({seed: each.value for seed, each in own.items()}, ends)
        result.means.setdefault(name, {}).setdefault(method, {})[what] = summary
    base, *others = runs
    for name in others:
        for method in runs[name]:
            for what in MEANS:
                ends = [(name, method, what), (base, method, what)]
                result.changes += _tests(found, ends, (method, '', what), name, result.level)
                if what == 'accuracy' and method != result.reference:
                    ends += [(name, result.reference, what), (base, result.reference, what)]
                    result.margins += _tests(found, ends, (method, result.reference, what), name, result.level)
    for group in (*([test for test in result.changes if test.what == what] for what in MEANS), result.margins):
        adjust(group)


def _tests(found: Mapping, ends: list, names: tuple, condition: str, level: float) -> list[PairedTest]:
    """The difference of the first two of ``ends``, less that of the other two, for the seeds that all have."""
    if not all(end in found for end in ends):
        return []
    seeds = tuple(seed for seed in found[ends[0]] if all(seed in found[end] for end in ends))
    if not seeds:
        return []
    signs = (1, -1, -1, 1)[: len(ends)]
    by_seed = tuple(sum(sign * found[end][seed].value for sign, end in zip(signs, ends)) for seed in seeds)
    influence = sum(
        sign * np.mean([found[end][seed].influence for seed in seeds], axis=0) for sign, end in zip(signs, ends)
    )
    shares = names[2] == 'accuracy'
    test = PairedTest(*names, seeds, by_seed, *difference(by_seed, influence, level, shares), condition)
    test.discordant = discordant(by_seed, influence) if shares else None
    return [test]


def _estimate(run: Run, what: str) -> Estimate | None:
    if what == 'accuracy':
        return Estimate(*F.mean_influence(MEANS[what] * F.top_label(run.scores, run.labels)[1]))
    values = getattr(run, what)
    return None if values is None else Estimate(*F.mean_influence(values))
