"""Count the parameters of a config's model and the operations of its forward pass, attention included.

It needs neither data nor weights: it follows only the shapes of the tensors, and computes no values.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmfer.options import add_cfg_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--size',
        type=int,
        nargs='+',
        metavar='N',
        help='height and width of the image, or one number for both [the output size of the test pipeline]',
    )
    parser.add_argument('--batch', type=int, default=1, metavar='N', help='number of images [1]')
    parser.add_argument('--parts', action='store_true', help='also print a row for each part of the model')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write all numbers')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    if args.size and len(args.size) > 2:
        args.refuse(f'--size takes one or two numbers, not {len(args.size)}')
    from mmfer.models.flops import count_flops, flops_report
    from mmfer.utils.files import write_text

    if args.out and args.out.suffix != '.json':
        raise ValueError(f'--out {args.out}: the result is JSON, name a file that ends in .json')
    if args.out and not args.out.absolute().parent.is_dir():
        raise ValueError(f'--out {args.out}: there is no such folder')
    size = args.size * 2 if args.size and len(args.size) == 1 else args.size
    result = count_flops(args.config, size, args.batch, args.cfg_options)
    print(flops_report(result, args.parts))
    if args.out:
        write_text(args.out, json.dumps(result, indent=2) + '\n')
