#!/usr/bin/env python
"""How well a model's uncertainty tells the images of one data set from those of others: AUROC, chance is 50 %.

tools/test.py CONFIG CHECKPOINT --out inside.json
tools/test.py CONFIG CHECKPOINT --data configs/_base_/datasets/fer2013.py --out outside.json
tools/analysis/ood.py inside.json outside.json
"""

import argparse
import sys


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('inside', metavar='INSIDE.json', help='predictions on the data set the model was trained for')
    parser.add_argument('outside', nargs='+', metavar='OUTSIDE.json', help='those of the same model on foreign images')
    parser.add_argument('--level', type=float, default=0.95, help='of the bootstrap intervals [0.95]')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    from mmfer.comparison.foreign import ood_table
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: print(ood_table(args.inside, args.outside, args.level)))


if __name__ == '__main__':
    sys.exit(main())
