#!/usr/bin/env python
"""Compare heads, or whole methods, on equal terms: train and test each with each seed, and report the differences.

    tools/compare_heads.py CONFIG --heads vich linear arcface --seeds 0 1 2 --work-dir DIR
    tools/compare_heads.py A.py B.py C.py --seeds 0 1 2 --work-dir DIR
    tools/compare_heads.py --from DIR...

The config of each method is written to DIR/METHOD/config.py, its runs to DIR/METHOD/seed_S (train.log, test.log,
checkpoints, predictions.json), and the report to DIR (report.md, report.json, plots). The last checkpoint is tested:
to choose the best one by the test images would favour methods that fluctuate. All methods are trained with the first
seed, then all with the second, so that a comparison that was stopped already says something. Ctrl-C saves and stops;
the same command goes on. Runs that are complete are skipped; with other settings they are refused.
"""

import argparse
import os
import shlex
import sys
from pathlib import Path

# Threads that spin long while they wait starve other processes where cores are few; read when PyTorch is imported.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')

from mmfer.options import DictAction  # noqa: E402


def parse_args(argv: list = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='one config with --heads, or several')
    parser.add_argument(
        '--heads', nargs='+', default=[], metavar='HEAD', help='names in configs/_base_/heads, or files like these'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='SEED', help='seeds of each method [0]')
    parser.add_argument('--work-dir', metavar='DIR', help='folder of the comparison')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='runs at a time [1]')
    parser.add_argument(
        '--processes', type=int, default=1, metavar='N', help='processes of each training, one a GPU [1]'
    )
    parser.add_argument(
        '--checkpoint', choices=['last', 'best'], default='last', help='what is tested; best is by validation [last]'
    )
    parser.add_argument(
        '--amp',
        nargs='?',
        const='bfloat16',
        choices=['bfloat16', 'float16'],
        help='mixed precision; bfloat16 if no number format is named',
    )
    parser.add_argument(
        '--epochs', type=int, metavar='N', help='train for N epochs, with every schedule stretched to them'
    )
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help='settings replaced in every config'
    )
    parser.add_argument(
        '--foreign',
        nargs='+',
        default=[],
        metavar='CONFIG',
        help='also test on the test images of these configs: does the uncertainty tell that they are foreign?',
    )
    parser.add_argument(
        '--label-noise',
        type=float,
        default=0.0,
        metavar='RATE',
        help='replace this share of the training labels, each by another class at random; the test stays clean [0]',
    )
    parser.add_argument(
        '--noise-seed', type=int, default=0, metavar='N', help='of that choice, which is the same for every run [0]'
    )
    parser.add_argument('--reference', metavar='METHOD', help='test the others against this method, not every pair')
    parser.add_argument('--level', type=float, default=0.95, help='of the intervals [0.95]')
    parser.add_argument(
        '--from',
        dest='finished',
        nargs='+',
        metavar='DIR',
        help='only report on the runs in these folders, to --work-dir if given, else to the first of them',
    )
    parser.add_argument('--list-heads', action='store_true', help='list the heads, and end')
    args = parser.parse_args(argv)
    args.words = sys.argv[1:] if argv is None else argv
    if args.finished and (args.configs or args.heads):
        parser.error('--from reports on runs that are there: no CONFIG and no --heads')
    if args.finished and args.label_noise:
        parser.error('--label-noise is for trainings; --from reports on runs that are there')
    if not 0 <= args.label_noise < 1:
        parser.error(f'--label-noise {args.label_noise:g}: expected a share from 0 to below 1, e.g. 0.2 for 20 %')
    if not args.finished and not args.list_heads:
        if not args.configs:
            parser.error('which CONFIG? (or --from DIR, or --list-heads)')
        if not args.work_dir:
            parser.error('--work-dir DIR is needed')
    if not 0.5 <= args.level < 1:
        parser.error(f'--level {args.level}: expected a number from 0.5 to below 1, e.g. 0.95')
    return args


def run(args: argparse.Namespace) -> int:
    if args.list_heads:
        return list_heads()
    from mmfer.comparison.label_noise import LabelNoise
    from mmfer.comparison.run import report_finished, run_comparison
    from mmfer.comparison.train import Options, foreign_data

    foreign = foreign_data(args.foreign)
    command = shlex.join(['python', 'tools/compare_heads.py', *args.words])
    options = Options(Path(__file__).resolve().parent, args.jobs, args.processes, args.checkpoint, foreign, command)
    if args.finished:
        out = args.work_dir or args.finished[0]
        return report_finished(args.finished, out, options, args.level, args.reference)
    noise = LabelNoise(args.label_noise, args.noise_seed)
    settings = (args.cfg_options, args.amp, args.level, args.reference, noise, args.epochs)
    return run_comparison(args.configs, args.heads, args.seeds, args.work_dir, options, *settings)


def list_heads() -> int:
    import ast

    from mmfer.apis import list_heads

    for name, file in list_heads().items():
        text = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
        print(f'{name:20s}{text.split(chr(10))[0]}')
    return 0


def main() -> int:
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
