"""What the differences between methods are worth: intervals and paired tests on the same images.

Two things are random, and each has its own tests. The *images*: the bootstrap draws them again, with the trained models
as they are, and averages every figure over the seeds of a method; McNemar's test compares the answers of one seed. The
*training*: the sample standard deviation over the seeds shows it, and sign and Wilcoxon test the differences of the
seeds, where there are enough of them for any outcome to be significant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from mmfer.evaluation import functional as F
from mmfer.evaluation.functional.bootstrap import Difference
from mmfer.evaluation.functional.significance import SignTest, WilcoxonTest

from .figures import FIGURES, RANKED, run_figures
from .replicates import figure_replicates
from .results import Run, methods_of, observer_accuracy

TESTED = ('accuracy', 'nll', 'ece', 'aurc', 'kl')
ALL_PAIRS = 8  # methods up to which every pair is tested
REFERENCES = ('vich', 'linear')  # else the first method
FIXED_PAIR = ('vich_kl', 'vich')  # tested whenever both are there
LEAST_REPLICATES = 1000


class Summary(NamedTuple):
    """A figure over the seeds of a method.

    values: By seed.
    mean: Of those that are defined; NaN without any.
    std: Sample standard deviation; NaN for less than two.
    low, high: Interval of the mean over resampled images; NaN for figures without one.
    """

    values: dict
    mean: float
    std: float
    low: float = math.nan
    high: float = math.nan


@dataclass
class PairedTest:
    """A difference that is tested against 0, over resampled images.

    Args:
        first: The method.
        second: The method that is subtracted; '' for none.
        what: The figure.
        condition: Where it is the change from the baseline: under which condition.
        seeds: Common seeds; without any, nothing is tested.
        difference: Mean over the seeds, its interval and p-value.
        by_seed: Differences of the seeds.
        adjusted: p-value after Holm's correction over the tests of its family.
        sign: Over the seeds, None where they are too few; so is ``wilcoxon``.
        wilcoxon_adjusted: Its p-value after Holm's correction.
    """

    first: str
    second: str
    what: str
    seeds: tuple
    by_seed: tuple[float, ...]
    difference: Difference
    condition: str = ''
    adjusted: float = math.nan
    sign: SignTest | None = None
    wilcoxon: WilcoxonTest | None = None
    wilcoxon_adjusted: float = math.nan

    @property
    def steady(self) -> bool:
        """Whether the difference has the same sign in every seed."""
        return all(value > 0 for value in self.by_seed) or all(value < 0 for value in self.by_seed)

    def standing(self, alpha: float, better: int = 1) -> str:
        """'better', 'worse', 'unsteady' (not in every seed), 'not significant' or 'not tested'.

        Args:
            alpha: Of the test.
            better: 1 where higher is better, -1 where lower is.
        """
        if math.isnan(self.adjusted):
            return 'not tested'
        if self.adjusted > alpha:
            return 'not significant'
        if not self.steady:
            return 'unsteady'
        return 'better' if self.difference.value * better > 0 else 'worse'

    def turned(self) -> PairedTest:
        """The same with the methods exchanged."""
        value, low, high, p_value = self.difference
        sign = self.sign and SignTest(self.sign.second, self.sign.first, self.sign.p_value)
        by_seed, difference = tuple(-value for value in self.by_seed), Difference(-value, -high, -low, p_value)
        tests = (self.adjusted, sign, self.wilcoxon, self.wilcoxon_adjusted)
        return PairedTest(self.second, self.first, self.what, self.seeds, by_seed, difference, self.condition, *tests)


@dataclass
class McNemarTest:
    """Right answers of two methods with one seed: those of only the first and of only the second, and the p-value."""

    first: str
    second: str
    seed: Any
    result: SignTest
    adjusted: float = math.nan


@dataclass
class Comparison:
    """All figures and tests of the methods under one condition.

    Args:
        level: Of the intervals; tests are at ``1 - level``.
        reference: The method that the others are tested against; None where all pairs are.
        replicates: Bootstrap replicates behind each interval.
        images: Number of test images.
        seeds: Method -> its seeds.
        summaries: Method -> figure -> :class:`Summary`.
        pairs: Method pairs that were tested, first and second.
        tests: Figure -> tests of the pairs.
        mcnemar: For each pair and common seed.
        ambiguity: What of which method orders the images by true ambiguity: Spearman against 0.
        kl_effect: Spearman of the deviation, ``vich_kl`` minus ``vich``, where both have one.
        seeds_needed: Seeds from which on a test over seeds can reach significance for these pairs.
        observer: Bayes-optimal accuracy (%); NaN where it is unknown.
    """

    level: float
    reference: str | None
    replicates: int
    images: int
    seeds: dict[str, tuple]
    summaries: dict[str, dict[str, Summary]]
    pairs: list[tuple[str, str]]
    tests: dict[str, list[PairedTest]] = field(default_factory=dict)
    mcnemar: list[McNemarTest] = field(default_factory=list)
    ambiguity: list[PairedTest] = field(default_factory=list)
    kl_effect: PairedTest | None = None
    seeds_needed: int = 0
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


def compare(runs: Sequence[Run], level: float = 0.95, reference: str | None = None, seed: int = 0) -> Comparison:
    """Compute figures, intervals and tests.

    Args:
        runs: On the same images, see :func:`mmfer.experiments.load_table`.
        level: Of the intervals; tests are at ``1 - level``, after Holm's correction.
        reference: Method that the others are tested against. By default every pair is tested; with more than
            ``ALL_PAIRS`` methods the reference is the first of ``REFERENCES`` that is there, or else the first method.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: If there are no runs, ``level`` lies outside (0, 1), or there is no such method.
    """
    if not runs:
        raise ValueError('there are no runs to compare')
    if not 0 < level < 1:
        raise ValueError(f'level={level}: must be between 0 and 1')
    methods = methods_of(runs)
    if reference is not None and reference not in methods:
        raise ValueError(f'reference={reference!r} is none of the methods: {", ".join(methods)}')
    reference, pairs = _pairs(list(methods), reference)
    replicates = needed_replicates(max(len(pairs), len(methods)), level)
    figures = {(run.method, run.seed): run_figures(run) for run in runs}
    drawn = {(run.method, run.seed): values for run, values in zip(runs, figure_replicates(runs, replicates, seed))}
    seeds = {method: tuple(run.seed for run in own) for method, own in methods.items()}
    result = Comparison(
        level=level,
        reference=reference,
        replicates=replicates,
        images=len(runs[0].labels),
        seeds=seeds,
        summaries={m: _summaries({s: figures[m, s] for s in seeds[m]}, m, drawn, level) for m in methods},
        pairs=pairs,
        seeds_needed=needed_seeds(len(pairs), level),
        observer=observer_accuracy(runs[0]),
    )

    def pair_test(name: str, first: str, second: str) -> PairedTest:
        common = tuple(seed for seed in seeds[first] if seed in seeds[second])
        if not common:
            return PairedTest(first, second, name, (), (), Difference(*[math.nan] * 4))
        values = tuple(figures[first, s][name] - figures[second, s][name] for s in common)
        own = np.mean([drawn[first, s][name] - drawn[second, s][name] for s in common], axis=0)
        return PairedTest(first, second, name, common, values, difference_of(float(np.mean(values)), own, level))

    for name in TESTED:
        if pairs and all(name in values for values in figures.values()):
            result.tests[name] = [pair_test(name, *pair) for pair in pairs]
            _over_seeds(result.tests[name], result.seeds_needed)
            adjust(result.tests[name])
    result.mcnemar = _mcnemar({(run.method, run.seed): run for run in runs}, pairs, seeds)
    result.ambiguity = _ambiguity(seeds, figures, drawn, level)
    ranked = {(test.first, test.what) for test in result.ambiguity}
    if {(method, 'deviation') for method in FIXED_PAIR} <= ranked:
        result.kl_effect = pair_test('deviation_spearman', *FIXED_PAIR)
        adjust([result.kl_effect])
    return result


def default_reference(methods: Sequence[str]) -> str:
    """The first of ``REFERENCES`` that is there, or else the first method."""
    return next((name for name in REFERENCES if name in methods), methods[0])


def needed_replicates(tests: int, level: float) -> int:
    """Replicates with which the smallest p-value is at most half of what Holm's correction asks for."""
    return max(LEAST_REPLICATES, math.ceil(4 * max(1, tests) / (1 - level)))


