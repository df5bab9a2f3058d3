"""Test a checkpoint on the test data of a config."""

from __future__ import annotations

import argparse

from mmfer.options import add_cfg_options

from . import add_tta


def _pair(text: str) -> tuple:
    name, equals, other = text.partition('=')
    if not (name and equals and other):
        raise argparse.ArgumentTypeError(f'{text!r} is not of the form NAME=NAME')
    return name, other


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument('--out', metavar='FILE.json', help='write the metrics, and the prediction for each image')
    parser.add_argument(
        '--data', metavar='CONFIG', help='test on the test data of this config instead; classes are matched by name'
    )
    parser.add_argument(
        '--class-map',
        nargs='+',
        type=_pair,
        default=[],
        metavar='NAME=NAME',
        help='count a class of the model or of the data as another class, e.g. contempt=disgust',
    )
    parser.add_argument(
        '--missing',
        choices=['keep', 'images', 'drop', 'error'],
        help='classes that only the model or only the data have: keep all answers of the model (default without '
        '--data and --class-map), keep them and leave out images of classes that the model lacks (images), drop these '
        'classes from both sides (default with --data or --class-map), or stop',
    )
    add_tta(parser)
    parser.add_argument('--work-dir', help='folder of the logs [work_dirs/<folder>/<config>]')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed test [none]',
    )


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import evaluate

    evaluate(
        args.config,
        args.checkpoint,
        out=args.out,
        work_dir=args.work_dir,
        launcher=args.launcher,
        cfg_options=args.cfg_options,
        data=args.data,
        class_map=dict(args.class_map),
        missing=args.missing,
        tta=args.tta,
    )
