"""What label noise in the training, or covered faces in the test, do to methods: each method against itself on the same
images without it, and against the others."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.bootstrap import Difference
from mmfer.structures.run_record import MARKER, read_finished

from .label_noise import LabelNoise, noise_of
from .results import Run, align_runs, methods_of
from .statistics import REFERENCES, Comparison, Summary, compare, difference_of, needed_replicates

CLEAN = 'clean'
MEANS = dict(accuracy=100.0, uncertainty=1.0, deviation=1.0)
"""Means over the images whose changes are tested, and what their unit is multiplied with."""


@dataclass
class Change:
    """A mean of a method under a condition, less the same without it, on the same images and over common seeds.

    Args:
        method: The method.
        condition: The condition.
        what: One of ``MEANS``: points of accuracy, nats of uncertainty, or the deviation of the latent logits.
        seeds: Those that have both.
        difference: Mean over the seeds, its interval and p-value over resampled images.
        by_seed: Differences of the seeds.
        adjusted: p-value after Holm's correction over methods and conditions.
    """

    method: str
    condition: str
    what: str
    seeds: tuple
    difference: Difference
    by_seed: tuple[float, ...]
    adjusted: float = math.nan

    def standing(self, alpha: float) -> str:
        """``'rises'``, ``'falls'``, ``'unsteady'`` (not in every seed) or ``'not significant'``."""
        if math.isnan(self.adjusted) or self.adjusted > alpha:
            return 'not significant'
        if not (all(value > 0 for value in self.by_seed) or all(value < 0 for value in self.by_seed)):
            return 'unsteady'
        return 'rises' if self.difference.value > 0 else 'falls'


@dataclass
class Robustness:
    """All figures and tests.

    Args:
        kind: What the conditions are: ``'label noise'`` or ``'occlusion'``.
        level: Of the intervals; tests are at ``1 - level``.
        reference: The method that the others are tested against.
        replicates: Bootstrap replicates behind the changes.
        images: Number of test images.
        shares: Condition -> how much of it, a fraction; None where it has no measure. The first is what the others are
            compared with.
        comparisons: Condition -> figures and tests of the methods under it.
        means: Condition -> method -> one of ``MEANS`` -> :class:`Summary`.
        changes: Of each method, condition and mean.
        margins: Changes in accuracy less that of the reference, for the other methods.
    """

    kind: str
    level: float
    reference: str
    replicates: int
    images: int
    shares: dict[str, float | None]
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    means: dict[str, dict[str, dict[str, Summary]]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    margins: list[Change] = field(default_factory=list)

    @property
    def conditions(self) -> list[str]:
        return list(self.shares)

    @property
    def methods(self) -> list[str]:
        return list(dict.fromkeys(name for result in self.comparisons.values() for name in result.methods))

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 10)


def noise_conditions(runs: Sequence[Run]) -> dict[float, list[Run]]:
    """Runs by the rate of the label noise that they were trained with, ascending.

    Raises:
        ValueError: If a run had noise that no single rate describes, or it is unknown while that of others is not, or
            there are two noises of one rate.
    """
    groups: dict[LabelNoise, list[Run]] = {}
    unknown = []
    for run in runs:
        finished = read_finished(run.folder)
        if finished is None:
            unknown.append(run.name)
        try:
            groups.setdefault(noise_of((finished or {}).get('settings', {})), []).append(run)
        except ValueError as error:
            raise ValueError(f'{run.folder}: {error}') from error
    if unknown and len(groups) > 1:
        raise ValueError(f'the label noise of {", ".join(unknown)} is unknown: no {MARKER} beside the predictions')
    rates = [noise.rate for noise in groups]
    for noise in groups:
        if rates.count(noise.rate) > 1:
            seeds = ', '.join(str(other.seed) for other in groups if other.rate == noise.rate)
            raise ValueError(
                f'label noise of {100 * noise.rate:g} % with the seeds {seeds}: name the folders of one of them'
            )
    return {noise.rate: groups[noise] for noise in sorted(groups)}


def noise_name(rate: float) -> str:
    """
    >>> noise_name(0.2), noise_name(0)
    ('noise 20 %', 'clean')
    """
    return f'noise {100 * rate:g} %' if rate else CLEAN


def assess(
    kind: str,
    conditions: Mapping[str, Sequence[Run]],
    shares: Mapping[str, float | None],
    level: float = 0.95,
    reference: str | None = None,
    seed: int = 0,
) -> Robustness:
    """Compute figures, intervals and tests.

    Args:
        kind: See :class:`Robustness`, as ``shares``.
        conditions: Name -> runs under it; the first is what the others are compared with.
        shares: Name -> how much of it.
        level: Of the intervals.
        reference: Method that the others are tested against; by default ``vich``, else ``linear``, else the first.
        seed: Of the bootstrap.

    Raises:
        ValueError: If there are fewer than two conditions, they have other images or labels, a condition has the same
            run twice, or the reference has no runs under one of them.
    """
    if len(conditions) < 2:
        raise ValueError(
            f'only one condition, {", ".join(conditions)}: name folders of trainings with other label noise, or an '
            'occlusion to test'
        )
    first = next(iter(conditions.values()))[0]
    aligned = {}
    for name, runs in conditions.items():
        try:
            aligned[name] = align_runs(runs, first)
        except ValueError as error:
            raise ValueError(f'{name}: {error}') from error
    by_method = {name: methods_of(runs) for name, runs in aligned.items()}
    methods = list(dict.fromkeys(method for own in by_method.values() for method in own))
    reference = reference or next((name for name in REFERENCES if name in methods), methods[0])
    lacking = [name for name, own in by_method.items() if reference not in own]
    if lacking:
        known = ', '.join(method for method in methods if all(method in own for own in by_method.values()))
        raise ValueError(
            f'reference={reference!r} has no runs under {", ".join(lacking)}; methods with runs everywhere: '
            f'{known or "none"}'
        )
    vectors = {
        (name, run.method, run.seed): {what: values for what in MEANS if (values := _values(run, what)) is not None}
        for name, runs in aligned.items()
        for run in runs
    }
    replicates = needed_replicates(len(methods) * (len(conditions) - 1), level)
    result = Robustness(
        kind, level, reference, replicates, len(first.labels), {name: shares[name] for name in conditions}
    )
    result.comparisons = {name: compare(runs, level, reference, seed) for name, runs in aligned.items()}
    _Changes(result, by_method, vectors, seed)
    return result


def _values(run: Run, what: str) -> np.ndarray | None:
    """(N,) of which a figure is the mean."""
    if what == 'accuracy':
        return MEANS[what] * F.top_label(run.scores, run.labels)[1]
    return getattr(run, what)


class _Changes:
    """Fills ``means``, ``changes`` and ``margins``: all are means over the images, drawn alike for all of them."""

    def __init__(self, result: Robustness, by_method: Mapping, vectors: Mapping[tuple, Mapping], seed: int) -> None:
        self.result, self.vectors, self.by_method = result, vectors, by_method
        self.columns: list[np.ndarray] = []
        self.waiting: list[Any] = []  # gets its replicates once all are drawn
        for name in result.conditions:
            for method, runs in by_method[name].items():
                for what in MEANS:
                    self._mean(name, method, what, [run.seed for run in runs])
        for name in result.conditions[1:]:
            for method in by_method[name]:
                for what in MEANS:
                    self._change(name, method, what)
        size = result.images
        stacked = np.stack(self.columns, axis=1)
        drawn = np.concatenate([chunk @ stacked / size for chunk in F.resamples(size, result.replicates, seed)])
        for put, replicates in zip(self.waiting, drawn.T):
            put(replicates)
        for group in (*([c for c in result.changes if c.what == what] for what in MEANS), result.margins):
            for change, adjusted in zip(group, F.holm([change.difference.p_value for change in group])):
                change.adjusted = float(adjusted)

    def _vectors(self, name: str, method: str, what: str, seeds: Sequence) -> list[np.ndarray] | None:
        found = [self.vectors[name, method, seed].get(what) for seed in seeds]
        return None if not found or any(values is None for values in found) else found

    def _later(self, columns: Sequence[np.ndarray], put: Any) -> None:
        self.columns.append(np.mean(columns, axis=0))
        self.waiting.append(put)

    def _mean(self, name: str, method: str, what: str, seeds: Sequence) -> None:
        vectors = self._vectors(name, method, what, seeds)
        if vectors is None:
            return
        values = [float(vector.mean()) for vector in vectors]
        std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
        own = self.result.means.setdefault(name, {}).setdefault(method, {})

        def put(replicates: np.ndarray) -> None:
            ends = F.percentile_interval(replicates, self.result.level)
            own[what] = Summary(dict(zip(seeds, values)), float(np.mean(values)), std, *ends)

        self._later(vectors, put)

    def _differences(self, name: str, method: str, what: str, seeds: Sequence) -> list[np.ndarray] | None:
        own = self._vectors(name, method, what, seeds)
        base = self._vectors(self.result.conditions[0], method, what, seeds)
        return None if own is None or base is None else [a - b for a, b in zip(own, base)]

    def _common(self, name: str, *methods: str) -> tuple:
        places = [self.by_method[place].get(method, ()) for method in methods for place in (name, self.first)]
        return tuple(run.seed for run in places[0] if all(run.seed in [r.seed for r in own] for own in places))

    @property
    def first(self) -> str:
        return self.result.conditions[0]

    def _change(self, name: str, method: str, what: str) -> None:
        seeds = self._common(name, method)
        own = self._differences(name, method, what, seeds)
        if own is None:
            return
        self._test(self.result.changes, Change(method, name, what, seeds, *_mean_of(own)), own)
        if what != 'accuracy' or method == self.result.reference:
            return
        seeds = self._common(name, method, self.result.reference)
        pair = [self._differences(name, each, what, seeds) for each in (method, self.result.reference)]
        if all(each is not None for each in pair):
            margin = [a - b for a, b in zip(*pair)]
            self._test(self.result.margins, Change(method, name, what, seeds, *_mean_of(margin)), margin)

    def _test(self, group: list[Change], change: Change, vectors: Sequence[np.ndarray]) -> None:
        group.append(change)

        def put(replicates: np.ndarray) -> None:
            change.difference = difference_of(change.difference.value, replicates, self.result.level)

        self._later(vectors, put)


def _mean_of(vectors: Sequence[np.ndarray]) -> tuple[Difference, tuple[float, ...]]:
    by_seed = tuple(float(vector.mean()) for vector in vectors)
    return Difference(float(np.mean(by_seed)), *[math.nan] * 3), by_seed
