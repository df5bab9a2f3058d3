"""Convert released weights to a checkpoint of mmfer, with mmfer's names of the tensors.

Whole models: POSTER-Var, POSTER++, POSTER, DAN, DDAMFN, SCN, EAC, and checkpoints of mmfer. Backbones: ResNets with
torchvision's names (MS-Celeb-1M, VGGFace2), MixedFeatureNet, IR-Nets (face.evoLVe and others), MobileFaceNet.

The source is a file written by torch.save (weights or a whole network), a safetensors file, or a pickle of NumPy
arrays. No code in the file is run, so untrusted files are safe to convert:

    mmfer convert poster_pp.pth converted.pth --config poster_pp/raf
    mmfer convert resnet50_ft_weight.pkl r50.pth --config eac/raf
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('src', metavar='SRC', help='the released file')
    parser.add_argument('dst', metavar='DST', help='the checkpoint to write: .pth or .safetensors')
    parser.add_argument('--config', required=True, help='config of the model that gets the weights')
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import convert

    print(convert(args.src, args.dst, args.config, args.force))
