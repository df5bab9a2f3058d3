"""Write a trained model as an ONNX file, which runs without mmfer and mmpretrain.

The exported model takes batches of any size. It returns the probabilities, the mean and standard deviation of the
latent, and the uncertainty. It is calibrated if the checkpoint is. Its metadata describe the preprocessing. The file is
kept only if onnxruntime agrees with PyTorch to 1e-4 on random numbers and on faces.

--precision int8 makes the model about twice as fast on CPUs with VNNI; float16 halves the size of the file. Such a file
is compared with the float32 model on validation images, and its metadata have the differences. It is not written if the
accuracy falls too far.

    mmfer export CONFIG CKPT OUT.onnx
    mmfer export CONFIG CKPT OUT.onnx --precision int8
    mmfer export CONFIG CKPT OUT.onnx --program OUT.pt2
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmfer.options import add_cfg_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument('out', metavar='OUT.onnx', help='the file to write; an existing file is replaced')
    parser.add_argument(
        '--classes', nargs='+', metavar='NAME', help='class names in label order, if the checkpoint has none'
    )
    parser.add_argument('--images', metavar='DIR', help='also compare on the cropped faces in this folder')
    parser.add_argument(
        '--precision',
        choices=['float32', 'float16', 'int8'],
        default='float32',
        help='precision of weights and feature maps; inputs, outputs and head stay in float32 [float32]',
    )
    parser.add_argument(
        '--data',
        metavar='CONFIG',
        help='config of the data for float16 and int8: its training images, without augmentation, set the ranges of '
        "int8, and its validation images are used for the comparison [the model's CONFIG]",
    )
    parser.add_argument(
        '--max-drop',
        type=float,
        metavar='POINTS',
        help='percentage points by which the accuracy of float16 or int8 may fall; if necessary, parts of an int8 '
        'network stay in float32 [0.3]',
    )
    parser.add_argument('--opset', type=int, default=17, help="version of ONNX's operators, 17 to 20 [17]")
    parser.add_argument('--no-fast', action='store_true', help='keep PReLU as one operation, which is slower on CPUs')
    parser.add_argument('--card', type=Path, metavar='FILE.json', help='model card to put into the file')
    parser.add_argument(
        '--weights',
        metavar='OUT.safetensors',
        help='also write the weights, for fine-tuning; kernels and matrices are in float16 with --precision float16',
    )
    parser.add_argument('--program', metavar='OUT.pt2', help='also write a program of torch.export')
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import load_config
    from mmfer.inference.export.write import export_onnx, export_program, export_weights

    config = load_config(args.config, args.cfg_options)
    card = None if args.card is None else _read_card(args.card)
    common = dict(classes=args.classes, images=args.images)
    lower = dict(precision=args.precision, data=args.data, max_drop=args.max_drop)
    options = dict(opset=args.opset, fast=not args.no_fast, card=card, **lower, **common)
    report = export_onnx(config, args.checkpoint, args.out, **options)
    print(report)
    if args.weights:
        classes = report.description['classes']
        print(f'wrote {export_weights(args.checkpoint, args.weights, classes, args.precision)}')
    if args.program:
        print(export_program(config, args.checkpoint, args.program, **common))


def _read_card(path: Path) -> dict:
    """The object in a file of JSON.

    Raises:
        ValueError: It holds none.
    """
    try:
        card = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'--card {path} is no JSON: {error}.') from None
    if not isinstance(card, dict):
        raise ValueError(f'--card {path} must hold an object of JSON, such as {{"licence": "Apache-2.0"}}.')
    return card
