"""What the differences of a comparison are worth: intervals and tests, on the same images and with the same seeds.

Two statements are kept apart. *These trained models differ*: the images are drawn by chance, the models are as they are
(``PairedTest.images``). *The methods differ*: seeds and images are both drawn by chance (``PairedTest.methods``), which
takes at least two seeds. Each has its own Holm correction, over the pairs of the primary figure that was chosen
beforehand; other figures are exploratory. How often such statements are false was simulated: docs/error_rates.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.intervals import UNKNOWN, Difference, check_level

from .estimates import FEW, Estimate, answered, difference, estimates, mean_interval
from .figures import FIGURES, RANKED, run_figures
from .results import Run, methods_of, observer_accuracy

TESTED = ('accuracy', 'nll', 'skce', 'aurc', 'kl')
ALL = 'all'  # as the primary figure: Holm's correction over all of TESTED
ALL_PAIRS = 8  # methods up to which every pair is tested
REFERENCES = ('vich', 'linear')  # else the first method
STATEMENTS = ('images', 'methods')


class Summary(NamedTuple):
    """A figure over the seeds of a method.

    values: By seed.
    mean: Of those that are defined; NaN without any.
    std: Sample standard deviation; NaN for less than two.
    low, high: Interval of the mean with other images; NaN for figures without one.
    """

    values: dict
    mean: float
    std: float
    low: float = math.nan
    high: float = math.nan


@dataclass
class PairedTest:
    """A difference that is tested against 0.

    Args:
        first: The method.
        second: The method that is subtracted; '' for none.
        what: The figure.
        seeds: Common seeds; without any, nothing is tested.
        by_seed: Differences of the seeds.
        images: Of these trained models: with other images.
        methods: Of the methods: with other seeds and images.
        condition: Where it is the change from the baseline: under which condition.
        discordant: Of accuracies, the images that the first and that the second model gets right more often.
        images_adjusted: p-value of ``images`` after Holm's correction; ``methods_adjusted`` likewise.
        tests: How many tests that correction is over.
        least: What that correction makes of the p-value of ``images`` where all discordant images go one way.
    """

    first: str
    second: str
    what: str
    seeds: tuple = ()
    by_seed: tuple[float, ...] = ()
    images: Difference = UNKNOWN
    methods: Difference = UNKNOWN
    condition: str = ''
    discordant: tuple[int, int] | None = None
    images_adjusted: float = math.nan
    methods_adjusted: float = math.nan
    tests: int = 1
    least: float = 0.0

    def standing(self, alpha: float, better: int = 1, statement: str = 'images') -> str:
        """'better', 'worse', 'not shown', 'too few' (images differ for any outcome to be shown) or 'not tested'.

        Args:
            alpha: Of the test.
            better: 1 where higher is better, -1 where lower is.
            statement: One of ``STATEMENTS``.
        """
        adjusted = getattr(self, f'{statement}_adjusted')
        if math.isnan(adjusted):
            return 'not tested'
        if adjusted <= alpha:
            return 'better' if getattr(self, statement).value * better > 0 else 'worse'
        if statement == 'images' and self.least > alpha:
            return 'too few'
        return 'not shown'

    def turned(self) -> PairedTest:
        """The same with the methods exchanged."""

        def negative(each: Difference) -> Difference:
            return Difference(-each.value, -each.high, -each.low, each.p_value)

        return replace(
            self,
            first=self.second,
            second=self.first,
            by_seed=tuple(-value for value in self.by_seed),
            images=negative(self.images),
            methods=negative(self.methods),
            discordant=self.discordant and self.discordant[::-1],
        )


@dataclass
class Comparison:
    """All figures and tests of the methods under one condition, each of them with the seeds that all methods have.

    Args:
        level: Of the intervals; tests are at ``1 - level``.
        primary: The figure that was chosen beforehand, or 'all'.
        reference: The method that the others are tested against; None where all pairs are.
        images: Number of test images.
        seeds: The common seeds; those of each method where none is common to all.
        left_out: Method -> seeds that others lack.
        few: Too few images decide the figures other than the accuracy; '' where there are enough.
        summaries: Method -> figure -> :class:`Summary`.
        pairs: Method pairs that were tested, first and second.
        tests: Figure -> tests of the pairs.
        ambiguity: What of which method orders the images by true ambiguity: Spearman against 0.
        observer: Bayes-optimal accuracy (%); NaN where it is unknown.
    """

    level: float
    primary: str
    reference: str | None
    images: int
    seeds: dict[str, tuple]
    left_out: dict[str, tuple]
    few: str
    summaries: dict[str, dict[str, Summary]]
    pairs: list[tuple[str, str]]
    tests: dict[str, list[PairedTest]] = field(default_factory=dict)
    ambiguity: list[PairedTest] = field(default_factory=list)
    observer: float = math.nan

    @property
    def methods(self) -> list[str]:
        return list(self.summaries)

    @property
    def alpha(self) -> float:
        return round(1 - self.level, 10)

    def test(self, figure: str, first: str, second: str) -> PairedTest | None:
        """The test of a pair, in the order asked for; None where it was not tested."""
        for test in self.tests.get(figure, ()):
            if (test.first, test.second) == (first, second):
                return test
            if (test.first, test.second) == (second, first):
                return test.turned()
        return None


def common_seeds(runs: Sequence[Run]) -> tuple[list[Run], dict[str, tuple]]:
    """The runs whose seeds all methods have (all runs where there is no such seed), and method -> seeds left out."""
    methods = methods_of(runs)
    common = set.intersection(*({run.seed for run in own} for own in methods.values()))
    if not common:
        return list(runs), {}
    left_out = {method: tuple(r.seed for r in own if r.seed not in common) for method, own in methods.items()}
    return [run for run in runs if run.seed in common], {m: seeds for m, seeds in left_out.items() if seeds}


def compare(
    runs: Sequence[Run], level: float = 0.95, reference: str | None = None, primary: str = 'accuracy'
) -> Comparison:
    """Compute figures, intervals and tests.

    Args:
        runs: On the same images, see :func:`mmfer.experiments.load_table`.
        level: Of the intervals; tests are at ``1 - level``, after Holm's correction.
        reference: Method that the others are tested against. By default every pair is tested; with more than
            ``ALL_PAIRS`` methods the reference is the first of ``REFERENCES`` that is there, or else the first method.
        primary: The figure of ``TESTED`` that was chosen before looking, over whose pairs Holm's correction is; the
            others are exploratory, each corrected over its own pairs. ``'all'``: one correction over all of them.

    Raises:
        ValueError: If there are no runs, ``level`` lies outside (0, 1), or there is no such method or figure.
    """
    if not runs:
        raise ValueError('there are no runs to compare')
    check_level(level)
    runs, left_out = common_seeds(runs)
    methods = methods_of(runs)
    reference, pairs = pairs_to_test(list(methods), reference)
    figures = {(run.method, run.seed): run_figures(run) for run in runs}
    made = {(run.method, run.seed): estimates(run) for run in runs}
    tested = [name for name in TESTED if all(name in own for own in made.values())]
    if primary != ALL and primary not in tested:
        raise ValueError(f'primary={primary!r}: the runs have {", ".join(tested)}, or all of them: {ALL}')
    few = _few(methods)
    seeds = {method: tuple(run.seed for run in own) for method, own in methods.items()}
    result = Comparison(
        level=level,
        primary=primary,
        reference=reference,
        images=len(runs[0].labels),
        seeds=seeds,
        left_out=left_out,
        few=few,
        summaries={m: _summaries(m, seeds[m], figures, made, level, bool(few)) for m in methods},
        pairs=pairs,
        observer=observer_accuracy(runs[0]),
    )
    for name in tested if pairs else ():
        result.tests[name] = [pair_test(name, *pair, made, level, bool(few)) for pair in pairs]
    for group in result.tests.values() if primary != ALL else [sum(result.tests.values(), [])]:
        adjust(group)
    result.ambiguity = _ambiguity(seeds, made, level)
    return result


def pair_test(
    name: str, first: str, second: str, made: Mapping[tuple, Mapping[str, Estimate]], level: float, few: bool = False
) -> PairedTest:
    """The test of a figure of two methods, from the estimates of their runs by method and seed."""
    common = tuple(seed for method, seed in made if method == first and (second, seed) in made)
    if not common:
        return PairedTest(first, second, name)
    ends = [[made[method, seed][name] for seed in common] for method in (first, second)]
    by_seed = tuple(a.value - b.value for a, b in zip(*ends))
    test = PairedTest(first, second, name, common, by_seed, UNKNOWN._replace(value=float(np.mean(by_seed))))
    if few and name != 'accuracy':
        return test
    influence = np.mean([a.influence - b.influence for a, b in zip(*ends)], axis=0)
    test.images, test.methods = difference(by_seed, influence, level, shares=name == 'accuracy')
    if name == 'accuracy':
        test.discordant = discordant(by_seed, influence)
    return test


def discordant(by_seed: Sequence[float], influence: np.ndarray) -> tuple[int, int]:
    """Images that the first, and those that the second of two models gets right more often, over the seeds."""
    values = influence + np.mean(by_seed)
    return int((values > 1e-6).sum()), int((values < -1e-6).sum())


def default_reference(methods: Sequence[str]) -> str:
    """The first of ``REFERENCES`` that is there, or else the first method."""
    return next((name for name in REFERENCES if name in methods), methods[0])


def adjust(tests: Sequence[PairedTest]) -> None:
    """Set what Holm's correction over these tests makes of their p-values, for each statement on its own."""
    for statement in STATEMENTS:
        for test, adjusted in zip(tests, F.holm([getattr(test, statement).p_value for test in tests])):
            setattr(test, f'{statement}_adjusted', float(adjusted))
    p_values = np.array([test.images.p_value for test in tests])
    for i, test in enumerate(tests):
        test.tests = int((~np.isnan(p_values)).sum())
        if test.discordant is not None:
            possible = min(1.0, 2.0 ** (1 - sum(test.discordant)))
            test.least = float(F.holm(np.where(np.arange(len(tests)) == i, possible, p_values))[i])


