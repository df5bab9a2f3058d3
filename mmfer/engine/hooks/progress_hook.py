from __future__ import annotations

import atexit
import logging
import sys
from datetime import timedelta
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mmfer.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """A progress bar below the log while training, validating or testing on a terminal.

    While training it also shows the loss, the speed and the time left until the last epoch, as far as the hooks that
    measure them are there (RuntimeInfoHook, SpeedHook, IterTimerHook).

    Where standard error is not a terminal it does nothing: the log lines of MMEngine's LoggerHook show the progress.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._progress = None
        self._task = None
        self._handlers: list = []  # of (handler, the stream it had)

    @master_only
    def _start(self, what: str, total: int) -> None:
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (
            TextColumn('{task.description}'),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            Remaining(),
            TextColumn('{task.fields[figures]}'),
        )
        before = (sys.stdout, sys.stderr)
        console = Console(stderr=True)
        self._progress = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
        self._task = self._progress.add_task(what, total=total, figures='')
        atexit.register(self._stop)  # an error or Ctrl-C must not leave the terminal without its cursor
        self._progress.start()
        # rich prints above the bar what goes to the present streams, but the log still holds the former ones
        for handler in MMLogger.get_current_instance().handlers:
            for old, new in zip(before, (sys.stdout, sys.stderr)):
                if isinstance(handler, logging.StreamHandler) and handler.stream is old is not new:
                    handler.stream = new
                    self._handlers.append((handler, old))

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            atexit.unregister(self._stop)
            for handler, stream in self._handlers:
                handler.stream = stream
            self._handlers.clear()

    def _before_epoch(self, runner: Runner, mode: str = 'train') -> None:
        if mode == 'train':
            self._start(f'epoch {runner.epoch + 1}/{runner.max_epochs}', len(runner.train_dataloader))
        else:
            self._start(dict(val='validating', test='testing')[mode], len(getattr(runner, f'{mode}_dataloader')))

    def _after_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None, mode: str = 'train'
    ) -> None:
        if self._progress is not None:
            figures = _figures(runner) if mode == 'train' else ''
            self._progress.update(self._task, advance=1, figures=figures)

    def _after_epoch(self, runner: Runner, mode: str = 'train') -> None:
        self._stop()

    def after_run(self, runner: Runner) -> None:
        self._stop()


def _figures(runner: Runner) -> str:
    scalars, eta = runner.message_hub.log_scalars, runner.message_hub.runtime_info.get('eta')
    loss, speed = scalars.get('train/loss'), scalars.get('train/images_per_s')
    parts = []
    if loss is not None:
        parts.append(f'loss {loss.current():.4g}')
    if speed is not None:
        parts.append(f'{speed.current():.4g} images/s')
    if eta is not None:
        parts.append(f'{timedelta(seconds=int(eta))} in all')
    return ', '.join(parts)
