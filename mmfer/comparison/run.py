"""A comparison from its trainings to its report, as ``tools/compare_heads.py`` runs it."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmfer.utils.finished import MARKER, read_finished, write_json
from mmfer.utils.folder_lock import sole_run
from mmfer.utils.tables import render_table

from .label_noise import LabelNoise, noise_notes
from .methods import CONFIG, plan_methods
from .report import shown_path, write_report
from .results import PREDICTIONS, Run, load_runs
from .terms import check_terms, other_settings, run_facts
from .train import Options, Task, find_checkpoint, train_methods

SUMMARY = 'comparison.json'
SHOWN = 6  # settings of a method that are printed

_say = partial(print, flush=True)


def run_comparison(
    configs: Sequence[str | Path],
    heads: Sequence[str | Path],
    seeds: Sequence[int],
    work_dir: str | Path,
    options: Options,
    cfg_options: Mapping | None = None,
    amp: str | None = None,
    level: float = 0.95,
    reference: str | None = None,
    noise: LabelNoise | None = None,
    epochs: int | None = None,
    say: Callable[[str], Any] = _say,
) -> int:
    """Train and test several methods, continuing what was begun, and write the report.

    Args:
        configs: As ``heads``, ``cfg_options`` and ``amp``: see :func:`mmfer.comparison.methods.plan_methods`.
        seeds: Seeds of each method.
        work_dir: Folder of the comparison.
        options: How the runs are made.
        level: Of the intervals of the report.
        reference: See :func:`mmfer.comparison.write_report`.
        noise: Of the training labels of all methods.
        epochs: See :func:`mmfer.engine.train.train`.
        say: Prints a line.

    Returns:
        The exit code: 0 if all is complete, 128 + the number of the signal that stopped it, else 1.

    Raises:
        ValueError: If the arguments do not fit together, or there are runs with other settings.
    """
    work_dir = Path(work_dir)
    methods = plan_methods(configs, heads, work_dir, cfg_options, amp, noise, epochs)
    names = [method.name for method in methods]
    if reference is not None and reference not in names:
        raise ValueError(f'reference={reference}: the methods are {", ".join(names)}')
    for method in methods:
        if options.checkpoint == 'best' and not method.settings.get('default_hooks.checkpoint.save_best'):
            raise ValueError(f'checkpoint=best: the config of {method.name} sets no default_hooks.checkpoint.save_best')
    with sole_run(work_dir / 'comparison.lock', say) as lock:
        tasks, number = train_methods(methods, seeds, work_dir, options, say, lock)
        notes = _summarise(work_dir, tasks, options, heads)
        done = [task.result.folder for task in tasks if task.result.state == 'complete']
        if number:
            say(f'Stopped: {len(done)} of {len(tasks)} runs are complete. The same command goes on.')
            return 128 + number
        missing = _missing_table(tasks)
        if done:
            _report(load_runs(done), work_dir, level, reference if _has(tasks, reference) else None, notes, say)
        if missing:
            say(f'\n{len(tasks) - len(done)} of {len(tasks)} runs are missing; the same command tries them again:')
            say(missing)
        return int(bool(missing))


def report_finished(
    dirs: Sequence[str | Path],
    out_dir: str | Path,
    options: Options,
    level: float = 0.95,
    reference: str | None = None,
    say: Callable[[str], Any] = _say,
) -> int:
    """Write the report on runs that are there, without any training.

    Args:
        dirs: Folders of comparisons, or of runs.
        out_dir: Folder of the report.
        options: Says what of runs without predictions is to be tested.
        level: Of the intervals.
        reference: See :func:`mmfer.comparison.write_report`.
        say: Prints a line.

    Returns:
        The exit code: 1 if trained runs have no predictions. The commands that make these are printed.

    Raises:
        FileNotFoundError: If there is nothing to report on.
    """
    absent = [str(folder) for folder in dirs if not Path(folder).is_dir()]
    if absent:
        raise FileNotFoundError(f'no such folder: {", ".join(absent)}')
    commands = _untested_runs(dirs, options)
    told = f'Trained, but without {PREDICTIONS}: {len(commands)}. This makes them:\n  ' + '\n  '.join(commands)
    found = [folder for folder in dirs if any(Path(folder).rglob(PREDICTIONS))]
    if commands and not found:
        raise FileNotFoundError(told)
    runs = load_runs(found if commands else dirs)
    finished = {(run.method, run.seed): read_finished(run.folder) for run in runs}
    known = {key: content for key, content in finished.items() if content is not None}
    equal, unequal = check_terms(known)
    lacking = [run.name for run in runs if finished[run.method, run.seed] is None]
    if lacking:
        unequal.append(f'how {", ".join(lacking)} began is unknown: no {MARKER} beside the predictions')
    if commands:
        unequal.append(f'runs that are missing because they have no {PREDICTIONS}: {len(commands)}')
    settings = {method: content['settings'] for (method, _), content in known.items()}
    notes = [*_notes(equal, unequal), *noise_notes(settings), *_made_by(training_commands(found if commands else dirs))]
    _report(runs, Path(out_dir), level, reference, notes, say)
    if commands:
        say(f'\n{told}')
    return int(bool(commands))


def _has(tasks: Sequence[Task], method: str | None) -> bool:
    return any(task.method.name == method and task.result.state == 'complete' for task in tasks)


def _report(
    runs: Sequence[Run], out_dir: Path, level: float, reference: str | None, notes: list[str], say: Callable
) -> None:
    report = write_report(runs, out_dir, level, reference, notes)
    say(f'\n{report.table}\n')
    for line in [*report.verdict, *notes]:
        say(f'- {line}')
    file = shown_path(report.files['report.md'])
    say(f'\n{file}, report.json, {", ".join(name for name in report.files if name.endswith(".png"))}')


def _summarise(work_dir: Path, tasks: Sequence[Task], options: Options, heads: Sequence) -> list[str]:
    """Write where each run stands, and on which terms, to ``comparison.json``; what is to be said of it."""
    complete = [task for task in tasks if task.result.state == 'complete']
    equal, unequal = check_terms({(task.method.name, task.seed): task.result.finished for task in complete})
    own = other_settings({task.method.name: task.method.settings for task in tasks})
    content = dict(
        runs=[
            dict(
                method=task.method.name,
                seed=task.seed,
                folder=task.result.folder.relative_to(work_dir).as_posix(),
                state=task.result.state,
                detail=task.result.detail,
                metrics={k: v for k, v in task.metrics.items() if isinstance(v, (int, float)) and math.isfinite(v)},
                began_with=run_facts(task.result.finished),
            )
            for task in tasks
        ],
        command=options.command,
        checkpoint=options.checkpoint,
        equal=equal,
        unequal=unequal,
        own_settings=own,
    )
    write_json(work_dir / SUMMARY, content)
    notes = [*_notes(equal, unequal), *noise_notes({task.method.name: task.method.settings for task in tasks})]
    if heads:  # whole methods differ in many settings
        for name, settings in own.items():
            more = f' and {len(settings) - SHOWN} more' if len(settings) > SHOWN else ''
            notes.append(f'{name} also sets {", ".join(settings[:SHOWN])}{more}')
    notes += _made_by([options.command])
    notes.append(f'Tested: the {options.checkpoint} checkpoint of each training.')
    if options.checkpoint == 'best':
        notes[-1] += ' It was chosen by validation, which flatters it where the validation images are the test images.'
    missing = [task.name for task in tasks if task.result.state != 'complete']
    if missing:
        notes.append(f'MISSING, so not in this report: {", ".join(missing)}.')
    return notes


def _notes(equal: Sequence[str], unequal: Sequence[str]) -> list[str]:
    notes = [f'In every seed all methods had the same {", ".join(equal)}.'] if equal else []
    return notes + [f'WARNING: {line}' for line in unequal]


def _made_by(commands: Sequence[str]) -> list[str]:
    return [f'Trained and tested by `{command}`.' for command in commands if command]


def training_commands(dirs: Sequence[str | Path]) -> list[str]:
    """What was called to train the runs in these folders of comparisons, or of methods or runs within them."""
    found = []
    for folder in map(Path, dirs):
        for place in (folder, *list(folder.resolve().parents)[:2]):
            try:
                found.append(json.loads((place / SUMMARY).read_text())['command'])
                break
            except (OSError, KeyError, TypeError, ValueError):
                continue
    return list(dict.fromkeys(found))


def _missing_table(tasks: Sequence[Task]) -> str:
    rows = [
        (task.method.name, task.seed, task.result.describe(), shown_path(task.log or task.result.folder))
        for task in tasks
        if task.result.state != 'complete'
    ]
    return render_table(('method', 'seed', 'state', 'where'), rows).rstrip('\n') if rows else ''


def _untested_runs(dirs: Sequence[str | Path], options: Options) -> list[str]:
    """Commands that test the trained runs without predictions in and below ``dirs``."""
    commands = []
    for folder in sorted({file.parent for top in dirs for file in Path(top).rglob(MARKER)}):
        if (folder / PREDICTIONS).is_file():
            continue
        finished = read_finished(folder) or {}
        file = find_checkpoint(folder, finished, options.checkpoint) or Path('CHECKPOINT')
        configs = [folder.parent / CONFIG, *sorted(folder.glob('*.py')), Path('CONFIG')]
        config = next(path for path in configs if path.is_file() or path == Path('CONFIG'))
        words = options.testing(config, file, finished.get('seed'), folder)[1:]
        words = [shown_path(word) if isinstance(word, Path) else word for word in words]
        commands.append(shlex.join(['python', *words]))
    return commands
