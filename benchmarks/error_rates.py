"""How often the statements of `mmfer compare` are false, how often its intervals hold the truth, and what it can find.

    python benchmarks/error_rates.py --out docs/results/error_rates          # the grid, hours on one core
    python benchmarks/error_rates.py --quick                                 # a part of it in a minute
    python benchmarks/error_rates.py --out DIR --repetitions 100 --jobs 4

Simulated comparisons go through the code that a report is made with. The confidence of a model on an image, and whether
its answer is right, have parts that all methods share (their correlation), that all seeds of a method share, and that
are of the training alone. The accuracy of a training is that of its method plus a normal deviation (the
seed SD, in points). Overconfident models show the logit of their confidence times 1.5.

The file is not called statistics.py: the folder of a script comes first in Python's path, so it would hide the standard
library's module from all scripts here.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import special

from mmfer.evaluation import functional as F
from mmfer.experiments.estimates import FEW, answered, difference, estimates, mean_interval
from mmfer.experiments.page import markdown_table
from mmfer.experiments.plan import Plan
from mmfer.experiments.results import Run
from mmfer.experiments.statistics import PairedTest, adjust, pair_test
from mmfer.utils.files import write_json

FIGURES = ('accuracy', 'nll', 'skce', 'aurc')
CLASSES = 7
TAU = 0.5  # of what methods do not share, the part that all seeds of a method have
SHARPER = 1.5
FEWEST = 20  # repetitions of a cell
LARGE = 200_000  # images that the true figures are taken from


@dataclass(frozen=True)
class Cell:
    """A point of the grid; ``gain`` is what the first method is better by, in points."""

    images: int
    seeds: int
    seed_std: float
    correlation: float
    accuracy: float
    overconfident: bool
    methods: int
    gain: float = 0.0


def answers(cell: Cell, accuracy: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and whether the answer is right, (M, S, N) each, for accuracies (M, S)."""
    methods, seeds = accuracy.shape

    def latent() -> np.ndarray:
        shapes = (1, 1, cell.images), (methods, 1, cell.images), (methods, seeds, cell.images)
        own = 1 - cell.correlation
        weights = cell.correlation, own * TAU, own * (1 - TAU)
        return special.ndtr(sum(np.sqrt(w) * rng.standard_normal(shape) for w, shape in zip(weights, shapes)))

    mean = (accuracy[..., None] - 1 / CLASSES) / (1 - 1 / CLASSES)
    confidence = 1 / CLASSES + (1 - 1 / CLASSES) * latent() ** ((1 - mean) / mean)
    correct = latent() < confidence
    if cell.overconfident:
        odds = (confidence * (CLASSES - 1) / np.maximum(1 - confidence, 1e-12)) ** SHARPER
        confidence = odds / (odds + CLASSES - 1)
    return np.clip(confidence, 1 / CLASSES, 1 - 1e-9), correct


def make_runs(cell: Cell, rng: np.random.Generator) -> tuple[list[Run], np.ndarray]:
    """The runs of one simulated comparison, and their true accuracies (M, S)."""
    shape = (cell.methods, cell.seeds)
    accuracy = cell.accuracy + cell.seed_std / 100 * rng.standard_normal(shape)
    accuracy[0] += cell.gain / 100
    accuracy = np.clip(accuracy, 0.2, 0.998)
    confidence, correct = answers(cell, accuracy, rng)
    runs, images = [], [None] * cell.images
    for m, s in np.ndindex(shape):
        scores = np.repeat((1 - confidence[m, s, :, None]) / (CLASSES - 1), CLASSES, axis=1)
        scores[:, 0] = confidence[m, s]
        labels = np.where(correct[m, s], 0, 1)
        classes = tuple('abcdefg')
        runs.append(Run(f'm{m}', s, Path(), images, labels, scores, classes, uncertainty=1 - confidence[m, s]))
    return runs, accuracy


@lru_cache
def true_figures(accuracy: float, overconfident: bool) -> dict[str, float]:
    """The figures of a model without a deviation of its training."""
    large = Cell(LARGE, 1, 0.0, 0.0, accuracy, overconfident, 1)
    (run,), _ = make_runs(large, np.random.default_rng(1))
    found = {name: own.value for name, own in estimates(run).items()}
    return dict(found, accuracy=100 * accuracy, skce=found['skce'] if overconfident else 0.0)


