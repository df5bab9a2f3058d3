"""Experiments from their trainings to the report, as ``mmfer compare`` runs them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmfer.structures.run_record import MARKER, read_finished
from mmfer.utils.files import write_json
from mmfer.utils.folder_lock import sole_run
from mmfer.utils.tables import render_table

from .conditions import PREDICTIONS, Condition, label_noise, training_condition
from .groups import check_columns
from .label_noise import LabelNoise
from .methods import CONFIG, plan_methods, write_configs
from .page import shown_path
from .report import write_report
from .results import load_table, name_of
from .schedule import Say, Task, refuse_changed, run_tasks, say_now
from .seeds import check_seeds
from .terms import terms_of

SUMMARY = 'comparison.json'


@dataclass
class Output:
    """What becomes of a comparison.

    Args:
        folder: Of the report.
        level: Of its intervals.
        reference: See :func:`mmfer.experiments.write_report`.
        called: The command that the user called.
        primary: See :func:`mmfer.experiments.statistics.compare`.
        strict: Refuse a comparison whose terms have a warning, such as mixed checkpoints.
        by: See :func:`mmfer.experiments.write_report`.
        say: Prints a line.
    """

    folder: Path
    level: float = 0.95
    reference: str | None = None
    called: str = ''
    say: Say = say_now
    primary: str = 'accuracy'
    strict: bool = False
    by: Sequence[str] = ()


def compare_methods(
    configs: Sequence[str | Path],
    heads: Sequence[str | Path],
    seeds: Sequence[int],
    output: Output,
    tests: Sequence[Condition] = (),
    noises: Sequence[LabelNoise] = (LabelNoise(0.0),),
    cfg_options: Mapping | None = None,
    amp: str | None = None,
    epochs: int | None = None,
    jobs: int = 1,
    processes: int = 1,
    checkpoint: str = 'last',
) -> int:
    """Train and test several methods, continuing what was begun, and write the report.

    All methods are trained with the first seed, then all with the second. A training without label noise lies in
    ``METHOD/seed_<s>`` of the folder, one with 20 % of it in ``noise_20/METHOD/seed_<s>``.

    Args:
        configs: As ``heads``, ``cfg_options``, ``amp`` and ``epochs``: see
            :func:`mmfer.experiments.methods.plan_methods`.
        seeds: Seeds of each method.
        output: Its folder is that of the runs, too.
        tests: Further conditions that the trainings with the least label noise are tested under.
        noises: Label noise of the trainings, a condition each.
        jobs: Runs at a time.
        processes: Processes of each training.
        checkpoint: What is tested: ``'last'``, or ``'best'`` by validation, which is optimistic where the validation
            images are the test images.

    Returns:
        The exit code: 0 if all is complete, 128 + the number of the signal that stopped it, else 1.

    Raises:
        ValueError: If the arguments do not fit together, or there are runs with other settings.
    """
    for name, value in (('jobs', jobs), ('processes', processes)):
        if value < 1:
            raise ValueError(f'{name}={value}: expected 1 or more')
    check_seeds(seeds)
    conditions = [label_noise(noise) for noise in sorted(noises)]
    if len(set(conditions)) < len(conditions):
        raise ValueError(f'label noise is there twice: {", ".join(condition.name for condition in conditions)}')
    methods, tasks = [], []
    for condition, noise in zip(conditions, sorted(noises)):
        name = f'noise_{100 * noise.rate:g}{f"_seed_{noise.seed}" * (noise.seed > 0)}' if noise.rate else ''
        for method in plan_methods(configs, heads, output.folder / name, cfg_options, amp, noise, epochs):
            if checkpoint == 'best' and not method.settings.get('default_hooks.checkpoint.save_best'):
                raise ValueError(f'checkpoint=best: {method.name} sets no default_hooks.checkpoint.save_best')
            check_columns(method.settings, output.by, method.name)
            methods.append(method)
            for seed in seeds:
                own = [condition, *tests] if condition == conditions[0] else [condition]
                name = f'{method.name} seed {seed}' + f', {condition.name}' * (len(conditions) > 1)
                folder = method.folder / f'seed_{seed}'
                tasks.append(Task(name, folder, seed, method.config, method.settings, processes, own, checkpoint))
    names = dict.fromkeys(method.name for method in methods)
    if output.reference not in (None, *names):
        raise ValueError(f'reference={output.reference}: the methods are {", ".join(names)}')
    tasks.sort(key=lambda task: seeds.index(task.seed))
    with sole_run(output.folder / 'comparison.lock'):
        refuse_changed([task.inspect() for task in tasks], 'or set the options as they were')
        write_configs(methods)

        def summarise() -> None:
            write_summary(output.folder, tasks, output.called)

        number = run_tasks(tasks, jobs, output.say, summarise)
        summarise()
        dirs = [task.folder for task in tasks if (task.folder / PREDICTIONS).is_file()]
        return _finish(tasks, number, dirs, output)


def report_finished(
    dirs: Sequence[str | Path],
    output: Output,
    tests: Sequence[Condition] = (),
    methods: Sequence[str] | None = None,
    jobs: int = 1,
) -> int:
    """Write the report on trainings that are there; tests that are lacking are made.

    Args:
        dirs: Folders of comparisons, of methods or of runs.
        output: Where the report goes.
        tests: Conditions that the trainings with the least label noise are to be tested under.
        methods: Only these.
        jobs: Tests at a time.

    Returns:
        The exit code, see :func:`compare_methods`.

    Raises:
        FileNotFoundError: If there is nothing to report on.
        ValueError: If the runs do not fit together.
    """
    absent = [str(folder) for folder in dirs if not Path(folder).is_dir()]
    if absent:
        raise FileNotFoundError(f'no such folder: {", ".join(absent)}')
    found = {file.parent for top in dirs for name in (PREDICTIONS, MARKER) for file in Path(top).rglob(name)}
    finished = {folder: read_finished(folder) for folder in sorted(found)}
    conditions = {
        folder: training_condition((own or {}).get('settings', {}))
        for folder, own in finished.items()
        if not methods or name_of(folder)[0] in methods
    }
    first = min(conditions.values(), key=lambda condition: condition.order, default=None)
    tasks = []
    for folder, condition in conditions.items():
        own = [] if (folder / PREDICTIONS).is_file() else [condition]
        own += tests if condition == first else []
        if own:
            tasks.append(_task(folder, own, finished[folder]))
    number = run_tasks(tasks, jobs, output.say) if any(task.state != 'complete' for task in tasks) else 0
    return _finish(tasks, number, dirs, output, methods)


def _task(folder: Path, tests: Sequence[Condition], finished: Mapping | None) -> Task:
    """A training that is there; with the checkpoint that was tested, if one was."""
    method, seed = name_of(folder)
    try:
        header = json.loads((folder / PREDICTIONS).read_text())
    except (FileNotFoundError, ValueError):  # a broken file is named when the table is read
        header = {}
    seed = next((s for s in (seed, (finished or {}).get('seed'), header.get('seed')) if s is not None), None)
    configs = [folder.resolve().parent / CONFIG, Path(header.get('config') or '-'), *sorted(folder.glob('*.py'))]
    config = next((file for file in configs if file.is_file()), configs[0])
    checkpoint = Path(header.get('checkpoint') or '-')
    own = folder / checkpoint.name
    which = (own if own.is_file() else checkpoint) if header else 'last'
    name = method if seed is None else f'{method} seed {seed}'
    return Task(name, folder, seed, config, tests=tests, which=which).inspect()


def _finish(
    tasks: Sequence[Task],
    number: int,
    dirs: Sequence[str | Path],
    output: Output,
    methods: Sequence[str] | None = None,
) -> int:
    """Report on what is there, and say what is missing; the exit code."""
    missing = [task for task in tasks if task.state != 'complete']
    if number:
        output.say(f'Stopped: {len(tasks) - len(missing)} of {len(tasks)} runs are complete. The same command goes on.')
        return 128 + number
    if any(any(Path(folder).rglob(PREDICTIONS)) for folder in dirs) or not tasks:
        table = load_table(dirs, methods)
        known = {run.method for run in next(iter(table.values()))}
        reference = output.reference if output.reference in known or not missing else None
        notes = terms_of({c.name: runs for c, runs in table.items() if c.kind == 'label noise'})
        warnings = [note for note in notes if note.startswith('WARNING')]
        if output.strict and warnings:
            raise ValueError('--strict refuses this comparison:\n' + '\n'.join(warnings))
        commands = dict.fromkeys(_commands(dirs))
        notes += [f'Trained and tested by `{line}`.' for line in commands if line]
        notes += [f'Reported by `{output.called}`.'] if output.called and output.called not in commands else []
        if missing:
            notes.append(f'MISSING, so not in this report: {", ".join(task.name for task in missing)}.')
        report = write_report(table, output.folder, output.level, reference, notes, output.primary, output.by)
        output.say(f'\n{report.table}\n')
        for line in dict.fromkeys([*report.verdict, *notes]):
            output.say(f'- {line}')
        output.say(f'\n{shown_path(output.folder)}: {", ".join(report.files)}')
    if missing:
        output.say(f'\n{len(missing)} of {len(tasks)} runs are missing; the same command tries them again:')
        rows = [(task.name, task.describe(), shown_path(task.log or task.folder)) for task in missing]
        output.say(render_table(('run', 'state', 'where'), rows).rstrip('\n'))
    return int(bool(missing))


def _commands(dirs: Sequence[str | Path]) -> list[str]:
    """What was called to train the runs in these folders of comparisons, or of methods or runs within them."""
    found = []
    for folder in map(Path, dirs):
        for place in (folder, *list(folder.resolve().parents)[:3]):
            try:
                found.append(json.loads((place / SUMMARY).read_text())['command'])
                break
            except (OSError, KeyError, TypeError, ValueError):
                continue
    return found


def write_summary(work_dir: Path, tasks: Sequence[Task], called: str) -> None:
    """Write where each run stands to ``comparison.json``."""
    runs = [
        dict(name=task.name, folder=task.folder.relative_to(work_dir).as_posix(), state=task.state, detail=task.detail)
        for task in tasks
    ]
    write_json(work_dir / SUMMARY, dict(command=called, runs=runs))
