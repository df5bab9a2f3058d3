"""Convert released weights to a checkpoint of mmfer, under mmfer's names.

Whole models: POSTER-Var, POSTER++, POSTER, DAN, DDAMFN, SCN, EAC, and what mmfer itself trained. Backbones: ResNets by
torchvision's names (MS-Celeb-1M, VGGFace2), MixedFeatureNet, IR-Nets (face.evoLVe and others), MobileFaceNet.

The source is a file of torch.save, also of a whole network, safetensors, or a pickle of NumPy arrays. Nothing in it is
run, so that it may come from anywhere:

    mmfer convert poster_pp.pth converted.pth --config poster_pp/raf
    mmfer convert resnet50_ft_weight.pkl r50.pth --config eac/raf
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('src', metavar='SRC', help='the released file')
    parser.add_argument('dst', metavar='DST', help='the checkpoint to write: .pth or .safetensors')
    parser.add_argument('--config', required=True, help='config of the model that the weights fill')
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import convert

    print(convert(args.src, args.dst, args.config, args.force))
