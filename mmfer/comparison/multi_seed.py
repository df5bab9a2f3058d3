"""One training with several seeds: their processes, and the table of their results."""

from __future__ import annotations

import math
import os
import shlex
import signal
import statistics
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mmfer.utils.checkpoint import list_checkpoints
from mmfer.utils.finished import changed_settings, read_finished, shown_changes, write_json
from mmfer.utils.folder_lock import sole_run
from mmfer.utils.tables import render_table


@dataclass
class SeedResult:
    """Where the training with one seed stands.

    Args:
        seed: The seed.
        folder: Its work dir.
        state: ``'complete'``, ``'changed'`` (complete, but with other settings), ``'begun'``, ``'not begun'``,
            ``'failed'`` or ``'interrupted'``.
        detail: What more there is to say of the state.
        finished: Content of ``finished.json`` if complete or changed.
    """

    seed: int
    folder: Path
    state: str
    detail: str = ''
    finished: Mapping[str, Any] = field(default_factory=dict)

    def describe(self) -> str:
        return f'{self.state} ({self.detail})' if self.detail else self.state


def seed_dir(work_dir: str | Path, seed: int) -> Path:
    """Work dir of one of several seeds."""
    return Path(work_dir, f'seed_{seed}')


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


def inspect_seed(
    work_dir: str | Path, seed: int, settings: Mapping[str, Any], processes: int | None = None
) -> SeedResult:
    """Find out from its folder where the training with one seed stands.

    Args:
        work_dir: Work dir of all seeds.
        seed: The seed.
        settings: What the training should have been made with, of :func:`mmfer.utils.finished.config_settings`.
        processes: Number of processes it should have been made with; None accepts any.

    Returns:
        SeedResult: Its state.
    """
    folder = seed_dir(work_dir, seed)
    finished = read_finished(folder)
    if finished is None:
        checkpoints = list_checkpoints(folder)
        if checkpoints:
            return SeedResult(seed, folder, 'begun', checkpoints[0].name)
        return SeedResult(seed, folder, 'not begun')
    changes = changed_settings(finished['settings'], settings)
    if finished.get('seed', seed) != seed:
        changes.append(f'seed: {finished["seed"]} -> {seed}')
    if processes is not None and finished.get('processes', processes) != processes:
        changes.append(f'processes: {finished["processes"]} -> {processes}')
    if not changes:
        return SeedResult(seed, folder, 'complete', finished=finished)
    return SeedResult(seed, folder, 'changed', shown_changes(changes), finished)


def refuse_changed(
    results: Sequence[SeedResult], remedy: str = 'or go on from their last checkpoints with --resume'
) -> None:
    """Raise a ValueError if a seed is complete with other settings: it is neither skipped nor overwritten."""
    changed = [result for result in results if result.state == 'changed']
    if changed:
        lines = [f'  {result.folder}: {result.detail}' for result in changed]
        raise ValueError(
            'complete, but trained with other settings (old -> new):\n' + '\n'.join(lines) + '\n'
            f'Train into another --work-dir, delete these folders, {remedy}.'
        )


def train_seeds(
    seeds: Sequence[int],
    work_dir: str | Path,
    settings: Mapping[str, Any],
    command: Callable[[int, Path], Sequence[str]],
    resume: bool = False,
    processes: int = 1,
    say: Callable[[str], Any] = partial(print, flush=True),  # noqa: B008 (printed before what the training prints)
) -> tuple[list[SeedResult], int]:
    """Train with one seed after another, each in a process of its own, and write ``seeds.json`` after each.

    Seeds that are complete are skipped. A seed that fails does not keep the others from being trained. SIGINT,
    SIGTERM and SIGUSR1 are handed on to the training, which saves; then no other is begun.

    Args:
        seeds: The seeds.
        work_dir: Work dir of all seeds; that of each is :func:`seed_dir`.
        settings: What they are trained with, of :func:`mmfer.utils.finished.config_settings`.
        command: Gives the command line of a training from its seed and work dir.
        resume: Whether ``command`` resumes, which is also what allows changed settings.
        processes: Number of processes of each training.
        say: Prints a line.

    Returns:
        Where each seed stands, and the exit code: 0 if all are complete, that of the interrupted training, else 1.

    Raises:
        ValueError: If seeds are complete with other settings and ``resume`` is off, or another process trains seeds
            there. Nothing has been trained then.
    """
    check_seeds(seeds)
    code = 0
    with sole_run(Path(work_dir, 'seeds.lock'), say) as lock:
        results = [inspect_seed(work_dir, seed, settings, processes) for seed in seeds]
        if not resume:
            refuse_changed(results)
        for i, result in enumerate(results):
            say(f'\nSeed {result.seed} ({i + 1} of {len(seeds)}): {_plan(result, resume)}')
            if result.state == 'complete':
                continue
            args = [str(arg) for arg in command(result.seed, result.folder)]
            say(shlex.join(args))
            returned, stopped = _run(args, lock)
            results[i] = _after(inspect_seed(work_dir, result.seed, settings, processes), returned, stopped)
            write_seeds(work_dir, results)
            if stopped:
                code = exit_code(returned) or 1
                break
        write_seeds(work_dir, results)
    return results, code or int(any(result.state != 'complete' for result in results))


def _plan(result: SeedResult, resume: bool) -> str:
    if result.state == 'complete':
        return f'complete in {result.folder}, skipped'
    if result.state == 'changed':
        return f'complete with other settings ({result.detail}), goes on'
    if result.state == 'begun':
        return (
            f'goes on from {result.detail}'
            if resume
            else (f'was begun ({result.detail}) and starts anew; with --resume it would go on')
        )
    return 'starts'


