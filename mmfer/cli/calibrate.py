"""Calibrate the probabilities of a checkpoint on a validation split, by temperature or vector scaling,
find the uncertainty above which it should not answer (--coverage or --max-error), and sets of expressions that hold
the label of a new face as often as asked (--sets).

The new checkpoint takes the place of the old one in mmfer test, init_model and exports. By default the fit is on the
val_dataloader of CONFIG. Where that has the test images, use --holdout, which fits on a part of them and reports on the
others, or --data.
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of
from mmfer.options import add_cfg_options, add_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted')
    parser.add_argument(
        '--method',
        choices=['temperature', 'vector', 'none'],
        default='temperature',
        help='one number for all classes, which leaves the answers as they are, or two for each, or none [temperature]',
    )
    parser.add_argument(
        '--coverage',
        type=float,
        metavar='SHARE',
        help='abstain on the most uncertain images, answer this share of all',
    )
    parser.add_argument(
        '--max-error',
        type=float,
        metavar='RATE',
        help='abstain so that at most this share of the answers is wrong, with 95 %% confidence',
    )
    parser.add_argument(
        '--sets',
        type=float,
        metavar='SHARE',
        help='give sets of expressions that hold this share of the labels',
    )
    parser.add_argument(
        '--set-method',
        choices=['aps', 'raps', 'lac', 'votes'],
        default='aps',
        help='how sets grow; votes: sets that hold this share of the votes of a face [aps]',
    )
    parser.add_argument('--by-class', action='store_true', help='sets that hold this share of the labels of each class')
    parser.add_argument('--data', metavar='CONFIG', help='fit on the validation data of this config instead')
    parser.add_argument(
        '--holdout', type=float, metavar='SHARE', help='fit on this share of the test data and report on the rest'
    )
    parser.add_argument('--seed', type=int, default=0, help='of the draw of --holdout [0]')
    parser.add_argument('--allow-test', action='store_true', help='fit on the test images themselves all the same')
    parser.add_argument('--out', metavar='FILE.pth', help='the new checkpoint [<checkpoint>_calibrated.pth]')
    add_device(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import calibrate

    print(calibrate(**options_of(args)))
