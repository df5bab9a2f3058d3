"""How much a comparison can show, before it is trained: power by the number of seeds and images.

Of two methods with accuracy a, whose right answers have the correlation r, the difference of an image has the variance
``2 a (1 - a) (1 - r)``; ``shared`` is the part of it that all seeds of a method have. A difference of d takes at least
``d - d^2``, where the better one alone is right on a share d of the images. The tests are those of
``functional.crossed`` and, for trained models, a normal approximation to ``functional.sign_flip``. Cohen, Statistical
power analysis for the behavioral sciences, 1988.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from mmengine.registry import DefaultScope
from scipy import special

from mmfer.evaluation import functional as F
from mmfer.registry import DATASETS
from mmfer.utils.tables import render_table

from .results import Run, methods_of
from .statistics import PairedTest, common_seeds

POWER = 0.8
POINTS = (0.5, 1, 2, 3, 5)
SEEDS = (1, 2, 3, 5, 10)
MOST = 1000  # seeds that are tried


@dataclass(frozen=True)
class Plan:
    """What is assumed of a comparison.

    Args:
        images: N.
        accuracy: Of both, a fraction.
        seed_std: Standard deviation of the accuracy over the seeds beyond that of the images, points.
        correlation: Of the right answers of two methods with one seed.
        shared: Part of the variance of an image's difference that all seeds have, a fraction.
        tests: Pairs over which is corrected.
        level: Of the tests, ``1 - alpha``.
    """

    images: int
    accuracy: float = 0.85
    seed_std: float = 1.0
    correlation: float = 0.5
    shared: float = 0.5
    tests: int = 1
    level: float = 0.95

    def variance(self, points: float) -> float:
        """Of an image's difference with one seed where one method is better by ``points``, points squared."""
        return max(1e4 * 2 * self.accuracy * (1 - self.accuracy) * (1 - self.correlation), (100 - points) * points)

    def models(self, points: float, seeds: int) -> float:
        """Chance that trained models of which one is better by ``points`` are told apart."""
        variance = self.variance(points) * (self.shared + (1 - self.shared) / seeds) / self.images
        return float(special.ndtr(points / math.sqrt(variance) + special.ndtri((1 - self.level) / self.tests / 2)))

    def methods(self, points: float, seeds: int) -> float:
        """Chance that methods of which one is better by ``points`` are told apart; 0 with one seed."""
        images, within = (self.variance(points) * part / self.images for part in (self.shared, 1 - self.shared))
        return methods_power(
            points,
            seeds,
            between=2 * self.seed_std**2 + within,
            images=images,
            within=within,
            size=self.images,
            alpha=(1 - self.level) / self.tests,
        )

    def table(self) -> str:
        """Power in %, for a terminal."""
        rows = []
        for points in POINTS:
            cells = (f'{100 * self.models(points, s):.0f} / {100 * self.methods(points, s):.0f}' for s in SEEDS)
            rows.append([_points(points), *cells])
        header = ['models / methods told apart, %', *(f'{seeds} seed{"s" * (seeds > 1)}' for seeds in SEEDS)]
        lines = [render_table(header, rows).rstrip('\n')]
        for points in POINTS:
            number = next((seeds for seeds in range(2, MOST) if self.methods(points, seeds) >= POWER), None)
            need = f'{number} seeds' if number else 'more test images: no number of seeds suffices'
            lines.append(f'To show in 80 of 100 comparisons that methods differ by {_points(points)} you need {need}.')
        return '\n'.join(lines)

    def describe(self) -> str:
        """What is assumed, in a sentence."""
        return (
            f'{self.images:,} test images, accuracy {100 * self.accuracy:.1f} %, standard deviation over seeds '
            f'{self.seed_std:.2f} points, correlation of right answers {self.correlation:.2f}, of whose variance '
            f'{100 * self.shared:.0f} % is common to all seeds; {self.tests} pair{"s" * (self.tests != 1)}, level '
            f'{100 * self.level:g} %.'
        )


