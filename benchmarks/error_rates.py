"""How often the statements of `mmfer compare` are false, how often its intervals hold the truth, and what it can find.

    python benchmarks/error_rates.py --out docs/results/error_rates          # the grid, goes on where it was stopped
    python benchmarks/error_rates.py --settings 16 --out DIR                 # every two levels of it together
    python benchmarks/error_rates.py --quick                                 # a part of it in a minute
    python benchmarks/error_tables.py DIR/error_rates.json                   # what was run and what came out

Simulated comparisons go through the code that a report is made with. The confidence of a model on an image, and whether
its answer is right, have parts that all methods share (their correlation), that all seeds of a method share, and that
are of the training alone. The accuracy of a training is that of its method plus a normal deviation (the
seed SD, in points). Overconfident models show the logit of their confidence times 1.5.

Eight methods with five seeds are drawn at once. Fewer seeds are the first of them, two methods a pair of them, so that
one drawing serves six cells of the grid. The settings come in an order in which the first few have every two levels of
two factors together, the next every three: stopped anywhere, the grid is covered evenly.

The file is not called statistics.py: the folder of a script comes first in Python's path, so it would hide the standard
library's module from all scripts here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import special

from mmfer.evaluation import functional as F
from mmfer.experiments.estimates import FEW, difference, estimates, mean_interval
from mmfer.experiments.plan import Plan
from mmfer.experiments.results import Run
from mmfer.experiments.statistics import STATEMENTS, PairedTest, adjust, pair_test, pairs_to_test
from mmfer.utils.files import write_json

FIGURES = ('accuracy', 'nll', 'skce', 'aurc')
CLASSES = 7
TAU = 0.5  # of what methods do not share, the part that all seeds of a method have
SHARPER = 1.5
LARGE = 200_000  # images that the true figures are taken from
LEVELS = dict(
    images=(100, 300, 2000, 7000),
    seed_std=(0.0, 0.5, 1.0, 1.5),
    correlation=(0.0, 0.8),
    accuracy=(0.6, 0.85, 0.97),
    overconfident=(False, True),
)
SEEDS, METHODS, GAINS = (1, 3, 5), (2, 8), (1.0, 2.0, 5.0)
REPEATED = {2000: 2, 7000: 4}  # by what the repetitions are divided


@dataclass(frozen=True)
class Setting:
    """What a comparison is drawn from; every second method is better by ``gain`` points."""

    images: int
    seed_std: float
    correlation: float
    accuracy: float
    overconfident: bool
    gain: float = 0.0


def answers(setting: Setting, accuracy: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and whether the answer is right, (M, S, N) each, for accuracies (M, S)."""
    methods, seeds = accuracy.shape
    shapes = (1, 1, setting.images), (methods, 1, setting.images), (methods, seeds, setting.images)
    own = 1 - setting.correlation
    weights = setting.correlation, own * TAU, own * (1 - TAU)

    def latent() -> np.ndarray:
        return special.ndtr(sum(np.sqrt(w) * rng.standard_normal(shape) for w, shape in zip(weights, shapes) if w))

    mean = (accuracy[..., None] - 1 / CLASSES) / (1 - 1 / CLASSES)
    confidence = 1 / CLASSES + (1 - 1 / CLASSES) * latent() ** ((1 - mean) / mean)
    correct = latent() < confidence
    if setting.overconfident:
        odds = (confidence * (CLASSES - 1) / np.maximum(1 - confidence, 1e-12)) ** SHARPER
        confidence = odds / (odds + CLASSES - 1)
    return np.clip(confidence, 1 / CLASSES, 1 - 1e-9), correct


def make_runs(
    setting: Setting, methods: int, seeds: int, rng: np.random.Generator
) -> tuple[list[Run], np.ndarray, np.ndarray]:
    """The runs of one simulated comparison, their true accuracies (M, S) and which answers are right (M, S, N)."""
    accuracy = setting.accuracy + setting.seed_std / 100 * rng.standard_normal((methods, seeds))
    accuracy[::2] += setting.gain / 100
    accuracy = np.clip(accuracy, 0.2, 0.998)
    confidence, correct = answers(setting, accuracy, rng)
    runs, images, classes = [], [None] * setting.images, tuple('abcdefg')
    for m, s in np.ndindex(accuracy.shape):
        own = confidence[m, s]
        scores = np.stack([own, *[(1 - own) / (CLASSES - 1)] * (CLASSES - 1)]).T  # sums over its rows are fast
        labels = np.where(correct[m, s], 0, 1)
        runs.append(Run(f'm{m}', s, Path(), images, labels, scores, classes, uncertainty=1 - own))
    return runs, accuracy, correct


@lru_cache
def true_figures(accuracy: float, overconfident: bool) -> dict[str, float]:
    """The figures of a model without a deviation of its training."""
    large = Setting(LARGE, 0.0, 0.0, accuracy, overconfident)
    (run,), *_ = make_runs(large, 1, 1, np.random.default_rng(1))
    found = {name: own.value for name, own in estimates(run).items()}
    return dict(found, accuracy=100 * accuracy, skce=found['skce'] if overconfident else 0.0)