def needed_seeds(pairs: int, level: float) -> int:
    """Seeds n from which on a sign or Wilcoxon test, p at least ``2 ** (1 - n)``, can survive Holm's correction.

    >>> needed_seeds(1, 0.95), needed_seeds(28, 0.95)
    (6, 11)
    """
    return math.ceil(1 + math.log2(max(1, pairs) / (1 - level)) - 1e-9)


def difference_of(value: float, replicates: np.ndarray, level: float) -> Difference:
    """Interval and p-value of a difference from its replicates (R,), those of ``functional.paired_bootstrap``."""
    replicates = replicates[~np.isnan(replicates)]
    replicates = np.where(np.abs(replicates) < 1e-12, 0.0, replicates)  # equal predictions differ by rounding
    if math.isnan(value) or not len(replicates):
        return Difference(value, *[math.nan] * 3)
    side = min((replicates <= 0).sum(), (replicates >= 0).sum())
    p_value = min(1.0, 2 * (1 + float(side)) / (1 + len(replicates)))
    return Difference(value, *F.percentile_interval(replicates, level), p_value)


def summary_of(values: Mapping[Any, float], replicates: np.ndarray | None, level: float) -> Summary:
    """A figure by seed, with the interval of its mean's replicates (R,)."""
    defined = np.array([value for value in values.values() if not math.isnan(value)])
    mean = float(defined.mean()) if len(defined) else math.nan
    std = float(defined.std(ddof=1)) if len(defined) > 1 else math.nan
    ends = () if replicates is None or not len(defined) else F.percentile_interval(replicates, level)
    return Summary(dict(values), mean, std, *ends)


