"""Train the model of a config, with one seed or with several.

Several seeds: `--seeds 0 1 2` trains them one after another into WORK_DIR/seed_0, WORK_DIR/seed_1, ... Each has its own
process, so seed 1 gives the same result as `--seed 1` alone. Complete seeds are skipped. With --resume, unfinished
seeds continue. At the end, a table with mean and standard deviation is printed, and written to WORK_DIR/seeds.json. In
a Slurm array, each task trains the seed at its position, and the table is made afterwards:

    sbatch --array=0-2 --wrap 'mmfer train CONFIG --work-dir WORK_DIR --seeds 0 1 2 --resume'
    mmfer train CONFIG --work-dir WORK_DIR --seeds 0 1 2 --summary
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mmfer.options import DictAction, add_training

STOPPED = 'no training was running, so nothing was saved'


class OptionsAction(DictAction):
    """Keeps the words of the command line, too, for the processes of several seeds."""

    def __call__(self, parser, namespace, values, option_string=None):
        namespace.option_words = list(values)
        super().__call__(parser, namespace, values, option_string)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('config', help='config file, or the name of a config of mmfer such as poster_var/synth')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints [work_dirs/<folder>/<config>]')
    parser.add_argument(
        '--resume', nargs='?', const='', metavar='FILE', help='continue the newest checkpoint of the work dir, or FILE'
    )
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument('--seed', type=int, help='use this seed instead of the seed of the config')
    seeds.add_argument('--seeds', type=int, nargs='+', metavar='SEED', help='train with several seeds, see above')
    parser.add_argument(
        '--summary', action='store_true', help='with --seeds: train nothing, and print the table of finished seeds'
    )
    parser.add_argument(
        '--processes',
        type=int,
        default=1,
        metavar='N',
        help='with --seeds: processes of each training, one for each GPU [1]',
    )
    add_training(parser)
    parser.add_argument('--tensorboard', action='store_true', help='also write the scalars for TensorBoard')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, metavar='NAME=VALUE', help='settings to replace in the config'
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes of a distributed training [none]',
    )


def _check(args: argparse.Namespace) -> None:
    if args.seeds is None and (args.summary or args.processes != 1):
        args.refuse(f'{"--summary" if args.summary else "--processes"} belongs to --seeds')
    if args.processes < 1:
        args.refuse(f'--processes {args.processes}: expected 1 or more')
    if args.seeds is not None and args.resume:
        args.refuse(f'--resume {args.resume}: with --seeds each continues its own newest checkpoint: --resume alone')


def run(args: argparse.Namespace) -> int:
    _check(args)
    if args.seeds is not None:
        return run_seeds(args)
    train_one(args, args.work_dir, args.seed)
    return 0


def train_one(args: argparse.Namespace, work_dir: object, seed: int) -> None:
    import torch

    from mmfer.engine.train import train
    from mmfer.utils.memory import keep_freed_memory

    if not torch.cuda.is_available():
        keep_freed_memory()
    train(
        args.config,
        work_dir=work_dir,
        load_from=args.resume or None,
        resume=args.resume is not None,
        launcher=args.launcher,
        seed=seed,
        cfg_options=args.cfg_options,
        amp=args.amp,
        tensorboard=args.tensorboard,
        epochs=args.epochs,
    )


def run_seeds(args: argparse.Namespace) -> int:
    task = os.environ.get('SLURM_ARRAY_TASK_ID')
    if args.launcher != 'none' and task is None and not args.summary:
        words = ' '.join(map(str, args.seeds))
        return refuse(
            f'--seeds starts processes of its own for each seed, so it cannot run in those of --launcher '
            f'{args.launcher}. On one machine: mmfer train {args.config} --seeds {words} --processes N; with Slurm '
            'an array of jobs (mmfer train --help).'
        )
    if task is not None and args.processes != 1:
        return refuse('--processes: in a Slurm array use tools/slurm_train.sh or tools/dist_train.sh with --seeds')
    from mmfer.engine.resume.interrupt_hook import was_restarted
    from mmfer.engine.run import default_work_dir
    from mmfer.engine.train import train_config
    from mmfer.experiments import seeds
    from mmfer.structures.run_record import config_settings

    if args.resume is None and was_restarted():
        args.resume = ''
    config = train_config(args.config, args.cfg_options, args.amp, args.tensorboard, args.epochs)
    settings = config_settings(config)
    work_dir = Path(args.work_dir or default_work_dir(config))
    if args.summary:
        tasks = seeds.plan_seeds(args.config, args.seeds, work_dir, settings)
        print(seeds.seeds_table(tasks))
        print(seeds.write_seeds(work_dir, tasks))
        return 0
    if task is not None:
        return run_array_seed(args, work_dir, seeds.array_seed(args.seeds, task), settings)
    tasks = seeds.plan_seeds(args.config, args.seeds, work_dir, settings, args.processes)
    code = seeds.train_seeds(tasks, work_dir, option_words(args), args.resume is not None)
    print(f'\n{seeds.seeds_table(tasks)}\n{work_dir / "seeds.json"}')
    return code


def refuse(message: str) -> int:
    print(f'error: {message}', file=sys.stderr)
    return 1


def run_array_seed(args: argparse.Namespace, work_dir: Path, seed: int, settings: dict) -> int:
    from mmfer.experiments import seeds

    (task,) = seeds.plan_seeds(args.config, [seed], work_dir, settings)
    if task.state == 'complete':
        print(f'Seed {seed}: complete in {task.folder}, skipped')
        return 0
    if args.resume is None:
        seeds.refuse_changed([task], seeds.REMEDY)
    train_one(args, task.folder, seed)
    return 0


def option_words(args: argparse.Namespace) -> list:
    """The options that the training of each seed has as well."""
    words = ['--tensorboard'] * args.tensorboard
    if args.amp:
        words += ['--amp', args.amp]
    if args.epochs is not None:
        words += ['--epochs', str(args.epochs)]
    if args.cfg_options:
        words += ['--cfg-options', *args.option_words]
    return words