def _points(number: float) -> str:
    return f'{number:g} point{"s" * (number != 1)}'


def methods_power(
    points: float, seeds: int, between: float, images: float, within: float, size: int, alpha: float
) -> float:
    """Power of ``functional.crossed`` from its parts of the variance, all in points squared.

    Args:
        points: The difference.
        seeds: S.
        between: Variance of the differences over seeds.
        images: Variance of the mean over images that no further seed takes away.
        within: Variance that images add to the difference of a single seed.
        size: N.
        alpha: Of the test.
    """
    if seeds < 2:
        return 0.0
    parts = between / seeds, images + within / seeds
    true = between / seeds + images
    t = special.stdtrit((seeds - 1, size - 1), alpha / 2)
    drawn = 2 * special.gammaincinv((seeds - 1) / 2, (np.arange(500) + 0.5) / 500) / (seeds - 1)  # variance over seeds
    critical = np.sqrt(parts[0] * drawn * t[0] ** 2 + parts[1] * t[1] ** 2)
    return float(special.ndtr((points - critical) / math.sqrt(true)).mean())


def seeds_for(test: PairedTest, images: int, alpha: float) -> int | None:
    """Seeds with which the methods of ``test`` would be told apart, if they differ as much as it found; None if never.

    What images add to the variance is taken from its interval, as if all seeds had it in common.
    """
    half = (test.images.high - test.images.low) / 2 / special.ndtri(1 - alpha / 2)
    between = float(np.var(test.by_seed, ddof=1))
    for seeds in range(2, MOST):
        values = (abs(test.methods.value), seeds, between, half**2, 0.0, images, alpha / test.tests)
        if methods_power(*values) >= POWER:
            return seeds
    return None


def measured(runs: Sequence[Run], tests: int, level: float) -> Plan:
    """A plan with what finished runs show: accuracy, its spread over seeds, and how alike the answers are.

    What is not known from them (the spread over seeds of a single one) is as in :class:`Plan`.
    """
    runs, _ = common_seeds(runs)
    right = {
        method: np.array([F.top_label(run.scores, run.labels)[1] for run in own], float)
        for method, own in methods_of(runs).items()
    }
    accuracy = float(np.mean([values.mean() for values in right.values()]))
    known: dict[str, list[float]] = dict(correlation=[], shared=[], seed_std=[])
    for first, second in combinations(right.values(), 2):
        seeds = min(len(first), len(second))
        gaps = first[:seeds] - second[:seeds]  # (S, N)
        known['correlation'] += [float(np.corrcoef(a, b)[0, 1]) for a, b in zip(first, second) if a.std() * b.std()]
        if len(gaps) > 1:
            whole, mean = gaps.var(axis=1, ddof=1).mean(), gaps.mean(0).var(ddof=1)
            if whole:
                share = (mean * len(gaps) / whole - 1) / (len(gaps) - 1)
                known['shared'].append(float(np.clip(share, 0, 1)))
    for values in right.values():
        if len(values) > 1:
            noise = values.var(axis=0, ddof=1).mean() / values.shape[1]  # that other images alone would make
            known['seed_std'].append(100 * math.sqrt(max(0.0, values.mean(1).var(ddof=1) - noise)))
    found = {name: float(np.mean(own)) for name, own in known.items() if own}
    return Plan(len(runs[0].labels), accuracy, tests=max(1, tests), level=level, **found)


def count_test_images(config: Mapping) -> int:
    """Number of test images of a config.

    Raises:
        ValueError: If it has none.
    """
    if not config.get('test_dataloader'):
        raise ValueError('This config has no test images (test_dataloader), so there is nothing to plan for.')
    with DefaultScope.overwrite_default_scope('mmfer'):
        return len(DATASETS.build(config['test_dataloader']['dataset']))
