"""Compare heads or whole methods on equal terms: train and test each method with each seed, and report the differences.

    mmfer compare CONFIG --heads vich linear arcface --seeds 0 1 2 --work-dir DIR
    mmfer compare A.py B.py C.py --seeds 0 1 2 --work-dir DIR
    mmfer compare CONFIG --heads vich linear --label-noise 0 0.1 0.2 --occlusion 0.2 --regions eyes --work-dir DIR
    mmfer compare --from DIR... --occlusion 0.1 0.2 0.3
    mmfer compare --from DIR... --by gender
    mmfer compare CONFIG --heads vich linear --plan

The config of each method is written to DIR/METHOD/config.py, and its runs to DIR/METHOD/seed_S (train.log, checkpoints,
predictions.json). Runs with label noise go to DIR/noise_20/METHOD/seed_S, and the report to DIR (report.md,
report.json, plots).

The last checkpoint is tested: choosing the best one on the test images would favour methods that fluctuate. All methods
are trained with the first seed, then all with the second, so that a stopped comparison already has results for some
seeds. Ctrl-C saves and stops; the same command continues. Complete runs are skipped. Complete runs with other settings
are an error.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from mmfer.options import add_cfg_options, add_training


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('configs', nargs='*', metavar='CONFIG', help='one config with --heads, or several')
    parser.add_argument(
        '--heads', nargs='+', default=[], metavar='HEAD', help='names in configs/_base_/heads, or files like these'
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0], metavar='SEED', help='seeds of each method [0]')
    parser.add_argument('--work-dir', metavar='DIR', help='folder of the comparison')
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='number of runs at the same time [1]')
    parser.add_argument(
        '--processes', type=int, default=1, metavar='N', help='processes of each training, one for each GPU [1]'
    )
    parser.add_argument(
        '--checkpoint',
        choices=['last', 'best'],
        default='last',
        help='checkpoint to test: the last one, or the best one in the validation [last]',
    )
    add_training(parser)
    add_cfg_options(parser, 'every config')
    conditions = parser.add_argument_group('conditions', 'further conditions under which the methods are compared')
    conditions.add_argument(
        '--label-noise',
        type=float,
        nargs='+',
        default=[0.0],
        metavar='RATE',
        help='replace this share of the training labels, each by a random other class; the test labels stay clean. '
        'Several rates, e.g. 0 0.1 0.2, make several trainings [0]',
    )
    conditions.add_argument(
        '--noise-seed',
        type=int,
        default=0,
        metavar='N',
        help='seed of the replaced labels, which are the same in every run [0]',
    )
    conditions.add_argument(
        '--occlusion',
        type=float,
        nargs='+',
        default=[],
        metavar='SHARE',
        help='also test on faces with a block of this share occluded, e.g. 0.1 0.2 0.3',
    )
    conditions.add_argument(
        '--regions',
        nargs='+',
        default=[],
        metavar='REGION',
        help='also test on faces with this region occluded: upper, lower, left, right, eyes, mouth',
    )
    conditions.add_argument(
        '--occlusion-seed', type=int, default=0, metavar='N', help='seed of the places of the blocks [0]'
    )
    conditions.add_argument(
        '--ood',
        nargs='+',
        default=[],
        metavar='CONFIG',
        help='also predict the test images of these configs: is the uncertainty higher on out-of-distribution images?',
    )
    parser.add_argument(
        '--reference', metavar='METHOD', help='test the others against this method only [test every pair]'
    )
    parser.add_argument(
        '--primary',
        default='accuracy',
        choices=['accuracy', 'nll', 'skce', 'aurc', 'kl', 'all'],
        help='the primary metric of the tests, chosen before you see results; all: all of them, with one correction '
        'for multiple tests [accuracy]',
    )
    parser.add_argument(
        '--by',
        nargs='+',
        default=[],
        metavar='COLUMN',
        help='also report by group of faces, e.g. gender: the group for which each method is worst, and the gap. '
        'meta_keys of PackInputs in the test pipeline must name the column',
    )
    parser.add_argument(
        '--strict',
        action='store_true',
        help='write no report if there is a warning that methods were not trained on equal terms',
    )
    parser.add_argument(
        '--plan',
        action='store_true',
        help='train nothing: print how likely the comparison is to find differences in accuracy on the test images of '
        'CONFIG, for several numbers of seeds; with --from, estimate it from the runs there',
    )
    parser.add_argument('--level', type=float, default=0.95, help='confidence level of the intervals [0.95]')
    parser.add_argument(
        '--from',
        dest='finished',
        nargs='+',
        metavar='DIR',
        help='train nothing: report on the runs in these folders, and run the tests that they lack. The report goes to '
        '--work-dir, or else to the first folder. Trainings with different label noise are different conditions',
    )
    parser.add_argument('--methods', nargs='+', metavar='METHOD', help='with --from: only these methods [all]')
    parser.add_argument('--list-heads', action='store_true', help='list the heads and exit')


OF_TRAININGS = ('seeds', 'label_noise', 'noise_seed', 'processes', 'checkpoint', 'epochs', 'amp', 'cfg_options')


def _check(args: argparse.Namespace) -> None:
    if args.finished and (args.configs or args.heads):
        args.refuse('--from reports on runs that are there: no CONFIG and no --heads')
    if args.finished:
        usual = argparse.ArgumentParser()
        add_arguments(usual)
        for name in OF_TRAININGS:
            if getattr(args, name) != usual.get_default(name):
                args.refuse(f'--{name.replace("_", "-")} is for trainings; --from reports on runs that are there')
    if args.plan and args.primary == 'all':
        args.refuse('--plan is for one primary metric: leave out --primary all')
    if args.methods and not args.finished:
        args.refuse('--methods belongs to --from')
    for rate in args.label_noise:
        if not 0 <= rate < 1:
            args.refuse(f'--label-noise {rate:g}: expected a share from 0 to below 1, e.g. 0.2 for 20 %')
    if not args.finished and not args.configs:
        args.refuse('which CONFIG? (or --from DIR, or --list-heads)')
    if not args.finished and not args.work_dir and not args.plan:
        args.refuse('--work-dir DIR is needed')
    if not 0.5 <= args.level < 1:
        args.refuse(f'--level {args.level}: expected a number from 0.5 to below 1, e.g. 0.95')


def run(args: argparse.Namespace) -> int:
    if args.list_heads:
        return _list_heads()
    _check(args)
    if args.plan:
        return _plan(args)
    from mmfer.experiments import run as experiments
    from mmfer.experiments.conditions import wanted_conditions
    from mmfer.experiments.label_noise import LabelNoise
    from mmfer.experiments.methods import unique_names

    data = dict(zip(unique_names(args.ood), args.ood))
    if len(data) < len(args.ood):
        raise ValueError(f'--ood names one config twice: {", ".join(args.ood)}')
    tests = wanted_conditions(args.occlusion, args.regions, args.occlusion_seed, data)
    out = Path(args.work_dir or args.finished[0])
    output = experiments.Output(
        out,
        args.level,
        args.reference,
        shlex.join(['mmfer', *args.words]),
        primary=args.primary,
        strict=args.strict,
        by=args.by,
    )
    if args.finished:
        return experiments.report_finished(args.finished, output, tests, args.methods, args.jobs)
    noises = [LabelNoise(rate, args.noise_seed if rate else 0) for rate in args.label_noise]
    return experiments.compare_methods(
        args.configs,
        args.heads,
        args.seeds,
        output,
        tests,
        noises,
        cfg_options=args.cfg_options,
        amp=args.amp,
        epochs=args.epochs,
        jobs=args.jobs,
        processes=args.processes,
        checkpoint=args.checkpoint,
    )


def _plan(args: argparse.Namespace) -> int:
    from mmfer.experiments import plan
    from mmfer.experiments.methods import unique_names
    from mmfer.experiments.results import load_table, methods_of
    from mmfer.experiments.statistics import default_reference, pairs_to_test
    from mmfer.utils.config_options import load_config

    def number_of_tests(methods: list[str]) -> int:
        under_conditions = args.occlusion or args.regions or len(args.label_noise) > 1  # which take a reference
        reference = args.reference or (default_reference(methods) if under_conditions else None)
        return max(1, len(pairs_to_test(methods, reference)[1]))

    if args.finished:
        runs = next(iter(load_table(args.finished, args.methods).values()))
        found = plan.measured(runs, number_of_tests(list(methods_of(runs))), args.level)
        where = 'As these runs show: '
    else:
        images = plan.count_test_images(load_config(args.configs[0], args.cfg_options))
        found = plan.Plan(images, tests=number_of_tests(unique_names(args.heads or args.configs)), level=args.level)
        where = 'Assumed, for want of finished runs (--from DIR --plan takes theirs): '
    print(f'{where}{found.describe()}\n\n{found.table()}')
    return 0


def _list_heads() -> int:
    import ast

    from mmfer.engine.swap_head import list_heads

    for name, file in list_heads().items():
        text = ast.get_docstring(ast.parse(file.read_text(encoding='utf-8'))) or ''
        print(f'{name:20s}{text.split(chr(10))[0]}')
    return 0
