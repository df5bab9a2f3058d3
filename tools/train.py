#!/usr/bin/env python
"""Train the model of a config."""

import argparse
import os
import sys

# Threads that spin long while they wait starve other processes where cores are few; read when PyTorch is imported.
os.environ.setdefault('GOMP_SPINCOUNT', '1000')

from mmengine.config import DictAction  # noqa: E402


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file, e.g. configs/poster_var/synth.py')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints [work_dirs/<folder>/<config>]')
    parser.add_argument(
        '--resume', nargs='?', const='', metavar='FILE', help='continue the newest checkpoint of the work dir, or FILE'
    )
    parser.add_argument('--seed', type=int, help='replaces the seed of the config')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='NAME=VALUE', help='settings replaced in the config'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmfer.apis import build_runner

    runner = build_runner(
        args.config,
        work_dir=args.work_dir,
        load_from=args.resume or None,
        resume=args.resume is not None,
        launcher=args.launcher,
        seed=args.seed,
        cfg_options=args.cfg_options,
    )
    runner.train()


def main() -> int:
    args = parse_args()
    from mmfer.utils.errors import run_tool

    return run_tool(lambda: run(args))


if __name__ == '__main__':
    sys.exit(main())
