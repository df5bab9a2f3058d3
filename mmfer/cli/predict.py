"""Expressions of the faces in photos, folders, videos or from a camera, with their uncertainty.

    mmfer predict CONFIG CHECKPOINT photo.jpg folder/ --out-dir drawn --save results.csv
    mmfer predict model.onnx photo.jpg
    mmfer predict model.onnx video.mp4 --out drawn.mp4 --save frames.jsonl
    mmfer predict model.onnx 0 --show

Of a video, each face is followed and its frames are pooled.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from . import add_tta

HEADER = ('source', 'face', 'expression', 'probability', 'uncertainty (nats)', '')


def add_model(parser: argparse.ArgumentParser) -> None:
    """Arguments that name a model and say how it looks at faces."""
    parser.add_argument('model', help='config file, name of the model index, or exported .onnx file')
    parser.add_argument(
        '--detector', default='auto', help="auto, yunet, haar, YuNet's FILE.onnx, or none: images are faces [auto]"
    )
    parser.add_argument(
        '--crop', metavar='MARGIN', help='"align", or the margin of the crop around a face [by the model]'
    )
    parser.add_argument('--threshold', metavar='NATS', help='uncertainty above which to abstain, or none [checkpoint]')
    parser.add_argument('--batch-size', type=int, default=16, metavar='N', help='faces at a time [16]')
    add_tta(parser)
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU where there is one]')


def open_inferencer(args: argparse.Namespace, checkpoint: str | None, **options: Any):
    """The inferencer that the arguments of :func:`add_model` describe.

    Raises:
        ValueError: If one of them is wrong; the message names it.
    """
    import cv2

    from mmfer.inference.inferencer import ExpressionInferencer

    # What goes wrong with a file, results say: OpenCV and its video library need not write to the terminal.
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')  # of mmcv-lite, not needed
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    crop: Any = 'auto'
    if args.crop == 'align':
        crop = dict(type='AlignFace')
    elif args.crop is not None:
        crop = dict(type='CropFace', margin=_number('crop', args.crop, 'a margin such as 0.2, or align'))
    threshold: Any = 'auto'
    if args.threshold is not None:
        is_none = args.threshold.lower() == 'none'
        threshold = None if is_none else _number('threshold', args.threshold, 'a number of nats, or none')
    detector = None if args.detector.lower() == 'none' else args.detector
    options.update(device=args.device, detector=detector, crop=crop, threshold=threshold, tta=args.tta)
    return ExpressionInferencer(args.model, checkpoint, batch_size=args.batch_size, **options)


def _number(name: str, text: str, expected: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--{name} {text}: expected {expected}') from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    from mmfer.inference.inferencer import WEIGHTS
    from mmfer.inference.sources import is_video

    is_checkpoint = Path(args.inputs[0]).suffix.lower() in WEIGHTS
    checkpoint, inputs = (args.inputs[0], args.inputs[1:]) if is_checkpoint else (None, args.inputs)
    if not inputs:
        raise ValueError(f'which images? {checkpoint} is the checkpoint')
    films = [name for name in inputs if name.isdigit() or is_video(name)]
    if (films or args.out or args.show) and len(inputs) == 1:
        return _video(args, checkpoint, inputs[0])
    if films and (args.out or args.show):
        raise ValueError(f'--out and --show are for one video at a time, not {len(inputs)} inputs')
    return _photos(args, checkpoint, inputs)


def _video(args: argparse.Namespace, checkpoint: str | None, name: str) -> int:
    from mmfer.inference.film import film

    inferencer = open_inferencer(args, checkpoint, half_life=args.half_life)
    source = int(name) if name.isdigit() else name
    print(film(inferencer, source, out=args.out, save=args.save, show=args.show, stride=args.stride))
    return 0


def _photos(args: argparse.Namespace, checkpoint: str | None, inputs: list[str]) -> int:
    from mmfer.utils.tables import printable, render_table

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
                name = Path(result.source).name or result.source
                name = printable(name if result.frame is None else f'{name} {result.frame}')
                if result.error is not None:
                    failed += 1
                    print(f'error: {printable(result.error)}', file=sys.stderr)
                if not result.faces:
                    rows.append((name, '-', 'not answered' if result.error else 'no face found', '', '', ''))
                for number, face in enumerate(result.faces):
                    figures = (f'{face.score:.3f}', f'{face.uncertainty:.3f}', 'abstains' if face.abstain else '')
                    rows.append((name, number, face.label, *figures))
                if writer is not None:
                    writer.write(result)
                if drawings is not None and image is not None:
                    drawings.add(image, result)
        except KeyboardInterrupt as error:  # what there is, is kept
            stopped = error
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
