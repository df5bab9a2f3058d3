#!/usr/bin/env python
"""Draw where a model looks in images: Grad-CAM, or the attention of POSTER-Var's encoder.

Images are taken for faces that are cut out already, as those of data sets are; --detector finds the face first. They go
through the test pipeline of CONFIG, so the map lies on what the network saw. Each image gives one picture in DIR: the
input, the map over it, and the map.

    tools/analysis/vis_cam.py CONFIG CKPT face.jpg --out maps
    tools/analysis/vis_cam.py CONFIG CKPT photos/ --out maps --detector auto --target uncertainty
    tools/analysis/vis_cam.py CONFIG CKPT face.jpg --out maps --method rollout

Grad-CAM needs the package grad-cam (pip install 'grad-cam>=1.5,<1.5.6'). The exit code is 1 where images failed.
"""

import argparse
import os
import sys

# Threads that spin long while they wait starve other processes where cores are few; read when PyTorch is imported.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')

from mmfer.options import DictAction  # noqa: E402

METHODS = ('gradcam', 'gradcam++', 'hirescam', 'layercam', 'xgradcam', 'rollout')


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file the checkpoint was trained with')
    parser.add_argument('checkpoint', help='checkpoint that mmfer trained or converted')
    parser.add_argument('images', nargs='+', metavar='IMAGE', help='image files and folders')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder of the pictures')
    parser.add_argument('--method', default='gradcam', choices=METHODS, help='[gradcam]')
    parser.add_argument(
        '--layer', metavar='NAME', help='module to look at, as in model.named_modules() [the last map of the backbone]'
    )
    parser.add_argument(
        '--target',
        metavar='LABEL',
        help='class whose logit is explained, or "uncertainty": what makes the model unsure [the predicted class]',
    )
    parser.add_argument(
        '--detector', help="auto, yunet, haar or YuNet's FILE.onnx: cut out the largest face of each image"
    )
    parser.add_argument('--device', help='e.g. cpu or cuda:1 [a GPU where there is one]')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help='settings replaced in the config'
    )
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmfer.inference.explain import heat_maps

    done = heat_maps(**vars(args))
    print(done)
    return int(bool(done.errors))


def main() -> int:
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
