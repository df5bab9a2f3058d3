"""Convert released weights of POSTER-Var, POSTER++, IR-50 or MobileFaceNet to mmfer's names.

The source is read without unpickling it, so that it may come from anywhere::

    python tools/model_converters/convert_released.py poster_pp.pth converted.pth --config configs/poster_pp/raf.py
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
