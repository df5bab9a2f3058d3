"""Foreign images: whether a method's uncertainty tells them from those of the data set it was trained for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmfer.evaluation import functional as F

if TYPE_CHECKING:
    from .results import Run

PREFIX = 'foreign_'
RANKERS = ('uncertainty', 'epistemic', 'deviation')
"""What may rank images: entropy of the prediction, its epistemic part, mean deviation of the latent logits."""


@dataclass
class ForeignTest:
    """AUROC (%) of foreign images against those of the test by one score of a method, the foreign ones positive.

    Args:
        method: Name of the method.
        data: Name of the foreign images.
        what: One of ``RANKERS``.
        images: How many foreign images.
        by_seed: Seed -> AUROC.
        mean: Over the seeds; chance is 50.
        low: Lower end of the bootstrap interval over the images of both sets; ``high`` the upper one.
        fpr95: Share (%) of the test's images that are refused where 95 % of the foreign ones are, mean over seeds.
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


def foreign_file(folder: str | Path, name: str) -> Path:
    """The predictions of a run on the foreign images called ``name``."""
    return Path(folder, f'{PREFIX}{name}.json')


def foreign_scores(run: Run) -> dict[str, dict[str, np.ndarray]]:
    """Name of foreign images -> score -> (M,) values, from the files ``foreign_<name>.json`` beside a run.

    Raises:
        ValueError: If one of them is broken, or of another checkpoint than the run's; the message names it.
    """
    from .results import read_run

    found = {}
    for file in sorted(Path(run.folder).glob(f'{PREFIX}*.json')):
        other = read_run(file)
        if Path(other.checkpoint).name != Path(run.checkpoint).name:
            raise ValueError(f'{file} is of {other.checkpoint}, the test beside it of {run.checkpoint}: test again')
        found[file.stem[len(PREFIX) :]] = rankers(other)
    return found


def rankers(run: Run) -> dict[str, np.ndarray]:
    """Those of ``RANKERS`` that a run has."""
    return {name: getattr(run, name) for name in RANKERS if getattr(run, name) is not None}


def auroc_replicates(inside: np.ndarray, outside: np.ndarray, replicates: int, seed: int = 0) -> np.ndarray:
    """Replicates (R,) of the AUROC, a fraction; images of both sets are drawn again, each set on its own."""
    size = len(inside)
    score, positive = np.concatenate([inside, outside]), np.repeat([0, 1], [size, len(outside)])
    draws = (F.resamples(len(part), replicates, seed + i) for i, part in enumerate((inside, outside)))
    weights = np.concatenate([np.concatenate(list(draw)) for draw in draws], axis=1)
    block = max(1, 2**21 // len(score))
    parts = [weights[start : start + block] for start in range(0, replicates, block)]
    return np.concatenate([np.atleast_1d(F.auroc(F.rank_samples(score, positive, part))) for part in parts])


def compare_foreign(methods: Mapping[str, Sequence[Run]], level: float, replicates: int = 1000) -> list[ForeignTest]:
    """AUROC of each method, foreign data set and score that all seeds of the method have."""
    tests = []
    for method, runs in methods.items():
        foreign = {run.seed: foreign_scores(run) for run in runs}
        common = [name for name in foreign[runs[0].seed] if all(name in own for own in foreign.values())]
        for name in common:
            for what in RANKERS:
                if all(what in foreign[run.seed][name] and getattr(run, what) is not None for run in runs):
                    pairs = {run.seed: (getattr(run, what), foreign[run.seed][name][what]) for run in runs}
                    tests.append(_test(method, name, what, pairs, level, replicates))
    return tests


def _test(method: str, data: str, what: str, pairs: Mapping, level: float, replicates: int) -> ForeignTest:
    drawn = np.mean([auroc_replicates(*pair, replicates) for pair in pairs.values()], axis=0)
    ranks = {seed: F.ood_ranking(*pair) for seed, pair in pairs.items()}
    by_seed = {seed: 100 * float(F.auroc(own)) for seed, own in ranks.items()}
    low, high = (100 * value for value in F.percentile_interval(drawn, level))
    fpr95 = 100 * float(np.mean([F.fpr_at_tpr(own) for own in ranks.values()]))
    images = len(next(iter(pairs.values()))[1])
    return ForeignTest(method, data, what, images, by_seed, float(np.mean(list(by_seed.values()))), low, high, fpr95)


def foreign_rows(tests: Sequence[ForeignTest]) -> list[tuple]:
    """Rows of a table: method, foreign images, score, AUROC with interval, FPR95."""
    rows = []
    for test in tests:
        std = np.std(list(test.by_seed.values()), ddof=1) if len(test.by_seed) > 1 else math.nan
        spread = '' if math.isnan(std) else f' ± {std:.2f}'
        value = f'{test.mean:.2f}{spread} [{test.low:.2f}, {test.high:.2f}]'
        rows.append((test.method, f'{test.data} ({test.images:,})', test.what, value, f'{test.fpr95:.2f}'))
    return rows


HEADER = ('method', 'foreign images', 'ranked by', 'AUROC %', 'FPR95 %')


def is_whole(file: Path, checkpoint: str) -> bool:
    """Whether ``file`` has predictions of the checkpoint with this name."""
    try:
        content = json.loads(file.read_text())
        return Path(content['checkpoint']).name == checkpoint and bool(content['predictions'])
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return False


def ood_table(inside: str | Path, outside: Sequence[str | Path], level: float = 0.95) -> str:
    """A table for a terminal: AUROC of the images of each file of predictions against those of ``inside``.

    Args:
        inside: JSON file of ``tools/test.py --out``.
        outside: Others, of the same checkpoint on other data.
        level: Of the intervals.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If one is broken, of another checkpoint, or on the same images as ``inside``.
    """
    from mmfer.utils.tables import render_table

    from .results import read_run

    own, rows = read_run(inside), []
    for file in map(Path, outside):
        other = read_run(file)
        if Path(other.checkpoint).name != Path(own.checkpoint).name:
            raise ValueError(f'{file} is of {other.checkpoint}, {inside} of {own.checkpoint}: test one checkpoint')
        if other.protocol == own.protocol and other.images == own.images:
            raise ValueError(f'{file} is on the same images as {inside} ({own.protocol}): none of them is foreign')
        theirs = rankers(other)
        tests = [
            _test(own.method, file.stem, what, {own.seed: (value, theirs[what])}, level, 1000)
            for what, value in rankers(own).items()
            if what in theirs
        ]
        rows += [row[1:] for row in foreign_rows(tests)]
    return render_table(HEADER[1:], rows).rstrip('\n')
