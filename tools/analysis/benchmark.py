#!/usr/bin/env python
"""Measure how fast a config runs.

--mode data: one core loads, decodes, augments and normalises images by the training pipeline, in turn with the same
recipe in torchvision's transforms on PIL images. A ratio above 1 means mmfer is faster.

--mode train, --mode infer: steps of the model on random images, from uint8 in the host's memory on, in several settings
that take turns, beside the peak of the machine. A setting is a precision (fp32, tf32, bf16, fp16), then any of
channels_last, compile and cudagraphs, in training checkpoint_activations (of the parts that this option of the config
names), and in inference optimized (init_model(..., optimize=True)) or onnx, joined by +.
--against lets the model of another config take turns in the same settings. The weights are random, pretrained files are
not needed.

--mode list: how long a list of 280,000 entries takes to open, and how much memory with 8 workers. CONFIG is not read.

--mode all: infer, train and data, one after the other, with the times of the parts.
"""

import argparse
import json
import sys
from pathlib import Path

from mmfer.options import DictAction


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--mode', choices=sorted(MODES), required=True, help='what to measure')
    parser.add_argument('--out', type=Path, metavar='FILE.json', help='write all times and the versions used')
    model = parser.add_argument_group('train, infer')
    model.add_argument('--against', metavar='CONFIG', help='another config that takes turns with the first')
    model.add_argument('--batch', type=int, nargs='+', metavar='N', help="[the config's; infer: 1 64 256, CPU 1 16]")
    model.add_argument(
        '--compare', nargs='+', metavar='SETTING', help='settings, the first is what others are times of'
    )
    model.add_argument('--amp', nargs='?', const='bfloat16', choices=['bfloat16', 'float16'], help='fp32 and this')
    model.add_argument('--compile', action='store_true', help='fp32 and torch.compile (with --amp if that is given)')
    model.add_argument('--onnx', action='store_true', help='infer: fp32 and the exported model in onnxruntime')
    model.add_argument('--parts', action='store_true', help='also the times of backbone, neck, head and optimizer')
    model.add_argument('--compile-backend', default='inductor', metavar='NAME', help='of torch.compile [inductor]')
    model.add_argument('--device', help='[the GPU if there is one]')
    model.add_argument('--steps', type=int, metavar='N', help='steps a round [as many as fit into about a second]')
    model.add_argument('--rounds', type=int, default=5, metavar='N', help='turns of each setting [5]')
    model.add_argument('--warmup', type=int, default=3, metavar='N', help='steps after the first, not measured [3]')
    model.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help='settings replaced in the config'
    )
    data = parser.add_argument_group('data')
    data.add_argument('--repeat', type=int, default=5, help='runs of each side, medians are shown [5]')
    data.add_argument('--batch-size', type=int, default=48, help='images a batch [48]')
    data.add_argument('--num', type=int, default=200, help='number of images [200]')
    data.add_argument('--images', metavar='DIR', help='folder of images [smooth random JPEG files, in a temporary one]')
    data.add_argument('--size', type=int, default=100, help='side of the generated images in pixels [100]')
    args = parser.parse_args()
    if args.compare and (args.amp or args.compile or args.onnx):
        parser.error('--compare names the settings itself: --compare fp32 bf16+compile fp32+onnx')
    if args.against and args.mode in ('data', 'list'):
        parser.error('--against compares models: --mode infer, train or all')
    return args


def run_data(args: argparse.Namespace) -> dict:
    from mmfer.benchmark.data import benchmark_data
    from mmfer.utils.tables import render_table

    result = benchmark_data(
        args.config, args.images, num=args.num, size=args.size, repeat=args.repeat, batch_size=args.batch_size
    )
    sides = [
        (name, f'{side["ms_per_image"]:.3f}', f'{side["images_per_second"]:.0f}')
        for name, side in (
            ('mmfer', result['ours']),
            ('mmfer, decoded images kept', result['kept']),
            ('torchvision + PIL', result['torchvision']),
        )
    ]
    title = f'{result["num"]} images, one core, median of {result["repeat"]} runs each'
    print(render_table(('', 'ms an image', 'images/s'), sides, title=title))
    low, high = min(result['all_ratios']), max(result['all_ratios'])
    print(f'mmfer is {result["ratio"]:.2f} times as fast ({low:.2f} to {high:.2f})')
    print(f'with decoded images kept (cache=...) {result["kept_ratio"]:.2f} times\n')
    steps = [(step['name'], f'{step["ms_per_image"]:.3f}') for step in result['steps']]
    print(render_table(('step of mmfer', 'ms an image'), steps))
    return result


def run_model(args: argparse.Namespace, mode: str) -> dict:
    from mmfer.benchmark.model import benchmark_model
    from mmfer.benchmark.tables import benchmark_report

    settings = args.compare
    if settings is None and (args.amp or args.compile or (args.onnx and mode == 'infer')):
        precision = {None: 'fp32', 'bfloat16': 'bf16', 'float16': 'fp16'}[args.amp]
        settings = ['fp32', *([precision + '+compile' * args.compile] if args.amp or args.compile else [])]
        settings += ['fp32+optimized', 'fp32+onnx'] if args.onnx and mode == 'infer' else []
    if args.mode == 'all' and mode == 'train' and settings:
        settings = [text for text in settings if not {'optimized', 'onnx'} & set(text.split('+'))] or None
    result = benchmark_model(
        args.config,
        mode,
        args.batch,
        settings,
        args.device,
        args.steps,
        args.rounds,
        args.warmup,
        args.compile_backend,
        cfg_options=args.cfg_options,
        against=args.against,
        parts=args.parts or args.mode == 'all',
    )
    print(benchmark_report(result))
    return result


def run_list(args: argparse.Namespace) -> dict:
    from mmfer.benchmark.image_list import benchmark_list

    result = benchmark_list(repeat=args.repeat)
    print(f'{result["num"]} entries: open in {result["seconds"]:.2f} s; ', end='')
    print(f'{result["list_mb"]:.0f} MB with {result["workers"]} workers')
    return result


def run_all(args: argparse.Namespace) -> dict:
    results = dict(mode='all')
    for mode in ('infer', 'train', 'data'):
        print(f'\n{mode}\n')
        try:
            results[mode] = MODES[mode](args)
        except ValueError as error:  # pipelines without a counterpart in torchvision, for example
            print(f'{mode} cannot be measured: {error}')
            results[mode] = dict(mode=mode, error=str(error))
    return results


MODES = dict(
    all=run_all,
    data=run_data,
    infer=lambda args: run_model(args, 'infer'),
    list=run_list,
    train=lambda args: run_model(args, 'train'),
)


def run(args: argparse.Namespace) -> None:
    from mmfer.utils.files import replace_synced

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
    for part in (result, *(value for value in result.values() if isinstance(value, dict))):
        rows = part.get('rows')
        if rows and all(row['error'] for row in rows):
            raise ValueError('no setting could be measured')


def main() -> int:
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
