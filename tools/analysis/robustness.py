#!/usr/bin/env python
"""What label noise or covered faces do to the methods of finished comparisons: accuracy, calibration, uncertainty.

    tools/analysis/robustness.py DIR_CLEAN DIR_NOISE10 DIR_NOISE20 --work-dir OUT
    tools/analysis/robustness.py DIR --occlusion 0.1 0.2 0.3 --regions upper lower

The first compares trainings of compare_heads.py with other --label-noise, on the same clean test images; the rates are
read from what the trainings left. The second tests the checkpoints of one comparison on faces of which a part is
covered, the same for all methods, and keeps the predictions beside those of the runs, so that nothing is tested twice.
Both write robustness.md, robustness.json and robustness.png to OUT, by default the first DIR.
"""

import argparse
import os
import shlex
import sys

# Threads that spin long while they wait starve other processes where cores are few; read when PyTorch is imported.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')


def parse_args(argv: list = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dirs', nargs='+', metavar='DIR', help='folders of comparisons, of methods or of runs')
    parser.add_argument(
        '--occlusion',
        type=float,
        nargs='+',
        default=[],
        metavar='SHARE',
        help='test on faces of which a block of this share is covered, e.g. 0.1 0.2 0.3',
    )
    parser.add_argument(
        '--regions',
        nargs='+',
        default=[],
        metavar='REGION',
        help='test on faces of which this part is covered: upper, lower, left, right, eyes, mouth',
    )
    parser.add_argument('--occlusion-seed', type=int, default=0, metavar='N', help='of the places of the blocks [0]')
    parser.add_argument('--methods', nargs='+', metavar='METHOD', help='only these [all]')
    parser.add_argument(
        '--reference', metavar='METHOD', help='the others are tested against it [vich, else linear, else the first]'
    )
    parser.add_argument('--level', type=float, default=0.95, help='of the intervals [0.95]')
    parser.add_argument('--work-dir', metavar='OUT', help='folder of the report [the first DIR]')
    args = parser.parse_args(argv)
    args.words = sys.argv[1:] if argv is None else argv
    if not 0.5 <= args.level < 1:
        parser.error(f'--level {args.level}: expected a number from 0.5 to below 1, e.g. 0.95')
    return args


def run(args: argparse.Namespace) -> int:
    from mmfer.comparison.robustness_run import report_robustness

    command = shlex.join(['python', 'tools/analysis/robustness.py', *args.words])
    occlusion = (args.occlusion, args.regions, args.occlusion_seed)
    out = args.work_dir or args.dirs[0]
    return report_robustness(args.dirs, out, *occlusion, args.methods, args.level, args.reference, command)


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
