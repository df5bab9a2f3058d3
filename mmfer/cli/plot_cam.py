"""Draw which parts of a face a prediction depends on: Grad-CAM, or the attention of POSTER-Var's encoder.

Each image must be a cropped face, as those of data sets are, unless --detector finds the face first. The images pass
the test pipeline of CONFIG, so the map is aligned with the input of the network. For each image, one picture in DIR
shows the input, the map over the input, and the map alone.

    mmfer plot cam CONFIG CKPT face.jpg --out maps
    mmfer plot cam CONFIG CKPT photos/ --out maps --detector auto --target uncertainty
    mmfer plot cam CONFIG CKPT face.jpg --out maps --method rollout

Grad-CAM needs the package grad-cam (pip install 'grad-cam>=1.5,<1.5.6'). The exit code is 1 if an image failed.
"""

from __future__ import annotations

import argparse

from mmfer.cli import options_of
from mmfer.options import add_cfg_options, add_device

METHODS = ('gradcam', 'gradcam++', 'hirescam', 'layercam', 'xgradcam', 'rollout')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted, or the name of a shipped model')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='image files and folders')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the pictures')
    parser.add_argument('--method', default='gradcam', choices=METHODS, help='how the map is computed [gradcam]')
    parser.add_argument(
        '--layer',
        metavar='NAME',
        help='module to explain, a name of model.named_modules() [the last feature map of the backbone]',
    )
    parser.add_argument(
        '--target',
        metavar='LABEL',
        help='class whose logit is explained, or "uncertainty", which explains the uncertainty [the predicted class]',
    )
    parser.add_argument('--detector', help="auto, yunet, haar or YuNet's FILE.onnx: crop each image's largest face")
    add_device(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> int:
    from mmfer.inference.explain import heat_maps

    done = heat_maps(**options_of(args))
    print(done)
    return int(bool(done.errors))
