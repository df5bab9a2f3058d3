"""Expressions of the faces in photos, folders, videos or from a camera, with their uncertainty.

    mmfer predict CONFIG CHECKPOINT photo.jpg folder/ --out-dir drawn --save results.csv
    mmfer predict model.onnx photo.jpg
    mmfer predict model.onnx video.mp4 --out drawn.mp4 --save frames.jsonl
    mmfer predict model.onnx 0 --show

Of a video, each face is followed and its frames are pooled.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mmfer.inference.cli import add_arguments as add_model

    add_model(parser)
    parser.add_argument(
        'inputs', nargs='+', metavar='[CHECKPOINT] INPUT', help='of a config; images, folders, or a video'
    )
    parser.add_argument('--save', metavar='FILE', help='results as FILE.jsonl or FILE.csv')
    photos = parser.add_argument_group('photos')
    photos.add_argument('--out-dir', type=Path, metavar='DIR', help='folder for the images with their faces drawn in')
    photos.add_argument('--cards', action='store_true', help='draw a card of bars for each face as well')
    video = parser.add_argument_group('one video, or the number of a camera')
    video.add_argument('--out', metavar='FILE.mp4', help='the video with its faces drawn in')
    video.add_argument('--show', action='store_true', help='show it in a window; q or Esc ends')
    video.add_argument('--stride', type=int, default=1, metavar='N', help='every N-th frame [1]')
    video.add_argument(
        '--half-life', type=float, default=5.0, metavar='FRAMES', help='frames after which a prediction counts half [5]'
    )


def run(args: argparse.Namespace) -> int:
    from mmfer.inference.cli import split_checkpoint
    from mmfer.inference.sources import is_video

    checkpoint, inputs = split_checkpoint(args.inputs)
    if not inputs:
        raise ValueError(f'which images? {checkpoint} is the checkpoint')
    films = [name for name in inputs if name.isdigit() or is_video(name)]
    if (films or args.out or args.show) and len(inputs) == 1:
        return _video(args, checkpoint, inputs[0])
    if films and (args.out or args.show):
        raise ValueError(f'--out and --show are for one video at a time, not {len(inputs)} inputs')
    return _photos(args, checkpoint, inputs)


def _video(args: argparse.Namespace, checkpoint: str | None, name: str) -> int:
    from mmfer.inference.cli import open_inferencer
    from mmfer.inference.film import film

    inferencer = open_inferencer(args, checkpoint, half_life=args.half_life)
    source = int(name) if name.isdigit() else name
    print(film(inferencer, source, out=args.out, save=args.save, show=args.show, stride=args.stride))
    return 0


def _photos(args: argparse.Namespace, checkpoint: str | None, inputs: list[str]) -> int:
    from contextlib import nullcontext

    from mmfer.inference.cli import HEADER, describe, open_inferencer, printable

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
