"""Saving before a run is stopped from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmfer.registry import HOOKS

SIGNALS = ('SIGTERM', 'SIGINT', 'SIGUSR1')  # Slurm and torchrun, Ctrl-C, Slurm's --signal
RESTARTS = ('TORCHELASTIC_RESTART_COUNT', 'SLURM_RESTART_COUNT')
PATIENCE = 1.0  # seconds: torchrun passes on a Ctrl-C that the terminal has already sent


def was_restarted(environment: Mapping[str, str] | None = None) -> bool:
    """Whether torchrun (``--max-restarts``) or Slurm (``--requeue``) has started this process again."""
    environment = os.environ if environment is None else environment
    return any(environment.get(name, '0').strip() not in ('', '0') for name in RESTARTS)


class Interrupted(SystemExit):
    """The run was stopped by a signal and has saved; the exit code is 128 + its number.

    Attributes:
        signum (int): The signal.
        checkpoint (Path | None): The file to continue from; None where there was nothing to save.
    """

    def __init__(self, signum: int, checkpoint: str | Path | None = None) -> None:
        super().__init__(128 + signum)
        self.signum = signum
        self.checkpoint = None if checkpoint is None else Path(checkpoint)


@HOOKS.register_module()
class InterruptHook(Hook):
    """Lets SIGTERM, Ctrl-C and SIGUSR1 end a training after the present iteration, with all that it has learned saved.

    The processes of a distributed run agree on it, so that one signal to any of them stops them all at the same
    iteration. The run writes a checkpoint with ``runner.save_interrupted()``, logs how to continue, and exits with 128
    + the number of the signal. In a validation it stops after the present batch: the training so far is saved, and the
    validation is repeated when the run continues. A second Ctrl-C stops at once.

    Signals are caught between the begin and the end of a training, in the main thread. Then the former handlers are
    restored.
    """

    priority = 'LOWEST'  # what an iteration or epoch still saves, logs or checks goes first

    def __init__(self) -> None:
        self._signum = 0
        self._since = 0.0
        self._pid = os.getpid()
        self._former: dict[int, Any] = {}
        self._start = 0  # iterations that were done before this run

    # ---- signals --------------------------------------------------------------------------------------------------
    def _install(self) -> None:
        self.restore()
        self._signum, self._pid = 0, os.getpid()
        if threading.current_thread() is not threading.main_thread():
            return
        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None:
                self._former[number] = signal.signal(number, self._handle)

    def restore(self) -> None:
        """Bring back the handlers of before the training."""
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._former.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            self._former = {}

    def _handle(self, number: int, frame: Any) -> None:
        if os.getpid() != self._pid:  # a data loading worker, which the run needs to finish its iteration
            return
        now = time.monotonic()
        if self._signum:
            if number == signal.SIGINT and now - self._since > PATIENCE:
                self.restore()
                raise KeyboardInterrupt('what came after the last checkpoint is not saved')
            return
        self._signum, self._since = number, now
        again = ' (Ctrl-C again stops at once)' if number == signal.SIGINT else ''
        # a logger may be in the middle of a line here
        os.write(2, f'\n{signal.Signals(number).name}: saving after this iteration{again}\n'.encode())

    def _agreed(self, runner: Runner) -> int:
        if not runner.distributed:
            return self._signum
        flag = torch.tensor([float(self._signum)])
        all_reduce(flag, 'max')
        return int(flag.item())

    # ---- where a run may stop -------------------------------------------------------------------------------------
    def before_train(self, runner: Runner) -> None:
        self._start = _steps(runner)
        self._install()

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        if batch_idx + 1 != len(runner.train_dataloader):  # else the epoch is brought to its end first
            self._stop_if_asked(runner)

    def before_train_epoch(self, runner: Runner) -> None:
        self._stop_if_asked(runner)

    def before_val(self, runner: Runner) -> None:
        self._stop_if_asked(runner)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self._stop_if_asked(runner)

    def after_run(self, runner: Runner) -> None:
        signum = self._agreed(runner)
        self.restore()
        if signum:  # complete, but whoever started it wants no more
            raise Interrupted(signum)

    def _stop_if_asked(self, runner: Runner) -> None:
        signum = self._agreed(runner)
        if not signum:
            return
        done = _steps(runner)
        path = runner.save_interrupted() if done > self._start else None
        barrier()  # launchers kill the other processes when the first one exits
        name = signal.Signals(signum).name
        if runner.rank == 0:
            saved = f'saved in {path}' if path else 'nothing to save yet'
            runner.logger.warning(
                f'Stopped by {name}: {done} iterations done, {saved}. The same command with --resume continues.'
            )
        self.restore()
        raise Interrupted(signum, path)


def _steps(runner: Runner) -> int:
    """Iterations that are done; MMEngine counts the present one only after its hooks."""
    return getattr(runner.train_loop, 'steps', runner.iter)
