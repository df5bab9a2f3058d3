"""The scheduler of trainings and their tests: what is complete is skipped, what was begun goes on."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mmfer.structures.run_record import changed_settings, read_finished, shown_changes
from mmfer.utils.checkpoint import age, list_checkpoints
from mmfer.utils.progress import duration

from .conditions import PREDICTIONS, Condition, condition_of_file, write_occluded
from .jobs import Job, Step, job_environment, run_jobs, visible_gpus

LAST_LINES = 10  # of the log of a run that failed
Say = Callable[[str], Any]
say_now = partial(print, flush=True)  # printed before what a training prints


def command(verb: str, *words: Any, processes: int = 1) -> list[str]:
    """The command line of a process that trains or tests."""
    start = [sys.executable, '-m']
    if processes > 1:
        start += ['torch.distributed.run', '--standalone', '--nproc_per_node', str(processes)]
        start += ['--max_restarts', os.environ.get('MAX_RESTARTS', '0'), '-m']
        words = (*words, '--launcher', 'pytorch')
    return [*start, 'mmfer', verb, *map(str, words)]


@dataclass
class Task:
    """A training with one seed, and its tests.

    Args:
        name: For messages.
        folder: Work dir of the training; the predictions of its tests lie there, too.
        seed: The seed.
        config: Config file.
        settings: What it is to be trained with, of :func:`mmfer.structures.run_record.config_settings`; None takes a
            training that is there as it is.
        processes: Number of processes it is to be trained with; None accepts any.
        tests: Conditions to test under; none for a training alone.
        which: The checkpoint that is tested: ``'last'``, ``'best'`` by validation, or the path of a file.
        state: ``'not begun'``, ``'begun'``, ``'changed'`` (complete, but with other settings), ``'trained'`` (tests are
            lacking), ``'complete'``, ``'failed'`` or ``'interrupted'``.
        detail: What more there is to say of the state.
        finished: Content of ``finished.json`` of a training that is complete or changed.
        metrics: Of the test, or where there is none of the last validation.
        log: Of the process that ended last.
    """

    name: str
    folder: Path
    seed: int | None
    config: str | Path
    settings: Mapping[str, Any] | None = None
    processes: int | None = None
    tests: Sequence[Condition] = ()
    which: str | Path = 'last'
    state: str = 'not begun'
    detail: str = ''
    finished: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    log: Path | None = None

    def inspect(self) -> Task:
        """Find out from its folder where it stands."""
        finished = read_finished(self.folder)
        self.finished, self.detail = finished or {}, ''
        if finished is None and self.settings is not None:
            checkpoints = list_checkpoints(self.folder)
            self.state, self.detail = ('begun', checkpoints[0].name) if checkpoints else ('not begun', '')
            return self
        changes = []
        if self.settings is not None:
            changes = changed_settings(self.finished['settings'], self.settings)
            for name, wanted in (('seed', self.seed), ('processes', self.processes)):
                found = self.finished.get(name, wanted)
                changes += [f'{name}: {found} -> {wanted}'] if wanted is not None and found != wanted else []
        if changes:
            self.state, self.detail = 'changed', shown_changes(changes)
            return self
        lacking = [condition.name for condition in self.lacking()]
        self.state, self.detail = ('trained', f'not tested: {", ".join(lacking)}') if lacking else ('complete', '')
        self.metrics = (self._tested(PREDICTIONS) or {}) if self.tests else self.finished.get('last', {})
        return self

    def describe(self) -> str:
        return f'{self.state} ({self.detail})' if self.detail else self.state

    def checkpoint(self) -> Path | None:
        """The file to test; None if it is not there."""
        if self.which == 'last':
            return next(iter(list_checkpoints(self.folder)), None)
        best = self.folder / (self.finished.get('best_checkpoint') or '-')
        file = best if self.which == 'best' else Path(self.which)
        return file if file.is_file() else None

    def lacking(self) -> list[Condition]:
        """Conditions without whole predictions of that checkpoint."""
        return [each for each in self.tests if self._tested(each.file, each.options.get('config')) is None]

    def _tested(self, name: str, data: str | None = None) -> Mapping[str, Any] | None:
        """Metrics of a test; None without, or of another checkpoint, seed or config of the ``data``.

        Without the checkpoint, which may have been deleted to save room, those of any last (or best) one are taken.
        """
        try:
            content = json.loads(Path(self.folder, name).read_text())
            tested, metrics, seed = Path(content['checkpoint']), content['metrics'], content['seed']
        except (FileNotFoundError, KeyError, TypeError, ValueError):
            return None
        file = self.checkpoint()
        same = tested.name == file.name if file else (age(tested) is not None) == (self.which != 'best')
        same = same and (not data or content.get('data', data) == data)
        return metrics if same and self.seed in (seed, None) and content.get('predictions') else None

    def steps(self, words: Sequence = (), resume: bool = True, log: bool = True) -> list[Step]:
        """What is to be done.

        Args:
            words: Further words of the command of the training.
            resume: Let a training that was begun go on.
            log: Write what the training prints into a file.
        """
        training = partial(self._training, [*words, *['--resume'] * resume])
        steps = [Step('training', training, self.folder / 'train.log' if log else None)]
        if self.state == 'trained':
            steps = []
        for condition in self.lacking() if self.state == 'trained' else self.tests:
            log_file = self.folder / f'{Path(condition.file).stem}.log'
            steps.append(Step(f'test {condition.name}', partial(self._test, condition), log_file))
        return steps

    def _training(self, words: Sequence) -> list[str]:
        for file in self.folder.glob('*.json'):
            if file.name == PREDICTIONS or condition_of_file(file.name):
                file.unlink()
        own = ('--work-dir', self.folder, '--seed', self.seed)
        return command('train', self.config, *own, *words, processes=self.processes or 1)

    def _test(self, condition: Condition) -> list[str]:
        self.inspect()
        file, config, data = self.checkpoint(), self.config, []
        if self.state not in ('trained', 'complete'):
            raise ValueError('the training ended early')
        if file is None:
            raise ValueError(f'the checkpoint ({self.which}) of {self.folder} is not there')
        if not Path(config).is_file():
            raise ValueError(f'the config of {self.folder} is not there: {config}')
        if condition.kind == 'occlusion':
            config = write_occluded(config, condition.options, self.folder / 'test' / f'{Path(condition.file).stem}.py')
        elif condition.kind == 'ood':
            data = ['--data', condition.options['config'], '--missing', 'images']
        words = ('--out', self.folder / condition.file, '--work-dir', self.folder / 'test', *data)
        seed = () if self.seed is None else ('--cfg-options', f'randomness.seed={self.seed}')
        return command('test', config, file, *words, *seed)


def refuse_changed(tasks: Sequence[Task], remedy: str) -> None:
    """Raise a ValueError if one is complete with other settings: it is neither skipped nor overwritten."""
    lines = [f'  {task.folder}: {task.detail}' for task in tasks if task.state == 'changed']
    if lines:
        raise ValueError(
            'complete, but trained with other settings (old -> new):\n' + '\n'.join(lines) + '\n'
            f'Train into another --work-dir, delete these folders, {remedy}.'
        )


def run_tasks(
    tasks: Sequence[Task],
    slots: int = 1,
    say: Say = say_now,
    ended: Callable[[], Any] = lambda: None,
    **options: Any,
) -> int:
    """Do what is lacking, several at a time, in the order of the tasks. One that fails does not stop the others.

    A signal to stop is handed on to the processes: trainings save.

    Args:
        tasks: Inspected already; afterwards their states say what came of it.
        slots: Runs at a time.
        say: Prints a line.
        ended: Called whenever a task has ended.
        options: Of :meth:`Task.steps`.

    Returns:
        The number of the signal that stopped it, else 0.
    """
    todo = [task for task in tasks if task.state != 'complete']
    slots = max(1, min(slots, len(todo)))
    processes, gpus = max((task.processes or 1 for task in tasks), default=1), visible_gpus()
    environments = [job_environment(slot, slots, processes, gpus) for slot in range(slots)]
    threads = environments[0].get('OMP_NUM_THREADS')
    states = ', '.join(f'{n} {state}' for state, n in Counter(task.state for task in tasks).items())
    parts = [f'{len(tasks)} runs: {states}', *[f'{slots} at a time'] * (slots > 1)]
    say('; '.join([*parts, *[f'CPU threads of each: {threads}'] * (threads is not None)]))
    spent: list[float] = []

    def told(job: Job) -> None:
        task, what = job.of, job.step.what
        task.log = job.step.log
        where = '' if task.log is None else f' ({task.log})'
        if job.state == 'running':
            begun = f' goes on from {task.detail}' if options.get('resume', True) else ' starts anew; --resume goes on'
            say(f'  {task.name}: {what}{begun if (task.state, what) == ("begun", "training") else ""}{where}')
            return
        task.inspect()
        state = 'failed' if job.state == 'done' and task.state != 'complete' else job.state
        if state == 'interrupted':
            task.state, task.detail = state, task.detail if task.state == 'begun' else task.state
            say(f'  {task.name}: stopped in its {what} ({task.detail})')
        else:
            spent.append(job.seconds)
            left = len(todo) - len(spent)
            count = f'[{len(tasks) - left}/{len(tasks)}] {task.name}'
            eta = f'; {left} to go, about {duration(sum(spent) / len(spent) * left / slots)}' if left else ''
            if state == 'failed':
                task.state, task.detail = state, f'{what}: {job.detail or "ended early"}'
                say(f'{count}: FAILED in its {task.detail}{where}')
                for line in last_lines(task.log) if task.log else ():
                    say(f'      {line}')
            else:
                say(f'{count}: {headline(task.metrics)} in {duration(job.seconds)}{eta}')
        ended()

    jobs = [Job(task, task.steps(**options)) for task in todo]
    return run_jobs(jobs, slots, lambda slot: environments[slot], told)


def headline(metrics: Mapping[str, Any]) -> str:
    """The accuracy, or the first metric there is."""
    name = 'accuracy' if 'accuracy' in metrics else next(iter(metrics), None)
    return 'no metrics' if name is None or metrics[name] is None else f'{name} {metrics[name]:.2f}'


def last_lines(file: Path) -> list[str]:
    """The last lines of a log that say something."""
    lines = file.read_text(errors='replace').splitlines() if file.is_file() else ()
    return [line.rstrip() for line in lines if line.strip()][-LAST_LINES:]
