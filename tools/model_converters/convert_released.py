"""Convert released weights to mmfer's names.

Whole models: POSTER-Var, POSTER++, POSTER, DAN, DDAMFN, SCN, EAC, and what mmfer itself trained. Backbones: ResNets by
torchvision's names (MS-Celeb-1M, VGGFace2), MixedFeatureNet, IR-Nets (face.evoLVe and others), MobileFaceNet.

The source is a file of torch.save, also of a whole network, safetensors, or a pickle of NumPy arrays. It is read
without unpickling it, so that it may come from anywhere::

    python tools/model_converters/convert_released.py poster_pp.pth converted.pth --config configs/poster_pp/raf.py
    python tools/model_converters/convert_released.py resnet50_ft_weight.pkl r50.pth --config configs/eac/raf.py
"""

import argparse
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description='Convert released weights to a checkpoint of mmfer.')
    parser.add_argument('src', metavar='SRC', help='the released file')
    parser.add_argument('dst', metavar='DST', help='the checkpoint to write: .pth or .safetensors')
    parser.add_argument('--config', required=True, help='config of the model that the weights fill')
    parser.add_argument('--force', action='store_true', help='replace DST if it exists')
    args = parser.parse_args()
    from mmfer.apis import convert
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: print(convert(args.src, args.dst, args.config, args.force)))


if __name__ == '__main__':
    sys.exit(main())
