"""Out-of-distribution images: whether the uncertainty of a method tells them from those that it was trained for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from mmfer.evaluation import functional as F

from .results import Run, methods_of

RANKERS = ('uncertainty', 'epistemic', 'deviation')
"""What may rank images: entropy of the prediction, its epistemic part, mean deviation of the latent logits."""


@dataclass
class OODTest:
    """AUROC (%) of out-of-distribution images against those of the test by one score of a method, the former positive.

    Args:
        method: Name of the method.
        data: Name of the other images.
        what: One of ``RANKERS``.
        images: How many other images.
        by_seed: Seed -> AUROC.
        mean: Over the seeds; chance is 50.
        low: Lower end of its interval over the images of both sets (DeLong et al., on the logits); ``high`` the
            upper one. Where all pairs of images are in order, that of as many independent pairs as there can be.
        fpr95: Share (%) of the test's images that are refused where 95 % of the others are, mean over seeds.
    """

    method: str
    data: str
    what: str
    images: int
    by_seed: dict
    mean: float
    low: float
    high: float
    fpr95: float


def tell_apart(runs: Sequence[Run], others: Mapping[str, Sequence[Run]], level: float) -> list[OODTest]:
    """AUROC of each method, other data and score that all seeds of the method have.

    Args:
        runs: On the images of the data set that the methods were trained for.
        others: Name of other data -> the same runs on these.
        level: Of the intervals.

    Raises:
        ValueError: If the other images are those of the test, or were answered for other classes.
    """
    tests = []
    for method, own in methods_of(runs).items():
        for data, theirs in others.items():
            found = {run.seed: run for run in theirs if run.method == method}
            if any(run.seed not in found for run in own):
                continue
            if (found[own[0].seed].protocol, found[own[0].seed].images) == (own[0].protocol, own[0].images):
                raise ValueError(f'{data} has the images of the test itself ({own[0].protocol}): name other data')
            for run in (found[each.seed] for each in own):
                if sorted(run.classes) != sorted(own[0].classes):
                    raise ValueError(
                        f'{run.folder}: the answers for {data} are of {len(run.classes)} classes, those for the test '
                        f'of {len(own[0].classes)}, so their uncertainties cannot be compared. Delete ood_{data}.json '
                        'there, and test again.'
                    )
            for what in RANKERS:
                pairs = {run.seed: (getattr(run, what), getattr(found[run.seed], what)) for run in own}
                if all(values is not None for pair in pairs.values() for values in pair):
                    tests.append(_test(method, data, what, pairs, level))
    return tests


def _test(method: str, data: str, what: str, pairs: Mapping, level: float) -> OODTest:
    found = {seed: F.auroc_influence(*pair) for seed, pair in pairs.items()}
    by_seed = {seed: 100 * value for seed, (value, _, _) in found.items()}
    mean = float(np.mean(list(by_seed.values())))
    placements = [np.mean([own[i] for own in found.values()], axis=0) for i in (1, 2)]
    error = math.sqrt(sum(values.var(ddof=1) / len(values) for values in placements))
    if 0 < mean < 100:
        half = special.ndtri((1 + level) / 2) * error / (mean / 100 * (1 - mean / 100))
        low, high = (special.expit(special.logit(mean / 100) + sign * half) for sign in (-1, 1))
    else:
        low, high = F.proportion_interval(np.full(min(map(len, placements)), mean / 100), level)
    fpr95 = 100 * float(np.mean([F.fpr_at_tpr(F.ood_ranking(*pair)) for pair in pairs.values()]))
    images = len(next(iter(pairs.values()))[1])
    return OODTest(method, data, what, images, by_seed, mean, 100 * low, 100 * high, fpr95)
