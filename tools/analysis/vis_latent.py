#!/usr/bin/env python
"""Draw the latent Gaussians of faces: what a model with a variational head sees in compound expressions, how surely.

Without --images, a drawn face (SynthFER) goes from one expression over both together to the other one, and the picture
shows the true label distribution beside the predicted one. With --images, these are drawn; each is one face that is
cut out already, or --detector finds it.

    tools/analysis/vis_latent.py CONFIG CKPT --out latent.png --compound happiness surprise
    tools/analysis/vis_latent.py CONFIG CKPT --out latent.png --images a.jpg b.jpg --detector auto
"""

import argparse
import os
import sys

# Threads that spin long while they wait starve other processes where cores are few; read when PyTorch is imported.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')

from mmfer.options import DictAction  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted')
    parser.add_argument('--out', required=True, metavar='FILE', help='picture: .png, .svg or .pdf')
    parser.add_argument('--images', nargs='+', default=(), metavar='IMAGE', help='faces, instead of drawn ones')
    parser.add_argument(
        '--compound', nargs=2, metavar=('A', 'B'), help='two expressions [happiness surprise; of images the strongest]'
    )
    parser.add_argument('--steps', type=int, default=7, help='drawn faces [7]')
    parser.add_argument('--strength', type=float, default=0.8, help='intensity of an expression alone [0.8]')
    parser.add_argument('--person', type=int, metavar='N', help="face of SynthFER's test split whose person is drawn")
    parser.add_argument(
        '--detector', help="auto, yunet, haar or YuNet's FILE.onnx: cut out the largest face of each image"
    )
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU where there is one]')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help='settings replaced in the config'
    )
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmfer.inference.latent import draw_latents

    for note in draw_latents(**vars(args)):
        print(f'note: {note}')
    print(args.out)


def main() -> int:
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