def simulate(cell: Cell, repetitions: int, level: float = 0.95) -> dict:
    """Shares of the repetitions in which something is claimed, and in which intervals hold the truth, in %."""
    rng, alpha = np.random.default_rng(abs(hash(cell)) % 2**32), round(1 - level, 10)
    truth = true_figures(cell.accuracy, cell.overconfident) if not cell.seed_std else {}
    claims: dict[str, list] = {f'{name} {kind}': [] for name in FIGURES for kind in ('images', 'methods')}
    held: dict[str, list] = {name: [] for name in FIGURES}
    few_times = 0
    for _ in range(repetitions):
        runs, accuracy = make_runs(cell, rng)
        made = {(run.method, run.seed): estimates(run) for run in runs}
        names = list(dict.fromkeys(run.method for run in runs))
        few = any(min(answered([run for run in runs if run.method == name])) < FEW for name in names)
        few_times += few
        for name in FIGURES:
            tests = [pair_test(name, *pair, made, level, few) for pair in itertools.combinations(names, 2)]
            adjust(tests)
            for kind in ('images', 'methods'):
                told = [test.standing(alpha, statement=kind) in ('better', 'worse') for test in tests]
                claims[f'{name} {kind}'].append(told[0] if cell.gain else any(told))
            wanted = 100 * accuracy[0].mean() if name == 'accuracy' else truth.get(name)
            own = [made['m0', seed][name] for seed in range(cell.seeds)]
            low, high = mean_interval(own, name, level, few)
            if wanted is not None and not np.isnan(low):
                held[name].append(low <= wanted <= high)
    result = dict(asdict(cell), repetitions=repetitions, few=100 * few_times / repetitions)
    result['claimed'] = {name: 100 * float(np.mean(own)) for name, own in claims.items()}
    result['held'] = {name: 100 * float(np.mean(own)) for name, own in held.items() if len(own) >= repetitions / 2}
    if cell.gain:
        plan = planned(cell)
        result['planned'] = dict(images=100 * plan.models(cell.gain, cell.seeds))
        result['planned']['methods'] = 100 * plan.methods(cell.gain, cell.seeds)
    return result


