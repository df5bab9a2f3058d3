"""Draw the latent Gaussians of faces: how a model with a variational head sees compound expressions.

Without --images, a synthetic face (SynthFER) changes from one expression to another, with both at once in between. The
picture shows the true label distribution beside the predicted one. With --images, the picture shows these images. Each
must be a cropped face, unless --detector finds the face first.

    mmfer plot latent CONFIG CKPT --out latent.png --compound happiness surprise
    mmfer plot latent CONFIG CKPT --out latent.png --images a.jpg b.jpg --detector auto
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of
from mmfer.options import add_cfg_options, add_device


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument('--out', required=True, metavar='FILE', help='picture: .png, .svg or .pdf')
    parser.add_argument('--images', nargs='+', default=(), metavar='IMAGE', help='faces, instead of synthetic ones')
    parser.add_argument(
        '--compound',
        nargs=2,
        metavar=('A', 'B'),
        help='two expressions [happiness surprise; with --images, the two strongest]',
    )
    parser.add_argument('--steps', type=int, default=7, help='number of synthetic faces [7]')
    parser.add_argument('--strength', type=float, default=0.8, help='intensity of each expression on its own [0.8]')
    parser.add_argument('--person', type=int, metavar='N', help="draw the person of this face of SynthFER's test split")
    parser.add_argument('--detector', help="auto, yunet, haar or YuNet's FILE.onnx: crop each image's largest face")
    add_device(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.latent import draw_latents

    for note in draw_latents(**options_of(args)):
        print(f'note: {note}')
    print(args.out)
