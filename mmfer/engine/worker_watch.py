"""What each data loading worker is working on, so that one that fails or dies names its sample."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch.utils.data import _utils, get_worker_info

from mmfer.utils.errors import TrainingError, is_input_error

SLOTS = 512  # workers of one loader that can be told apart
_WATCHES: weakref.WeakSet = weakref.WeakSet()
_PIDS = re.compile(r'worker \(pid(?:\(s\))? ([\d, ]+)\)')
_SIGNAL = re.compile(r'killed by signal: ([\w ]+)')
_protected = None


class SampleError(TrainingError):
    """A sample could not be loaded; the message names it."""

    def __init__(self, message: str) -> None:
        if message.startswith('Caught '):  # a worker's error comes back as the text of its traceback
            message = message.rsplit(f'{__name__}.SampleError: ', 1)[-1].rstrip()
        super().__init__(message)


def sample_name(dataset: Any, index: int, only_list: bool = False) -> str:
    """``'path (sample 3)'``, or ``'sample 3'`` where the data set names no path.

    ``only_list=True`` does not ask data sets for names that they make together with the sample.
    """
    path = None
    for method in ('entry', 'get_data_info')[: 1 if only_list and hasattr(dataset, 'entry') else 2]:
        try:
            path = path or getattr(dataset, method)(index).get('img_path')
        except Exception:  # this only serves a message about another error
            continue
    return f'{path} (sample {index})' if path else f'sample {index}'


def _protect_worker() -> None:
    """Let the signals that stop a run pass by this worker, so that the run can finish its iteration and save.

    Slurm and torchrun send them to all processes. SIGTERM is obeyed only if it comes from the worker's own parent.
    """
    global _protected
    if _protected == os.getpid() or threading.current_thread() is not threading.main_thread():
        return
    _protected = os.getpid()
    for name in ('SIGINT', 'SIGUSR1'):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if hasattr(signal, 'sigwaitinfo'):  # not on macOS
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()


def _obey(parent: int) -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != parent:
        pass
    os._exit(0)


class WorkerWatch:
    """Shared memory with the sample that each worker of a data loader is at.

    The data set that a loader gets makes one, before the workers start, and says what it loads::

        self.watch = WorkerWatch(self.dataset)

        def __getitem__(self, index):
            with self.watch.sample(index):
                return self.dataset[index]

    Args:
        dataset: The data set that names the samples, by ``entry(i)`` or ``get_data_info(i)``.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.table = torch.full((SLOTS, 2), -1, dtype=torch.int64).share_memory_()  # process, sample
        _WATCHES.add(self)

    def __getstate__(self) -> dict:
        return {name: value for name, value in self.__dict__.items() if name != '_rows'}  # a copy would not be shared

    @cached_property
    def _rows(self) -> np.ndarray:
        return self.table.numpy()  # the same memory; writing to a tensor takes ten times as long

    @contextmanager
    def sample(self, index: int) -> Iterator[None]:
        """Note ``index`` as the present sample of this worker; an error in the block gets its name.

        Raises:
            SampleError: For a mistake in the input, whose message is all that there is to know.
            RuntimeError: For any other error, with its traceback.
        """
        info = get_worker_info()
        if info is not None:
            _protect_worker()
            row = self._rows[info.id % SLOTS]
            row[0], row[1] = os.getpid(), index
        try:
            yield
        except Exception as error:
            name = sample_name(self.dataset, int(index))
            if is_input_error(error):
                text = str(error)
                raise SampleError(text if name.rsplit(' (', 1)[0] in text else f'{name}: {text}') from error
            raise RuntimeError(f'{name} could not be loaded: {type(error).__name__}: {error}') from error


def _dead_workers(patience: float) -> dict[int, str]:
    """Watched processes that ended badly and that nobody has asked about yet: process -> signal, or ''."""
    dead = {}
    until = time.monotonic() + patience
    while hasattr(os, 'waitid') and not dead:
        for pid in {pid for watch in list(_WATCHES) for pid in watch.table[:, 0].tolist() if pid > 0}:
            try:
                result = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except OSError:  # not there any more
                continue
            if result is not None and result.si_status != 0:
                dead[pid] = '' if result.si_code == os.CLD_EXITED else signal.strsignal(result.si_status) or ''
        if time.monotonic() >= until:
            break
        time.sleep(0.05)
    return dead


def _release_sigchld() -> None:
    """Take back PyTorch's handler, which would raise the same error again wherever the program is by then."""
    handling = getattr(_utils, 'signal_handling', None)
    if getattr(handling, '_SIGCHLD_handler_set', False) and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        handling._SIGCHLD_handler_set = False  # the next loader sets it again


@contextmanager
def explained_worker_deaths() -> Iterator[None]:
    """Turn the error that a data loading worker leaves when it dies into one that names its sample.

    Raises:
        TrainingError: With the sample that the worker was at, the signal that killed it, and the usual cause.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        if isinstance(error, TrainingError):
            raise
        dead = _find_dead(error)
        if not dead:
            raise
        _release_sigchld()
        raise TrainingError(_death_message(dead)) from error


def _find_dead(error: BaseException) -> dict[int, str]:
    dead = _named_in(error)
    if not dead:  # what a worker leaves half sent breaks the connection, often before it is known to be dead
        try:
            dead = _dead_workers(patience=0.0 if isinstance(error, RuntimeError) else 1.0)
        except RuntimeError as later:  # PyTorch raises its own at any moment
            dead = _named_in(later)
    return dead


def _named_in(error: BaseException) -> dict[int, str]:
    """The dead workers that PyTorch's error tells of."""
    texts: list[str] = []
    link: BaseException | None = error
    while link is not None and len(texts) < 10:
        texts.append(str(link))
        link = link.__cause__ or link.__context__
    killed = next((found[1].strip() for text in texts if (found := _SIGNAL.search(text))), '')
    return {int(pid): killed for text in texts for found in _PIDS.findall(text) for pid in re.findall(r'\d+', found)}


def _death_message(dead: dict[int, str]) -> str:
    names = sorted(
        sample_name(watch.dataset, index, only_list=True)  # to make the sample may be deadly
        for watch in list(_WATCHES)
        for pid, index in watch.table.tolist()
        if pid in dead
    )
    killed = next(filter(None, dead.values()), '')
    hints = {
        'Killed': 'The system kills processes this way when memory runs out: take fewer workers (num_workers of the '
        'data loader) or less prefetching (prefetch_factor), or ask for more memory.\n',
        'Bus error': 'Shared memory ran out: take fewer workers (num_workers of the data loader) or more shared memory '
        '(docker run --shm-size=8g).\n',
    }
    return (
        f'a data loading worker (process {", ".join(map(str, dead))}) '
        + (f'was killed by the signal {killed!r}' if killed else 'ended unexpectedly')
        + (f' while it loaded {", ".join(names)}, or just after' if names else '')
        + f'.\n{hints.get(killed, "")}'
        + 'With num_workers=0 in the data loader a sample that crashes its reader does so in the main process. The run '
        'continues from its last checkpoint with --resume.'
    )
