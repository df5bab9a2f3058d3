"""What benchmarks/error_rates.py has run, and what came out, as tables of docs/error_rates.md.

python benchmarks/error_tables.py docs/results/error_rates/error_rates.json
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from error_rates import FIGURES, LEVELS, METHODS, SEEDS, setting_of

from mmfer.experiments.page import markdown_table
from mmfer.experiments.statistics import STATEMENTS


def tables(results: dict) -> str:
    """Markdown: what was run, and means over the cells that a row stands for, weighted by repetitions."""
    cells = results['cells']
    null, better = ([cell for cell in cells if bool(cell['gain']) == with_gain] for with_gain in (False, True))

    def mean(own: list[dict], name: str) -> str:
        own = [cell for cell in own if name in cell['shares']]
        if not own:
            return '-'
        share = np.average([cell['shares'][name] for cell in own], weights=[cell['repetitions'] for cell in own])
        return f'{share:.1f} ± {np.sqrt(max(share * (100 - share), 100) / drawings(own)):.1f}'

    def rows(own: list[dict], keys: tuple[str, ...], end: str) -> str:
        own = [cell for cell in own if f'accuracy {end}' in cell['shares']]
        groups = grouped((tuple(cell[key] for key in keys), cell) for cell in own)
        body = [
            [*values, *(mean(group, f'{name} {end}') for name in FIGURES), len(group), drawings(group)]
            for values, group in sorted(groups.items())
        ]
        return markdown_table([*(key.replace('_', ' ') for key in keys), *FIGURES, 'cells', 'drawings'], body)

    several = [cell for cell in null if cell['seeds'] > 1]
    equal = [cell for cell in null if not cell['seed_std']]
    parts = [statement(null, kind) for kind in STATEMENTS]
    parts += ['False claims of trained models, %', rows(equal, ('methods', 'images'), 'images')]
    parts += ['False claims of methods, %', rows(several, ('methods', 'seed_std', 'seeds'), 'methods')]
    parts += ['Intervals that hold the truth, %', rows(equal, ('accuracy', 'images'), 'held')]
    header = ['seeds', 'spread', 'claimed, % (5 allowed)', f'claimed, % ({5 / 28:.2f} allowed)', 'repetitions']
    body = [
        [row['seeds'], row['spread'], *(f'{share:.2f}' for share in row['shares']), row['repetitions']]
        for row in results['by_spread']
    ]
    parts += ['False claims of methods by the spread of seeds', markdown_table(header, body)]
    body = [
        [cell['images'], cell['seeds'], name, *(f'{number:.1f}' for number in told.values()), cell['repetitions']]
        for cell in results['calibrated']
        for name, told in cell['claimed'].items()
    ]
    header = ['images', 'seeds', 'confidences', 'trained models', 'methods', 'repetitions']
    parts += ['False claims on the calibration of two calibrated models, %', markdown_table(header, body)]
    return '\n\n'.join([*parts, 'Power, % (planned)', power_table(better)])


def power_table(cells: list[dict]) -> str:
    """How often the better of two methods is found by its accuracy: trained models and methods by number of seeds."""
    columns = [(kind, seeds) for kind in STATEMENTS for seeds in SEEDS if (kind, seeds) != ('methods', 1)]
    rows: dict[tuple, dict[tuple, str]] = {}
    for cell in sorted(cells, key=lambda c: (c['images'], c['gain'], c['seed_std'])):
        row = rows.setdefault((cell['images'], f'{cell["gain"]:g}', cell['seed_std'], cell['repetitions']), {})
        for kind in STATEMENTS:
            if f'accuracy {kind}' in cell['shares']:
                row[kind, cell['seeds']] = f'{cell["shares"][f"accuracy {kind}"]:.0f} ({cell["planned"][kind]:.0f})'
    header = ['images', 'points', 'seed SD', 'drawings', *(f'{kind}, {seeds} seeds' for kind, seeds in columns)]
    return markdown_table(header, [[*key, *(row.get(each, '-') for each in columns)] for key, row in rows.items()])


def drawings(cells: list[dict]) -> int:
    """Independent repetitions of cells: those of one setting share their data, and count once."""
    return sum(max(own) for own in grouped([(setting_of(cell), cell['repetitions']) for cell in cells]).values())


def grouped(pairs: Iterable[tuple]) -> dict[tuple, list]:
    """Key -> values of its pairs."""
    found: dict[tuple, list] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def statement(cells: list[dict], kind: str) -> str:
    """Which cells tell of false claims of a kind, and the largest share of them."""
    levels = dict(LEVELS, seeds=SEEDS, methods=METHODS)
    if kind == 'images':
        levels['seed_std'] = (0.0,)  # else the trained models do differ
    else:
        levels['seeds'] = SEEDS[1:]
    told = [(cell, f'{name} {kind}') for cell in cells for name in FIGURES if f'{name} {kind}' in cell['shares']]
    told = [(cell, name) for cell, name in told if all(cell[key] in own for key, own in levels.items())]
    points = {tuple(cell[key] for key in levels) for cell, _ in told}
    covered = []
    for size in (2, 3):
        places = list(itertools.combinations(range(len(levels)), size))
        whole = sum(int(np.prod([len(list(levels.values())[i]) for i in own])) for own in places)
        covered.append(f'{sum(len({tuple(p[i] for i in own) for p in points}) for own in places)} of {whole}')
    shares = [cell['shares'][name] for cell, name in told]
    above = sum(cell['between'][name][0] > 5 for cell, name in told)
    cell, name = told[int(np.argmax(shares))]
    where = ', '.join(f'{key.replace("_", " ")} {cell[key]:g}' for key in levels)
    low, high = cell['between'][name]
    every, number = np.prod([len(own) for own in levels.values()]), drawings([cell for cell, _ in told])
    return (
        f'{kind}: {len(points)} of {every} cells, {covered[0]} pairs and {covered[1]} triples of levels, {number:,} '
        f'drawings. The largest of {len(told)} shares of false claims is {max(shares):.1f} % ({name}; {where}), 95 % '
        f'interval of {cell["repetitions"]} drawings {low:.1f} to {high:.1f}; {above} of the intervals lie above 5 %. '
        f'The mean is {np.mean(shares):.1f} %.'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('file', help='error_rates.json')
    print(tables(json.loads(Path(parser.parse_args().file).read_text())))


if __name__ == '__main__':
    main()
