#!/usr/bin/env python
"""Expressions of the faces in photos and folders, with their uncertainty: a table, pictures, JSON lines or CSV.

python demo/image_demo.py CONFIG CHECKPOINT photo.jpg folder/ --out-dir drawn
python demo/image_demo.py model.onnx photo.jpg --save results.csv
"""

import argparse
import sys
from pathlib import Path


def parse_args(argv: list = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    from mmfer.inference.cli import add_arguments

    add_arguments(parser)
    parser.add_argument('inputs', nargs='+', metavar='[CHECKPOINT] IMAGE', help='of a config; images, folders')
    parser.add_argument('--out-dir', type=Path, metavar='DIR', help='folder for the images with their faces drawn in')
    parser.add_argument('--cards', action='store_true', help='draw a card of bars for each face as well')
    parser.add_argument('--save', metavar='FILE', help='results as FILE.jsonl or FILE.csv')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    from contextlib import nullcontext

    from mmfer.inference.cli import HEADER, describe, open_inferencer, printable, split_checkpoint

    checkpoint, inputs = split_checkpoint(args.inputs)
    if not inputs:
        raise ValueError(f'which images? {checkpoint} is the checkpoint')
    if args.cards and not args.out_dir:
        raise ValueError('--cards are pictures: name their folder with --out-dir')
    if args.save:
        from mmfer.inference.writers import check_output, open_writer

        check_output(args.save)
    inferencer, drawings = open_inferencer(args, checkpoint), None
    if args.out_dir:
        from mmfer.inference.drawing import Drawings

        drawings = Drawings(args.out_dir, args.cards, inferencer.interval)
    rows, failed, stopped = [], 0, None
    with open_writer(args.save, inferencer.classes) if args.save else nullcontext() as writer:
        try:
            for image, result in inferencer.stream_images(inputs, keep_images=drawings is not None):
                rows += describe(result)
                if result.error is not None:
                    failed += 1
                    print(f'error: {printable(result.error)}', file=sys.stderr)
                if writer is not None:
                    writer.write(result)
                if drawings is not None and image is not None:
                    drawings.add(image, result)
        except KeyboardInterrupt as error:  # what there is, is kept
            stopped = error
    from mmfer.utils.tables import render_table

    print(render_table(HEADER, rows).rstrip('\n'))
    for path in (args.out_dir, args.save):
        if path:
            print(f'written to {path}')
    if failed:
        print(f'{failed} of the inputs could not be read', file=sys.stderr)
    if stopped is not None:
        stopped.args = ('these are the results until then',)
        raise stopped
    return int(bool(failed))


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
