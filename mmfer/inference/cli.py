"""What the demos share: their arguments, and the model and inputs that these name."""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument('--tta', choices=['flip', 'flip+shifts'], help='mean over 2 or 10 views of a face [one view]')
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU where there is one]')


def split_checkpoint(words: list[str]) -> tuple[str | None, list[str]]:
    """The checkpoint, where the first word is one, and the others.

    >>> split_checkpoint(['epoch_7.pth', 'photo.jpg'])
    ('epoch_7.pth', ['photo.jpg'])
    """
    from .inferencer import WEIGHTS

    if words and Path(words[0]).suffix.lower() in WEIGHTS:
        return words[0], words[1:]
    return None, words


def open_inferencer(args: argparse.Namespace, checkpoint: str | None, **options: Any):
    """The inferencer that the arguments describe.

    Raises:
        ValueError: If one of them is wrong; the message names it.
    """
    from .inferencer import ExpressionInferencer

    be_quiet()
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
    return ExpressionInferencer(
        args.model,
        checkpoint,
        device=args.device,
        detector=detector,
        crop=crop,
        batch_size=args.batch_size,
        threshold=threshold,
        tta=args.tta,
        **options,
    )


def _number(name: str, text: str, expected: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f'--{name} {text}: expected {expected}') from None


def be_quiet() -> None:
    """Keep OpenCV and its video library from writing to the terminal: what goes wrong with a file, results say."""
    import cv2

    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')  # of mmcv-lite, not needed
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def printable(text: str) -> str:
    """``text`` on one line, without what terminals cannot show.

    >>> printable('a\\nb.jpg')
    'a\\\\nb.jpg'
    """
    return ''.join(char if char.isprintable() else char.encode('unicode_escape').decode() for char in text)


def describe(result) -> list[tuple]:
    """Rows of a table for a terminal: source, face, label, probability, uncertainty, abstention."""
    name = Path(result.source).name or result.source
    name = printable(name if result.frame is None else f'{name} {result.frame}')
    if result.error is not None:
        return [(name, '-', 'not answered', '', '', '')]
    if not result.faces:
        return [(name, '-', 'no face found', '', '', '')]
    rows = []
    for number, face in enumerate(result.faces):
        unsure = 'abstains' if face.abstain else ''
        rows.append((name, number, face.label, f'{face.score:.3f}', f'{face.uncertainty:.3f}', unsure))
    return rows


HEADER = ('source', 'face', 'expression', 'probability', 'uncertainty (nats)', '')
