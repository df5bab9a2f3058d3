"""Training and testing the methods of a comparison."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mmfer.comparison.multi_seed import SeedResult, check_seeds, inspect_seed, refuse_changed
from mmfer.utils.checkpoint import age, list_checkpoints
from mmfer.utils.config_options import load_config
from mmfer.utils.finished import MARKER
from mmfer.utils.progress import duration

from .foreign import PREFIX as FOREIGN
from .foreign import foreign_file, is_whole
from .jobs import Job, Step, job_environment, run_jobs, visible_gpus
from .methods import Method, unique_names, write_configs
from .results import OCCLUDED, PREDICTIONS

LAST_LINES = 10  # of the log of a run that failed


@dataclass
class Options:
    """How the runs of a comparison are made.

    Args:
        tools: Folder of mmfer's tools.
        jobs: Runs at a time.
        processes: Processes of each training.
        checkpoint: What is tested: ``'last'``, or ``'best'`` by validation, which is optimistic where the validation
            images are the test images.
        foreign: Name -> config whose test images each method is tested on as well, as foreign ones.
        command: What the user called, for the report.
    """

    tools: Path
    jobs: int = 1
    processes: int = 1
    checkpoint: str = 'last'
    foreign: Mapping[str, Path] = field(default_factory=dict)
    command: str = ''

    def __post_init__(self) -> None:
        for name in ('jobs', 'processes'):
            if getattr(self, name) < 1:
                raise ValueError(f'{name}={getattr(self, name)}: expected 1 or more')
        if self.checkpoint not in ('last', 'best'):
            raise ValueError(f'checkpoint={self.checkpoint!r}: expected last or best')

    def training(self, method: Method, seed: int, folder: Path) -> list:
        words = [sys.executable, self.tools / 'train.py', method.config]
        if self.processes > 1:
            words = [self.tools / 'dist_train.sh', method.config, self.processes]
        return [*words, '--work-dir', folder, '--seed', seed, '--resume']

    def testing(
        self, config: Path, checkpoint: Path, seed: int | None, folder: Path, foreign: str | None = None
    ) -> list:
        out = folder / PREDICTIONS if foreign is None else foreign_file(folder, foreign)
        words = [sys.executable, self.tools / 'test.py', config, checkpoint, '--out', out]
        words += ['--work-dir', folder / 'test']
        words += [] if foreign is None else ['--data', self.foreign[foreign]]
        return words if seed is None else [*words, '--cfg-options', f'randomness.seed={seed}']


@dataclass
class Task:
    """A method with a seed: ``result.state`` is that of a training, ``'trained'`` (not tested), or ``'complete'``."""

    method: Method
    seed: int
    result: SeedResult
    metrics: Mapping[str, Any] = field(default_factory=dict)
    log: Path | None = None

    @property
    def name(self) -> str:
        return f'{self.method.name} seed {self.seed}'

    def inspect(self, options: Options) -> None:
        """Find out from its folder where it stands."""
        self.result = inspect_seed(self.method.folder, self.seed, self.method.settings, options.processes)
        if self.result.state == 'complete':
            file = find_checkpoint(self.result.folder, self.result.finished, options.checkpoint)
            metrics = read_metrics(self.result.folder, self.seed, file, options.checkpoint)
            if metrics is None:
                self.result.state, self.result.detail = 'trained', 'not tested'
            elif self.lacking(options):
                self.result.state = 'trained'
                self.result.detail = f'not tested on {", ".join(self.lacking(options))}'
            self.metrics = metrics or {}

    def lacking(self, options: Options) -> list[str]:
        """The foreign images that it was not tested on."""
        file = find_checkpoint(self.result.folder, self.result.finished or {}, options.checkpoint)
        names = [name for name in options.foreign if not foreign_file(self.result.folder, name).is_file()]
        if file is None:
            return names
        return [n for n in options.foreign if not is_whole(foreign_file(self.result.folder, n), file.name)]


def find_checkpoint(folder: Path, finished: Mapping[str, Any], which: str) -> Path | None:
    """The last or the best checkpoint of a finished training; None if it is not there."""
    if which == 'best':
        file = Path(folder, finished.get('best_checkpoint') or '-')
        return file if file.is_file() else None
    return next(iter(list_checkpoints(folder)), None)


def read_metrics(folder: Path, seed: int, checkpoint: Path | None, which: str) -> dict[str, Any] | None:
    """Metrics in the ``predictions.json`` of a run; None where there is none of this checkpoint and seed.

    Without the checkpoint, which may have been deleted to save room, those of any last (or best) one are taken.
    """
    try:
        content = json.loads(Path(folder, PREDICTIONS).read_text())
        tested, metrics, found = Path(content['checkpoint']), content['metrics'], content['seed']
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None
    is_same = tested.name == checkpoint.name if checkpoint else (age(tested) is not None) == (which == 'last')
    return metrics if is_same and found == seed and content.get('predictions') else None


def train_methods(
    methods: Sequence[Method],
    seeds: Sequence[int],
    work_dir: str | Path,
    options: Options,
    say: Callable[[str], Any] = partial(print, flush=True),  # noqa: B008
    inherited: Sequence[int] = (),
) -> tuple[list[Task], int]:
    """Train and test each method with each seed: all methods with the first seed, then all with the second.

    What is complete is skipped, what was begun goes on. A run that fails does not stop the others. A signal to stop is
    handed on to the trainings, which save.

    Args:
        methods: Of :func:`mmfer.comparison.methods.plan_methods`; their configs are written.
        seeds: The seeds.
        work_dir: Folder of the comparison.
        options: How the runs are made.
        say: Prints a line.
        inherited: Open files that the trainings hold, too.

    Returns:
        Where each run stands, and the number of the signal that stopped the comparison, else 0.

    Raises:
        ValueError: If there are runs with other settings. Nothing has been trained then.
    """
    check_seeds(seeds)
    tasks = [Task(method, seed, SeedResult(seed, method.folder, 'not begun')) for seed in seeds for method in methods]
    for task in tasks:
        task.inspect(options)
    refuse_changed([task.result for task in tasks], 'or set the options as they were')
    write_configs(methods)
    todo = [task for task in tasks if task.result.state != 'complete']
    slots = max(1, min(options.jobs, len(todo)))
    gpus = visible_gpus()
    environments = [job_environment(slot, slots, options.processes, gpus) for slot in range(slots)]
    threads = environments[0].get('OMP_NUM_THREADS')
    states = Counter(task.result.state for task in tasks)
    parts = [f'{len(tasks)} runs of {len(methods)} methods: {", ".join(f"{n} {state}" for state, n in states.items())}']
    parts += [f'{slots} at a time'] * (slots > 1) + [f'CPU threads of each: {threads}'] * (threads is not None)
    say(f'{work_dir}: {"; ".join(parts)}')
    progress = _Progress(tasks, slots, options, say)
    jobs = [Job(task.name, _steps(task, options)) for task in todo]
    progress.tasks = dict(zip(map(id, jobs), todo))
    number = run_jobs(jobs, slots, lambda slot: environments[slot], progress.told, inherited)
    return tasks, number


def _steps(task: Task, options: Options) -> list[Step]:
    folder = task.result.folder

    def training() -> list:
        for file in [folder / PREDICTIONS, *folder.glob(f'{FOREIGN}*.json'), *folder.glob(f'{OCCLUDED}*.json')]:
            file.unlink(missing_ok=True)
        return options.training(task.method, task.seed, folder)

    def testing(foreign: str | None = None) -> list:
        task.inspect(options)
        if task.result.state not in ('trained', 'complete'):
            raise ValueError('the training ended early')
        file = find_checkpoint(folder, task.result.finished, options.checkpoint)
        if file is None:
            hint = ': its config sets no save_best' if options.checkpoint == 'best' else f'; delete {folder / MARKER}'
            raise ValueError(f'{folder} has no {options.checkpoint} checkpoint to test{hint}')
        return options.testing(task.method.config, file, task.seed, folder, foreign)

    steps = [Step('training', training, folder / 'train.log'), Step('testing', testing, folder / 'test.log')]
    lacking = list(options.foreign)
    if task.result.state == 'trained':
        steps = steps[2 if task.metrics else 1 :]
        lacking = task.lacking(options)
    return steps + [
        Step(f'test on {name}', partial(testing, name), folder / f'{FOREIGN}{name}.log') for name in lacking
    ]


class _Progress:
    """Tells what the jobs do, a line each."""

    def __init__(self, tasks: Sequence[Task], slots: int, options: Options, say: Callable[[str], Any]) -> None:
        self.options, self.slots, self.say = options, slots, say
        self.tasks: dict[int, Task] = {}
        self.total = len(tasks)
        self.ended = sum(task.result.state == 'complete' for task in tasks)
        self.longer: set[int] = set()  # jobs that train, and do not only test
        self.spent: list[float] = []

    def told(self, job: Job) -> None:
        task = self.tasks[id(job)]
        if job.state == 'running':
            self.longer |= {id(job)} if job.step.what == 'training' else set()
            begun = task.result.state == 'begun' and job.step.what == 'training'
            where = f' goes on from {task.result.detail}' if begun else ''
            self.say(f'  {job.name}: {job.step.what}{where} ({job.step.log})')
            return
        task.log = job.step.log
        task.inspect(self.options)
        state = 'failed' if job.state == 'done' and task.result.state != 'complete' else job.state
        if state == 'interrupted':
            detail = task.result.detail if task.result.state == 'begun' else task.result.state
            task.result = SeedResult(task.seed, task.result.folder, 'interrupted', detail)
            self.say(f'  {job.name}: stopped in its {job.step.what} ({detail})')
            return
        self.ended += 1
        count = f'[{self.ended}/{self.total}]'
        if state == 'failed':
            detail = f'{job.step.what}: {job.detail or "it left no result"}'
            task.result = SeedResult(task.seed, task.result.folder, 'failed', detail, task.result.finished)
            self.say(f'{count} {job.name}: FAILED in its {detail}; {job.step.log} ends with')
            self.say('\n'.join(f'      {line}' for line in last_lines(job.step.log)))
            return
        if id(job) in self.longer:
            self.spent.append(job.seconds)
        left = self.total - self.ended
        eta = f'; {left} to go' if left else ''
        if left and self.spent:
            eta += f', about {duration(sum(self.spent) / len(self.spent) * left / self.slots)}'
        self.say(f'{count} {job.name}: {headline(task.metrics)} in {duration(job.seconds)}{eta}')


def foreign_data(configs: Sequence[str | Path]) -> dict[str, Path]:
    """Name of foreign images -> config that has them; the name is that of the file.

    Raises:
        FileNotFoundError: If a config is not there.
        ValueError: If one has no test data, or two have one name.
    """
    found = dict(zip(unique_names(configs), map(Path, configs)))
    if len(found) < len(configs):
        raise ValueError(f'--foreign names one config twice: {", ".join(map(str, configs))}')
    for path in found.values():
        if not load_config(path).get('test_dataloader'):
            raise ValueError(f'{path} has no test_dataloader: it names no foreign images')
    return found


def headline(metrics: Mapping[str, Any]) -> str:
    """The accuracy, or the first metric there is."""
    name = 'accuracy' if 'accuracy' in metrics else next(iter(metrics), None)
    return 'no metrics' if name is None else f'{name} {metrics[name]:.2f}'


def last_lines(file: Path, number: int = LAST_LINES) -> list[str]:
    """The last lines of a log that say something; from an ``error:`` on, if one is among the last hundred."""
    try:
        lines = [line.rstrip() for line in file.read_text(errors='replace').splitlines() if line.strip()][-100:]
    except OSError as error:
        return [str(error)]
    at = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].startswith('error:')), None)
    return lines[-number:] if at is None else lines[at : at + number]