def outcomes(
    methods: range, made: dict, level: float, few: bool, truth: dict[str, float], gain: float
) -> dict[str, float]:
    """What is claimed of some methods, and whether intervals of the first hold the truth: 1, 0, or NaN for none."""
    found = dict(few=float(few))
    names, alpha = [f'm{m}' for m in methods], round(1 - level, 10)
    own = [estimate for (method, _), estimate in made.items() if method == names[0]]
    for name in FIGURES:
        tests = [pair_test(name, *pair, made, level, few) for pair in itertools.combinations(names, 2)]
        adjust(tests)
        for statement in STATEMENTS:
            told = [test.standing(alpha, statement=statement) in ('better', 'worse') for test in tests]
            found[f'{name} {statement}'] = float(told[0] if gain else any(told))
        if name in truth:
            low, high = mean_interval([each[name] for each in own], name, level, few)
            found[f'{name} held'] = np.nan if np.isnan(low) else float(low <= truth[name] <= high)
    return found


def simulate(
    setting: Setting,
    repetitions: int,
    seeds: Sequence[int] = SEEDS,
    methods: Sequence[int] = METHODS,
    level: float = 0.95,
) -> list[dict]:
    """A cell for each number of seeds and of methods, with ``shares`` of the repetitions in %, see :func:`outcomes`.

    Two methods of eight are four pairs without a common one: a repetition counts there as the share of the four.
    ``between`` are 95 % intervals of the shares.
    """
    rng = np.random.default_rng(zlib.crc32(repr(setting).encode()))
    known = {} if setting.seed_std or setting.gain else true_figures(setting.accuracy, setting.overconfident)
    cells = list(itertools.product(seeds, methods))
    counts: dict[tuple, dict[str, list]] = {cell: {} for cell in cells}
    for _ in range(repetitions):
        runs, accuracy, correct = make_runs(setting, max(methods), max(seeds), rng)
        every = {(run.method, run.seed): estimates(run) for run in runs}
        for number, size in cells:
            made = {key: own for key, own in every.items() if key[1] < number}
            groups = []
            for first in range(0, max(methods), size):
                right = correct[first : first + size, :number]
                few = min(right.any(1).sum(1).min(), (~right).any(1).sum(1).min()) < FEW
                truth = {name: known[name] for name in FIGURES if name in known}
                truth['accuracy'] = 100 * accuracy[first, :number].mean()
                groups.append(outcomes(range(first, first + size), made, level, few, truth, setting.gain))
            for name in groups[0]:
                values = np.array([group[name] for group in groups])
                if not np.isnan(values).all():
                    counts[number, size].setdefault(name, []).append(float(np.nanmean(values)))
    found = []
    for (number, size), own in counts.items():
        cell = dict(asdict(setting), seeds=number, methods=size, repetitions=repetitions)
        own = {name: values for name, values in own.items() if len(values) >= repetitions / 2}
        cell['shares'] = {name: 100 * float(np.mean(values)) for name, values in own.items()}
        cell['between'] = {name: [100 * end for end in F.proportion_interval(values)] for name, values in own.items()}
        if setting.gain:
            plan = planned(setting, size)
            cell['planned'] = dict(images=100 * plan.models(setting.gain, number))
            cell['planned']['methods'] = 100 * plan.methods(setting.gain, number)
        found.append(cell)
    return found


