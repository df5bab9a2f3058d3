"""Calibrate the probabilities of a checkpoint on a validation split, by temperature or vector scaling.

--coverage or --max-error also find the uncertainty above which the model abstains. --sets also fits prediction sets,
which contain the label of a new face with the given frequency.

Use the new checkpoint in place of the old one, in mmfer test, init_model and exports. By default the calibration is
fitted on the val_dataloader of CONFIG. If that has the test images, use --data for other images, or --holdout, which
fits on a part of the images and reports on the rest.
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of
from mmfer.options import add_cfg_options, add_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument(
        '--method',
        choices=['temperature', 'vector', 'none'],
        default='temperature',
        help='temperature: one parameter for all classes, which changes no predicted class; vector: two parameters for '
        'each class; none: the probabilities stay as they are [temperature]',
    )
    parser.add_argument(
        '--coverage',
        type=float,
        metavar='SHARE',
        help='abstain on the most uncertain images, so that this share of all images is answered',
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
        help='fit prediction sets: sets of expressions that contain this share of the labels',
    )
    parser.add_argument(
        '--set-method',
        choices=['aps', 'raps', 'lac', 'votes'],
        default='aps',
        help='score that builds the sets; votes: the sets contain this share of the votes of a face [aps]',
    )
    parser.add_argument(
        '--by-class', action='store_true', help='the sets contain this share of the labels of each class'
    )
    parser.add_argument('--data', metavar='CONFIG', help='fit on the validation data of this config instead')
    parser.add_argument(
        '--holdout', type=float, metavar='SHARE', help='fit on this share of the test data and report on the rest'
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of the random split of --holdout [0]')
    parser.add_argument(
        '--allow-test', action='store_true', help='fit on the test images; a test on them then says little'
    )
    parser.add_argument('--out', metavar='FILE.pth', help='the new checkpoint [<checkpoint>_calibrated.pth]')
    add_device(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import calibrate

    print(calibrate(**options_of(args)))