def planned(cell: Cell) -> Plan:
    """What `compare --plan` says of a cell, with the correlations of the right answers themselves."""
    large = Cell(LARGE // 8, 2, 0.0, cell.correlation, cell.accuracy, cell.overconfident, 2)
    _, correct = answers(large, np.full((2, 2), cell.accuracy), np.random.default_rng(2))
    gaps = correct[0].astype(float) - correct[1]
    shared = np.mean(gaps[0] * gaps[1]) / np.mean(gaps**2)
    correlation = np.corrcoef(correct[0, 0], correct[1, 0])[0, 1]
    tests = cell.methods * (cell.methods - 1) // 2
    return Plan(cell.images, cell.accuracy, cell.seed_std, float(correlation), float(shared), tests)


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


def grid(quick: bool) -> list[Cell]:
    """The grid of the null, then the cells of power."""
    if quick:
        null = [Cell(300, 1, 0.0, 0.8, 0.85, False, 2), Cell(300, 3, 1.0, 0.8, 0.85, True, 2)]
        return [*null, Cell(100, 3, 1.5, 0.0, 0.6, False, 2), Cell(300, 3, 1.0, 0.8, 0.85, False, 2, 5.0)]
    cells = [
        Cell(n, s, std, r, a, over, m)
        for n, s, std, r, a, over, m in itertools.product(
            (100, 300, 2000, 7000),
            (1, 3, 5),
            (0.0, 0.5, 1.0, 1.5),
            (0.0, 0.8),
            (0.6, 0.85, 0.97),
            (False, True),
            (2, 8),
        )
    ]
    power = [
        Cell(n, s, std, 0.8, 0.85, False, 2, gain)
        for n, s, std, gain in itertools.product((300, 2000, 7000), (1, 3, 5), (0.0, 0.5, 1.0, 1.5), (1.0, 2.0, 5.0))
    ]
    return cells + power


def tables(results: dict) -> str:
    """Markdown tables of what was simulated: means over the cells that a row stands for, weighted by repetitions."""
    cells = results['cells']
    null, power = ([cell for cell in cells if bool(cell['gain']) == with_gain] for with_gain in (False, True))

    def mean(own: list[dict], part: str, name: str) -> str:
        own = [cell for cell in own if name in cell[part]]
        number = sum(cell['repetitions'] for cell in own)
        if not number:
            return '-'
        share = sum(cell[part][name] * cell['repetitions'] for cell in own) / number
        return f'{share:.1f} ± {np.sqrt(max(share * (100 - share), 100) / number):.1f}'

    def rows(own: list[dict], keys: tuple[str, ...], part: str, end: str = '') -> str:
        found = sorted({tuple(cell[key] for key in keys) for cell in own})
        body = []
        for values in found:
            group = [cell for cell in own if tuple(cell[key] for key in keys) == values]
            number = sum(cell['repetitions'] for cell in group)
            body.append([*values, *(mean(group, part, name + end) for name in FIGURES), number])
        return markdown_table([*(key.replace('_', ' ') for key in keys), *FIGURES, 'comparisons'], body)

    several = [cell for cell in null if cell['seeds'] > 1]
    equal = [cell for cell in null if not cell['seed_std']]
    parts = ['False claims of trained models, %', rows(equal, ('methods', 'images'), 'claimed', ' images')]
    parts += ['False claims of methods, %', rows(several, ('methods', 'seed_std', 'seeds'), 'claimed', ' methods')]
    parts += ['Intervals that hold the truth, %', rows(equal, ('accuracy', 'images'), 'held')]
    body = [
        [cell['images'], cell['seeds'], name, *(f'{number:.1f}' for number in told.values()), cell['repetitions']]
        for cell in results['calibrated']
        for name, told in cell['claimed'].items()
    ]
    header = ['images', 'seeds', 'confidences', 'trained models', 'methods', 'repetitions']
    parts += ['False claims on the calibration of two calibrated models, %', markdown_table(header, body)]
    body = []
    for cell in sorted(power, key=lambda c: (c['images'], c['gain'], c['seed_std'], c['seeds'])):
        own = [f'{cell["claimed"][f"accuracy {k}"]:.0f} ({cell["planned"][k]:.0f})' for k in ('images', 'methods')]
        body.append([cell['images'], f'{cell["gain"]:g}', cell['seed_std'], cell['seeds'], *own, cell['repetitions']])
    header = ['images', 'points', 'seed SD', 'seeds', 'trained models told apart, % (planned)', 'methods, % (planned)']
    header.append('comparisons')
    parts += ['Power', markdown_table(header, body)]
    return '\n\n'.join(parts)


def merged(files: list[str]) -> dict:
    """The results of several parts of the grid."""
    found = [json.loads(Path(file).read_text()) for file in files]
    return {key: [each for part in found for each in part[key]] for key in ('calibrated', 'cells')}


def _work(cell: Cell, repetitions: int) -> dict:
    start = time.process_time()
    return dict(simulate(cell, repetitions), seconds=time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--repetitions', type=int, default=400, help='comparisons a cell [400]')
    parser.add_argument('--jobs', type=int, default=1, help='processes [1]')
    parser.add_argument('--quick', action='store_true', help='four cells of the grid')
    parser.add_argument('--part', default='0/1', metavar='I/N', help='only every N-th cell, from the I-th [0/1]')
    parser.add_argument(
        '--most', type=int, default=10**9, metavar='N', help='answers of a cell; fewer repetitions beyond, at least 20'
    )
    parser.add_argument('--out', metavar='DIR', help='error_rates.json is written there after each cell')
    parser.add_argument('--tables', nargs='+', metavar='FILE', help='join these results and print tables')
    args = parser.parse_args()
    if args.tables:
        results = merged(args.tables)
        if args.out:
            write_json(Path(args.out, 'error_rates.json'), results)
        print(tables(results))
        return
    start, step = map(int, args.part.split('/'))
    cells = grid(args.quick)[start::step]
    numbers = [min(args.repetitions, args.most // (c.images * c.seeds * c.methods)) for c in cells]
    cells, numbers = zip(*((cell, number) for cell, number in zip(cells, numbers) if number >= FEWEST))
    repetitions = 100 if args.quick else args.repetitions
    sizes = () if start else (300,) if args.quick else (100, 300, 2000)
    pairs = [calibrated_pairs(n, s, repetitions) for n in sizes for s in (1, 3)]
    results: list[dict] = []
    if args.jobs > 1:
        with ProcessPoolExecutor(args.jobs) as pool:
            found = pool.map(_work, cells, numbers)
            results = list(_kept(found, args.out, pairs))
    else:
        results = list(_kept(map(_work, cells, numbers), args.out, pairs))
    print(json.dumps(dict(calibrated=pairs, cells=results), indent=1) if not args.out else f'{len(results)} cells')


def _kept(found, out: str | None, pairs: list):
    """Pass results on and write what is there after each."""
    done: list[dict] = []
    for result in found:
        done.append(result)
        if out:
            Path(out).mkdir(parents=True, exist_ok=True)
            write_json(Path(out, 'error_rates.json'), dict(calibrated=pairs, cells=done))
        yield result


if __name__ == '__main__':
    main()