def _after(result: SeedResult, returned: int, stopped: bool) -> SeedResult:
    if result.state == 'complete' and returned == 0:
        return result
    if stopped:
        return SeedResult(result.seed, result.folder, 'interrupted', result.detail)
    return SeedResult(result.seed, result.folder, 'failed', failure(returned))


def failure(returned: int) -> str:
    """Why a process that returned this is not what it should be."""
    if returned >= 0:
        return f'exit code {returned}' if returned else 'ended early'
    try:
        return f'killed by {signal.Signals(-returned).name}'
    except ValueError:
        return f'killed by signal {-returned}'


def exit_code(returned: int) -> int:
    """What a shell calls the return code of a process: 128 + the number of the signal that killed it."""
    return 128 - returned if returned < 0 else returned


def _run(args: Sequence[str], inherited: Sequence[int] = ()) -> tuple[int, bool]:
    """Exit code of a command, and whether a signal to this process stopped it."""
    process = None
    received = []

    def pass_on(number: int, frame: object) -> None:
        received.append(number)
        if process is not None and not (number == signal.SIGINT and from_terminal()):
            process.send_signal(number)

    with signal_handlers(pass_on):
        process = subprocess.Popen(args, pass_fds=tuple(inherited))
        for number in tuple(received):  # that came before the process was there
            process.send_signal(number)
        return process.wait(), bool(received)


def from_terminal() -> bool:
    """Whether Ctrl-C comes from a terminal, which sends it to all of its processes."""
    try:
        with open('/dev/tty') as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except (OSError, AttributeError):  # no terminal, or Windows
        return os.name == 'nt'


@contextmanager
def signal_handlers(handler: Callable) -> Iterator[None]:
    """Within it, ``handler`` gets the signals at which a training saves."""
    if threading.current_thread() is not threading.main_thread():  # Python allows handlers there alone
        yield
        return
    names = ('SIGINT', 'SIGTERM', 'SIGUSR1')
    before = {getattr(signal, n): signal.signal(getattr(signal, n), handler) for n in names if hasattr(signal, n)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def summarise(results: Sequence[SeedResult], which: str) -> dict[str, dict[str, Any]]:
    """Mean and sample standard deviation of each metric over the complete seeds.

    Args:
        results: The seeds.
        which: ``'last'`` or ``'best'``.

    Returns:
        dict: Name of the metric to ``mean``, ``std`` (None for n = 1) and ``n``.
    """
    complete = [result.finished[which] for result in results if result.state == 'complete']
    summary = {}
    for name in dict.fromkeys(name for metrics in complete for name in metrics):
        values = [metrics[name] for metrics in complete if metrics.get(name) is not None]
        if values:
            std = statistics.stdev(values) if len(values) > 1 else None
            summary[name] = dict(mean=statistics.fmean(values), std=std, n=len(values))
    return summary


def write_seeds(work_dir: str | Path, results: Sequence[SeedResult]) -> Path:
    """Write where each seed stands, its metrics, and their summary to ``seeds.json``, whole or not at all."""
    path = Path(work_dir, 'seeds.json')
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = (
        'last',
        'best',
        'best_by',
        'best_epoch',
        'best_checkpoint',
        'epochs',
        'iterations',
        'processes',
        'config_hash',
    )
    settings = [result.finished['settings'] for result in results if result.state == 'complete']
    content = dict(
        seeds=[
            dict(
                seed=result.seed,
                work_dir=result.folder.name,
                state=result.state,
                detail=result.detail,
                **{key: result.finished.get(key) for key in keys if result.state == 'complete'},
            )
            for result in results
        ],
        summary={which: summarise(results, which) for which in ('last', 'best')},
        settings=settings[0] if settings else None,
    )
    write_json(path, content)
    return path


def seeds_table(results: Sequence[SeedResult]) -> str:
    """A table with a column a seed and a row a metric, of the last and of the best validation, and a line a seed that
    is not complete."""
    complete = [result for result in results if result.state == 'complete']
    header = ('', *(f'seed {result.seed}' for result in results), 'mean ± std', 'n')
    rows = [('state', *(result.state for result in results), '', len(complete))]
    keys = dict.fromkeys(result.finished['best_by'] for result in complete if result.finished.get('best_by'))
    for which, title in (('last', 'last epoch'), ('best', f'best epoch by {", ".join(keys)}')):
        summary = summarise(results, which)
        if not summary:
            continue
        epochs = [result.finished.get('epochs' if which == 'last' else 'best_epoch') for result in results]
        rows += [('',) * len(header), (title, *('' if epoch is None else epoch for epoch in epochs), '', '')]
        for name, values in summary.items():
            own = [result.finished[which].get(name) if result in complete else None for result in results]
            mean = f'{values["mean"]:.2f} ± ' + ('-' if values['std'] is None else f'{values["std"]:.2f}')
            rows.append((f'  {name}', *map(_number, own), mean, values['n']))
    lines = [render_table(header, rows).rstrip('\n')]
    if complete:
        lines.append('std: sample standard deviation over the n seeds that are complete')
    if keys:
        lines.append('best: chosen on the validation images themselves, so optimistic where these are the test images')
    lines += [f'seed {r.seed}: {r.describe()}, {r.folder}' for r in results if r.state != 'complete']
    return '\n'.join(lines)


def _number(value: float | None) -> str:
    return '-' if value is None or not math.isfinite(value) else f'{value:.2f}'
