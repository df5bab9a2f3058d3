"""Crop the main face of each photo of a folder, aligned as by the transform AlignFace, or by its box.

The largest face of each image in and below RAW_DIR is written to OUT_DIR under the same name. RAW_DIR is only read.
OUT_DIR appears when all images are done: a run that was stopped leaves nothing behind, and the next one starts again.
Images without a face are reported together at the end, and listed in OUT_DIR/missing_faces.csv.

    mmfer download yunet
    mmfer data align ~/photos data/photos --size 224
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('raw_dir', metavar='RAW_DIR', help='folder of images, also in folders below it')
    parser.add_argument('out_dir', metavar='OUT_DIR', help='folder to write: new or empty')
    parser.add_argument('--detector', default='yunet', help="yunet, haar, or YuNet's FILE.onnx [yunet]")
    parser.add_argument('--model', metavar='PATH', help="YuNet's ONNX file [the one of mmfer download yunet]")
    parser.add_argument('--size', type=int, default=224, help='side of the face images in pixels [224]')
    parser.add_argument(
        '--crop', default='align', choices=['align', 'box'], help='crop by the landmarks, or by the box [align]'
    )
    parser.add_argument(
        '--margin', type=float, help='margin on each side, as a fraction of the crop [0 with align, 0.1 with box]'
    )
    parser.add_argument(
        '--pad', default='edge', choices=['edge', 'zero'], help='padding for pixels outside the image [edge]'
    )
    parser.add_argument(
        '--missing',
        default='error',
        choices=['error', 'skip', 'keep'],
        help='images without a face: write all others and end with an error, leave them out, or keep the whole image '
        '[error]',
    )
    parser.add_argument('--workers', type=int, default=2, help='threads [2]')


def run(args: argparse.Namespace) -> None:
    from mmfer.datasets.prepare.align_faces import align_faces

    align_faces(**options_of(args))
