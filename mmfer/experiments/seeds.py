"""One training with several seeds, and the table of their results."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmfer.utils.files import write_json
from mmfer.utils.folder_lock import sole_run
from mmfer.utils.tables import render_table

from .schedule import Say, Task, refuse_changed, run_tasks, say_now

REMEDY = 'or go on from their last checkpoints with --resume'
FACTS = ('last', 'best', 'best_by', 'best_epoch', 'best_checkpoint', 'epochs', 'iterations', 'processes', 'config_hash')


def check_seeds(seeds: Sequence[int]) -> None:
    """Refuse seeds that no training can have, or that are there twice.

    >>> check_seeds([0, 1, 0])
    Traceback (most recent call last):
    ValueError: seeds 0 1 0: 0 is there twice
    """
    text = ' '.join(map(str, seeds))
    for seed in seeds:
        if not 0 <= seed < 2**32:
            raise ValueError(f'seeds {text}: {seed} is not between 0 and 2**32 - 1')
        if list(seeds).count(seed) > 1:
            raise ValueError(f'seeds {text}: {seed} is there twice')


def array_seed(seeds: Sequence[int], task: str) -> int:
    """The seed of a task of a Slurm array: the one at the position ``task``, SLURM_ARRAY_TASK_ID.

    >>> array_seed([10, 20, 30], '2')
    30
    """
    if not task.isdigit() or int(task) >= len(seeds):
        raise ValueError(
            f'SLURM_ARRAY_TASK_ID={task} is no position in the {len(seeds)} seeds: submit with '
            f'sbatch --array=0-{len(seeds) - 1}'
        )
    return seeds[int(task)]


def plan_seeds(
    config: str | Path,
    seeds: Sequence[int],
    work_dir: str | Path,
    settings: Mapping[str, Any],
    processes: int | None = None,
) -> list[Task]:
    """The trainings, where they stand; their work dirs are ``work_dir/seed_<s>``."""
    check_seeds(seeds)
    tasks = [Task(f'seed {s}', Path(work_dir, f'seed_{s}'), s, config, settings, processes) for s in seeds]
    return [task.inspect() for task in tasks]


def train_seeds(
    tasks: Sequence[Task], work_dir: str | Path, words: Sequence = (), resume: bool = False, say: Say = say_now
) -> int:
    """Train with one seed after another, each in a process of its own, and write ``seeds.json`` after each.

    Args:
        tasks: Of :func:`plan_seeds`.
        work_dir: Work dir of all seeds.
        words: Further words of the command of each training.
        resume: Let those begun go on, and those with other settings.
        say: Prints a line.

    Returns:
        The exit code: 0 if all are complete, 128 + the number of the signal that stopped it, else 1.

    Raises:
        ValueError: If seeds are complete with other settings and ``resume`` is off, or another process trains seeds
            there. Nothing has been trained then.
    """

    def write() -> None:
        write_seeds(work_dir, tasks)

    with sole_run(Path(work_dir, 'seeds.lock')):
        if not resume:
            refuse_changed([task.inspect() for task in tasks], REMEDY)
        number = run_tasks(tasks, say=say, ended=write, words=words, resume=resume, log=False)
        write()
    return 128 + number if number else int(any(task.state != 'complete' for task in tasks))


def summarise(tasks: Sequence[Task], which: str) -> dict[str, dict[str, Any]]:
    """Mean and sample standard deviation of each metric over the complete seeds.

    Args:
        tasks: The seeds.
        which: ``'last'`` or ``'best'`` validation.

    Returns:
        Metric -> ``mean``, ``std`` (None for one seed) and ``n``, the seeds that have it.
    """
    complete = [task.finished[which] for task in tasks if task.state == 'complete']
    summary = {}
    for name in dict.fromkeys(name for metrics in complete for name in metrics):
        values = [metrics[name] for metrics in complete if metrics.get(name) is not None]
        if values:
            std = statistics.stdev(values) if len(values) > 1 else None
            summary[name] = dict(mean=statistics.fmean(values), std=std, n=len(values))
    return summary


def write_seeds(work_dir: str | Path, tasks: Sequence[Task]) -> Path:
    """Write where each seed stands, its metrics, and their summary to ``seeds.json``, whole or not at all."""
    path = Path(work_dir, 'seeds.json')
    path.parent.mkdir(parents=True, exist_ok=True)
    seeds = [
        dict(seed=task.seed, work_dir=task.folder.name, state=task.state, detail=task.detail)
        | {key: task.finished.get(key) for key in FACTS if task.state == 'complete'}
        for task in tasks
    ]
    settings = next((task.finished['settings'] for task in tasks if task.state == 'complete'), None)
    summary = {which: summarise(tasks, which) for which in ('last', 'best')}
    write_json(path, dict(seeds=seeds, summary=summary, settings=settings))
    return path


def seeds_table(tasks: Sequence[Task]) -> str:
    """A table with a column a seed and a row a metric, of the last and of the best validation, and a line a seed that
    is not complete."""
    complete = [task for task in tasks if task.state == 'complete']
    header = ('', *(f'seed {task.seed}' for task in tasks), 'mean ± std', 'n')
    rows = [('state', *(task.state for task in tasks), '', len(complete))]
    keys = dict.fromkeys(task.finished['best_by'] for task in complete if task.finished.get('best_by'))
    for which, title in (('last', 'last epoch'), ('best', f'best epoch by {", ".join(keys)}')):
        summary = summarise(tasks, which)
        if not summary:
            continue
        epochs = [task.finished.get('epochs' if which == 'last' else 'best_epoch') for task in tasks]
        rows += [('',) * len(header), (title, *('' if epoch is None else epoch for epoch in epochs), '', '')]
        for name, values in summary.items():
            own = [task.finished[which].get(name) if task in complete else None for task in tasks]
            mean = f'{values["mean"]:.2f} ± ' + ('-' if values['std'] is None else f'{values["std"]:.2f}')
            rows.append((f'  {name}', *map(_number, own), mean, values['n']))
    lines = [render_table(header, rows).rstrip('\n')]
    if complete:
        lines.append('std: sample standard deviation over the n seeds that are complete')
    if keys:
        lines.append('best: chosen on the validation images themselves, so optimistic where these are the test images')
    lines += [f'{task.name}: {task.describe()}, {task.folder}' for task in tasks if task.state != 'complete']
    return '\n'.join(lines)


def _number(value: float | None) -> str:
    return '-' if value is None or not math.isfinite(value) else f'{value:.2f}'