def summary_of(values: Mapping, ends: tuple[float, float] = (math.nan, math.nan)) -> Summary:
    """A figure by seed, with the interval of its mean."""
    defined = np.array([value for value in values.values() if not math.isnan(value)])
    mean = float(defined.mean()) if len(defined) else math.nan
    std = float(defined.std(ddof=1)) if len(defined) > 1 else math.nan
    return Summary(dict(values), mean, std, *map(float, ends))


def _few(methods: Mapping[str, Sequence[Run]]) -> str:
    for method, runs in methods.items():
        for count, kind in zip(answered(runs), ('wrongly', 'rightly')):
            if count < FEW:
                return f'{method} answers {count} images {kind}'
    return ''


def pairs_to_test(methods: Sequence[str], reference: str | None = None) -> tuple[str | None, list[tuple[str, str]]]:
    """The reference, None where every pair is tested, and the pairs; arguments and errors as of :func:`compare`."""
    if reference is not None and reference not in methods:
        raise ValueError(f'reference={reference!r} is none of the methods: {", ".join(methods)}')
    if reference is None and len(methods) <= ALL_PAIRS:
        return None, list(combinations(methods, 2))
    reference = reference or default_reference(methods)
    return reference, [(method, reference) for method in methods if method != reference]


def _summaries(
    method: str, seeds: Sequence, figures: Mapping, made: Mapping, level: float, few: bool
) -> dict[str, Summary]:
    result = {}
    for name in FIGURES:
        if any(name in figures[method, seed] for seed in seeds):
            own = [made[method, seed][name] for seed in seeds if name in made[method, seed]]
            ends = mean_interval(own, name, level, few) if len(own) == len(seeds) else (math.nan, math.nan)
            result[name] = summary_of({seed: figures[method, seed].get(name, math.nan) for seed in seeds}, ends)
    return result


def _ambiguity(seeds: Mapping[str, tuple], made: Mapping, level: float) -> list[PairedTest]:
    """Holm's correction is over the methods, for each thing that ranks."""
    tests = []
    for what in RANKED:
        name, own = f'{what}_spearman', []
        for method, every in seeds.items():
            if all(name in made[method, seed] for seed in every):
                by_seed = tuple(made[method, seed][name].value for seed in every)
                influence = np.mean([made[method, seed][name].influence for seed in every], axis=0)
                own.append(PairedTest(method, '', what, every, by_seed, *difference(by_seed, influence, level)))
        adjust(own)
        tests += own
    return tests
