#!/usr/bin/env python
"""Expressions of the faces in a video or from a camera, each face followed and its frames pooled.

python demo/video_demo.py CONFIG CHECKPOINT video.mp4 --out drawn.mp4 --save frames.jsonl
python demo/video_demo.py model.onnx 0 --show
"""

import argparse
import sys


def parse_args(argv: list = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    from mmfer.inference.cli import add_arguments

    add_arguments(parser)
    parser.add_argument('inputs', nargs='+', metavar='[CHECKPOINT] VIDEO', help='of a config; file or camera')
    parser.add_argument('--out', metavar='FILE.mp4', help='the video with its faces drawn in')
    parser.add_argument('--save', metavar='FILE', help='results as FILE.jsonl or FILE.csv, a frame after the other')
    parser.add_argument('--show', action='store_true', help='show it in a window; q or Esc ends')
    parser.add_argument('--stride', type=int, default=1, metavar='N', help='every N-th frame [1]')
    parser.add_argument(
        '--half-life', type=float, default=5.0, metavar='FRAMES', help='frames after which a prediction counts half [5]'
    )
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> int:
    from mmfer.inference.cli import open_inferencer, split_checkpoint
    from mmfer.inference.film import film

    checkpoint, inputs = split_checkpoint(args.inputs)
    if len(inputs) != 1:
        raise ValueError(f'one video at a time, not {len(inputs)}: {", ".join(inputs) or "none is named"}')
    source = int(inputs[0]) if inputs[0].isdigit() else inputs[0]
    inferencer = open_inferencer(args, checkpoint, half_life=args.half_life)
    print(film(inferencer, source, out=args.out, save=args.save, show=args.show, stride=args.stride))
    return 0


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
