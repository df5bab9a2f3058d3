#!/usr/bin/env python
"""Measure how fast a config runs.

--mode data: one core loads, decodes, augments and normalises images by the training pipeline, in turn with the same
recipe in torchvision's transforms on PIL images. A ratio above 1 means mmfer is faster.
"""

import argparse
import json
import sys
from pathlib import Path


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--mode', choices=sorted(MODES), required=True, help='what to measure')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write all times and the versions used')
    parser.add_argument('--repeat', type=int, default=5, help='runs of each side, medians are shown [5]')
    parser.add_argument('--batch-size', type=int, default=48, help='images a batch [48]')
    data = parser.add_argument_group('data')
    data.add_argument('--num', type=int, default=200, help='number of images [200]')
    data.add_argument('--images', metavar='DIR', help='folder of images [smooth random JPEG files, in a temporary one]')
    data.add_argument('--size', type=int, default=100, help='side of the generated images in pixels [100]')
    return parser.parse_args()


def run_data(args: argparse.Namespace) -> dict:
    from mmfer.apis.benchmark_data import benchmark_data
    from mmfer.utils.tables import render_table

    result = benchmark_data(
        args.config, args.images, num=args.num, size=args.size, repeat=args.repeat, batch_size=args.batch_size
    )
    sides = [
        (name, f'{side["ms_per_image"]:.3f}', f'{side["images_per_second"]:.0f}')
        for name, side in (('mmfer', result['ours']), ('torchvision + PIL', result['torchvision']))
    ]
    title = f'{result["num"]} images, one core, median of {result["repeat"]} runs each'
    print(render_table(('', 'ms an image', 'images/s'), sides, title=title))
    low, high = min(result['all_ratios']), max(result['all_ratios'])
    print(f'mmfer is {result["ratio"]:.2f} times as fast ({low:.2f} to {high:.2f})\n')
    steps = [(step['name'], f'{step["ms_per_image"]:.3f}') for step in result['steps']]
    print(render_table(('step of mmfer', 'ms an image'), steps))
    return result


MODES = dict(data=run_data)


def run(args: argparse.Namespace) -> None:
    from mmfer.utils.checkpoint import replace_synced

    if args.out:
        if args.out.suffix != '.json':
            raise ValueError(f'--out {args.out}: the result is JSON, name a file that ends in .json')
        if not args.out.absolute().parent.is_dir():
            raise ValueError(f'--out {args.out}: there is no such folder')
    result = MODES[args.mode](args)
    if args.out:
        part = args.out.with_name(args.out.name + '.part')
        try:
            part.write_text(json.dumps(result, indent=2) + '\n', encoding='utf-8')
            replace_synced(part, args.out)
        finally:
            part.unlink(missing_ok=True)


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
