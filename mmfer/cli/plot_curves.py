"""Draw the curves of one or more trainings, with one panel for each scalar.

A training with several seeds (WORK_DIR/seed_*) is drawn as their mean, in a band of one standard deviation on each
side. The parts of a resumed run are joined.

    mmfer plot curves work_dirs/poster_var/synth work_dirs/poster_pp/synth --out curves.png
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('work_dirs', nargs='+', metavar='WORK_DIR', help='work dirs, or files of scalars (JSON lines)')
    parser.add_argument('--out', required=True, metavar='FILE', help='picture: .png, .svg or .pdf')
    parser.add_argument('--keys', nargs='+', help='scalars to draw, e.g. loss val/accuracy lr [loss accuracy lr]')
    parser.add_argument('--names', nargs='+', metavar='NAME', help='names in the legend, one for each WORK_DIR')
    parser.add_argument(
        '--smooth',
        nargs='?',
        type=float,
        const=0.6,
        default=0.0,
        metavar='WEIGHT',
        help='smooth the scalars of the training; WEIGHT of the past, from 0 to below 1 [no smoothing; 0.6 if no '
        'WEIGHT is given]',
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.visualization.curves import draw_curves, find_keys, notes, save_figure
    from mmfer.visualization.scalars import read_runs

    runs = read_runs(args.work_dirs, args.names)
    save_figure(draw_curves(runs, args.keys, args.smooth), args.out)
    for line in notes(runs, find_keys(runs, args.keys)):
        print(f'note: {line}')
    print(args.out)