def adjust(tests: Sequence, p_values: Iterable[float] | None = None, name: str = 'adjusted') -> None:
    """Set what Holm's correction over these tests makes of their p-values."""
    p_values = [test.difference.p_value for test in tests] if p_values is None else list(p_values)
    for test, adjusted in zip(tests, F.holm(p_values)):
        setattr(test, name, float(adjusted))


def _pairs(methods: list[str], reference: str | None) -> tuple[str | None, list[tuple[str, str]]]:
    if reference is None and len(methods) <= ALL_PAIRS:
        return None, list(combinations(methods, 2))
    reference = reference or default_reference(methods)
    pairs = [(method, reference) for method in methods if method != reference]
    if set(FIXED_PAIR) <= set(methods) and reference not in FIXED_PAIR:
        pairs.append(FIXED_PAIR)
    return reference, pairs


def _summaries(figures: Mapping, method: str, drawn: Mapping, level: float) -> dict[str, Summary]:
    result = {}
    for name in FIGURES:
        if any(name in own for own in figures.values()):
            values = {seed: own.get(name, math.nan) for seed, own in figures.items()}
            own = [drawn[method, seed].get(name) for seed in values]
            known = all(replicates is not None for replicates in own)
            result[name] = summary_of(values, np.mean(own, axis=0) if known else None, level)
    return result


def _over_seeds(tests: Sequence[PairedTest], needed: int) -> None:
    for test in tests:
        if len(test.seeds) >= needed:
            test.sign, test.wilcoxon = F.sign_test(test.by_seed), F.wilcoxon(test.by_seed)
    p_values = (math.nan if test.wilcoxon is None else test.wilcoxon.p_value for test in tests)
    adjust(tests, p_values, 'wilcoxon_adjusted')


def _mcnemar(runs: Mapping, pairs: Sequence, seeds: Mapping) -> list[McNemarTest]:
    correct = {key: F.top_label(run.scores, run.labels)[1] for key, run in runs.items()}
    tests = [
        McNemarTest(first, second, seed, F.mcnemar(correct[first, seed], correct[second, seed]))
        for first, second in pairs
        for seed in seeds[first]
        if seed in seeds[second]
    ]
    adjust(tests, (test.result.p_value for test in tests))
    return tests


def _ambiguity(seeds: Mapping, figures: Mapping, drawn: Mapping, level: float) -> list[PairedTest]:
    """Holm's correction is over the methods, for each thing that ranks."""
    tests = []
    for what in RANKED:
        name, own = f'{what}_spearman', []
        for method, every in seeds.items():
            if all(name in figures[method, seed] for seed in every):
                by_seed = tuple(figures[method, seed][name] for seed in every)
                replicates = np.mean([drawn[method, seed][name] for seed in every], axis=0)
                difference = difference_of(float(np.mean(by_seed)), replicates, level)
                own.append(PairedTest(method, '', what, every, by_seed, difference))
        adjust(own)
        tests += own
    return tests
