#!/usr/bin/env python
"""How long it takes to start: import mmfer, mmfer --help, and mmfer train poster_var/synth until its first step.

    python benchmarks/startup.py --against OTHER_CHECKOUT --out startup.json

Each is a process of its own; this checkout and the other one take turns. Seconds of CPU hardly depend on what else the
machine does, those of the clock do; medians are shown. The faces of SynthFER are drawn before.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mmengine.hooks import Hook

ROOT = Path(__file__).resolve().parents[1]
CONFIG = """from mmengine.config import read_base

with read_base():
    from mmfer.configs.poster_var.synth import *

from startup import FirstStep

custom_hooks = [dict(type=FirstStep)]
"""
KINDS = {
    'python': ('-c', 'pass'),
    'import mmfer': ('-c', 'import mmfer'),
    'mmfer --help': ('-m', 'mmfer', '--help'),
    'mmfer train, first step': ('-m', 'mmfer', 'train', 'config.py', '--work-dir', 'work'),
}


class FirstStep(Hook):
    """Ends the process where the first step of a training would begin."""

    priority = 'LOWEST'

    def before_train_iter(self, *arguments: object, **options: object) -> None:
        os._exit(0)


def seconds(words: tuple[str, ...], checkout: Path) -> tuple[float, float]:
    """Seconds of CPU and of the clock of a process that uses the mmfer of a checkout."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, 'config.py').write_text(CONFIG, encoding='utf-8')
        paths = os.pathsep.join([str(checkout), str(ROOT / 'benchmarks')])
        before, start = os.times(), time.perf_counter()
        done = subprocess.run(
            [sys.executable, *words],
            cwd=folder,
            env=dict(os.environ, PYTHONPATH=paths, OMP_NUM_THREADS='1'),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        clock, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(f'{" ".join(words)} with {checkout}: {done.stderr.strip()[-1000:]}')
    return after[2] + after[3] - before[2] - before[3], clock


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--against', type=Path, metavar='DIR', help='another checkout of mmfer, such as a git worktree')
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='turns of each [5]')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write all times and the versions used')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    from mmfer.structures.run_record import git_state, machine, versions
    from mmfer.utils.files import write_json
    from mmfer.utils.tables import render_table

    sides = dict(now=ROOT, **({'before': args.against.resolve()} if args.against else {}))
    found: dict = {kind: {side: [] for side in sides} for kind in KINDS}
    for turn in range(args.rounds + 1):  # the first, which draws the faces and compiles the modules, does not count
        for kind, words in KINDS.items():
            for side, checkout in sides.items():
                times = seconds(words, checkout)
                if turn:
                    found[kind][side].append(dict(zip(('cpu_s', 's'), times)))
    medians = {
        kind: {
            side: {key: statistics.median(each[key] for each in own) for key in ('cpu_s', 's')}
            for side, own in by_side.items()
        }
        for kind, by_side in found.items()
    }
    rows = [
        (f'{kind}, {side}', f'{own["cpu_s"]:.3f}', f'{own["s"]:.3f}')
        for kind, by_side in medians.items()
        for side, own in by_side.items()
    ]
    print(render_table(('', 's of CPU', 's'), rows, title=f'medians of {args.rounds} rounds'))
    if args.out:
        record = dict(git=git_state(), versions=versions(), machine=machine(), load=os.getloadavg()[0])
        write_json(args.out, dict(medians=medians, rounds=found, **record))
    return 0


if __name__ == '__main__':
    sys.exit(main())
