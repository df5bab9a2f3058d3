#!/usr/bin/env python
"""Measure how fast a config runs.

--mode data: one core loads, decodes, augments and normalises images by the training pipeline, in turn with the same
recipe in torchvision's transforms on PIL images. A ratio above 1 means mmfer is faster.

--mode train, --mode infer: steps of the model on random images, from uint8 in the host's memory on, in several settings
that take turns, beside the peak of the machine. A setting is a precision (fp32, tf32, bf16, fp16, int8), then any of
channels_last, compile and cudagraphs, in training checkpoint_activations (of the parts that this option of the config
names), and in inference onnx, joined by +.
--against lets the model of another config take turns in the same settings. The weights are random, pretrained files are
not needed.

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
    if args.against and args.mode == 'data':
        parser.error('--against compares models: --mode infer, train or all')
    return args


def run_data(args: argparse.Namespace) -> dict:
    from image_pipeline import benchmark_pipeline
    from report import pipeline_report

    result = benchmark_pipeline(args.config, args.images, args.num, args.size, args.repeat, args.batch_size)
    print(pipeline_report(result))
    return result


def run_model(args: argparse.Namespace, mode: str) -> dict:
    from model_steps import benchmark_model
    from report import model_report

    settings = args.compare
    if args.mode == 'all' and mode == 'train' and settings:
        settings = [text for text in settings if 'onnx' not in text.split('+')]
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
    print(model_report(result))
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
    train=lambda args: run_model(args, 'train'),
)


def run(args: argparse.Namespace) -> None:
    from mmfer.utils.files import write_text

    if args.out and (args.out.suffix != '.json' or not args.out.absolute().parent.is_dir()):
        raise ValueError(f'--out {args.out}: name a file that ends in .json, in a folder that is there')
    result = MODES[args.mode](args)
    if args.out:
        write_text(args.out, json.dumps(result, indent=2) + '\n')
    for part in (result, *(value for value in result.values() if isinstance(value, dict))):
        rows = part.get('rows')
        if rows and all(row['error'] for row in rows):
            raise ValueError('no setting could be measured')


def main() -> int:
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(parse_args()))


if __name__ == '__main__':
    sys.exit(main())