@lru_cache
def planned(setting: Setting, methods: int) -> Plan:
    """What `compare --plan` says of a setting, with the correlations of the right answers themselves."""
    large = replace(setting, images=LARGE // 8)
    _, correct = answers(large, np.full((2, 2), setting.accuracy), np.random.default_rng(2))
    gaps = correct[0].astype(float) - correct[1]
    shared = np.mean(gaps[0] * gaps[1]) / np.mean(gaps**2)
    correlation = np.corrcoef(correct[0, 0], correct[1, 0])[0, 1]
    plan = Plan(setting.images, setting.accuracy, setting.seed_std, float(correlation), float(shared))
    return replace(plan, tests=len(pairs_to_test([str(i) for i in range(methods)])[1]))


def calibrated_pairs(images: int, seeds: int, repetitions: int) -> dict:
    """Claims on the calibration of two calibrated models whose confidences are distributed otherwise, in %."""
    rng = np.random.default_rng(images + seeds)
    kinds = {
        'Beta(20, 0.7), Beta(4, 3)': (lambda n: rng.beta(20, 0.7, n), lambda n: rng.beta(4, 3, n)),
        'U(0.7, 1), U(0.4, 1)': (lambda n: rng.uniform(0.7, 1, n), lambda n: rng.uniform(0.4, 1, n)),
    }
    found = {}
    for name, pair in kinds.items():
        told = dict(images=0, methods=0)
        for _ in range(repetitions):
            ends = []
            for draw in pair:
                base = draw(images)  # all seeds have the same confidences, up to a little
                confidence = np.clip(base + 0.02 * rng.standard_normal((seeds, images)), 0, 1)
                ends.append([F.skce(c, rng.random(images) < c) for c in confidence])
            by_seed = tuple(1e4 * (a[0] - b[0]) for a, b in zip(*ends))
            influence = np.mean([1e4 * (a[1] - b[1]) for a, b in zip(*ends)], axis=0)
            test = PairedTest('a', 'b', 'skce', tuple(range(seeds)), by_seed, *difference(by_seed, influence, 0.95))
            adjust([test])
            for kind in told:
                told[kind] += test.standing(0.05, statement=kind) in ('better', 'worse')
        found[name] = {kind: 100 * number / repetitions for kind, number in told.items()}
    return dict(images=images, seeds=seeds, repetitions=repetitions, claimed=found)


def by_spread(repetitions: int) -> list[dict]:
    """Claims on equal methods, in %, by how much seeds deviate: ``spread``, in standard errors of the images.

    At a level of 5 %, and at that of the smallest of 28 p-values, from normal differences. The grid has spreads from 0
    (no seed SD) to about 10 (1.5 points, 7,000 images, 97 %, correlation 0.8).
    """
    rng, found = np.random.default_rng(0), []
    for seeds, spread in itertools.product((2, *SEEDS[1:]), (0, 1, 2, 4, 8)):
        p_values = []
        for _ in range(repetitions):
            by_seed = rng.standard_normal() + spread * rng.standard_normal(seeds)
            p_values.append(F.crossed(by_seed, np.sqrt(300) * rng.standard_normal(300)).p_value)
        shares = [100 * float(np.mean(np.array(p_values) < level)) for level in (0.05, 0.05 / 28)]
        found.append(dict(seeds=seeds, spread=spread, repetitions=repetitions, shares=shares))
    return found


def evenly() -> list[Setting]:
    """The settings without a gain; next comes the one with the most new pairs of levels, then triples, then fours.

    A covering array, made greedily: Cohen et al., The AETG system, https://doi.org/10.1109/32.605761.
    """
    left, had, found = list(itertools.product(*LEVELS.values())), set(), []
    places = {size: list(itertools.combinations(range(len(LEVELS)), size)) for size in (2, 3, 4)}

    def parts(point: tuple, size: int) -> set:
        return {(own, tuple(point[i] for i in own)) for own in places[size]}

    while left:
        best = max(left, key=lambda point: [len(parts(point, size) - had) for size in places])
        left.remove(best)
        had |= set.union(*(parts(best, size) for size in places))
        found.append(Setting(*best))
    return found


def power() -> list[Setting]:
    """Those of two methods of which one is better."""
    levels = itertools.product(LEVELS['images'][1:], LEVELS['seed_std'], GAINS)
    return [Setting(images, std, 0.8, 0.85, False, gain) for images, std, gain in levels]


def setting_of(cell: dict) -> tuple:
    """The values of its :class:`Setting`."""
    return tuple(cell[field.name] for field in fields(Setting))


def _work(task: tuple[Setting, int]) -> list[dict]:
    setting, repetitions = task
    return simulate(setting, repetitions, methods=(2,) if setting.gain else METHODS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repetitions', type=int, default=400, help='of a setting, fewer with many images [400]')
    parser.add_argument('--settings', type=int, metavar='N', help='only the first N of those in which nothing differs')
    parser.add_argument('--jobs', type=int, default=1, help='processes [1]')
    parser.add_argument('--quick', action='store_true', help='two settings of each kind, and few repetitions')
    parser.add_argument(
        '--out', metavar='DIR', help='error_rates.json is written there after each setting; goes on with one'
    )
    args = parser.parse_args()
    settings = [*evenly()[: args.settings], *power()]
    repetitions, sizes = args.repetitions, (100, 300, 2000)
    if args.quick:
        settings, repetitions, sizes = [*evenly()[:2], *power()[:2]], 40, (300,)
    file = Path(args.out, 'error_rates.json') if args.out else None
    if file and file.exists():
        results = json.loads(file.read_text())
    else:
        pairs = [calibrated_pairs(n, s, repetitions) for n in sizes for s in (1, 3)]
        results = dict(calibrated=pairs, by_spread=by_spread(25 * repetitions), cells=[])
    done = {setting_of(cell) for cell in results['cells']}
    settings = [setting for setting in settings if astuple(setting) not in done]
    tasks = [(setting, max(20, repetitions // REPEATED.get(setting.images, 1))) for setting in settings]
    with ProcessPoolExecutor(args.jobs) as pool:
        for cells in pool.map(_work, tasks):
            results['cells'] += cells
            if file:
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, results)
    print(f'{len(results["cells"])} cells' if file else json.dumps(results, indent=1))


if __name__ == '__main__':
    main()
