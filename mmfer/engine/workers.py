"""Data loading workers: errors that name their sample, signals that pass by them, and what their death means."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch.utils.data import get_worker_info

from mmfer.utils.errors import TrainingError, is_input_error

_protected = 0  # the process that was


class SampleError(TrainingError):
    """A sample could not be loaded; the message names it."""

    def __init__(self, message: str) -> None:
        if message.startswith('Caught '):  # a worker's error comes back as the text of its traceback
            message = message.rsplit(f'{__name__}.SampleError: ', 1)[-1].rstrip()
        super().__init__(message)


@contextmanager
def named_errors(dataset: Any, index: int) -> Iterator[None]:
    """Name the sample in errors of the block.

    Args:
        dataset: Tells the path of a sample, by ``entry(i)`` or ``get_data_info(i)``.
        index: The sample.

    Raises:
        SampleError: For a mistake in the input, whose message is all that there is to know.
        RuntimeError: For any other error, with its traceback.
    """
    try:
        yield
    except Exception as error:
        path = _path(dataset, index)
        name = f'{path} (sample {index})' if path else f'sample {index}'
        if is_input_error(error):
            text = str(error)
            raise SampleError(text if path and path in text else f'{name}: {text}') from error
        raise RuntimeError(f'{name} could not be loaded: {type(error).__name__}: {error}') from error


def _path(dataset: Any, index: int) -> str | None:
    path = None
    for method in ('entry', 'get_data_info'):
        try:
            path = path or getattr(dataset, method)(index).get('img_path')
        except Exception:  # this only serves a message about another error
            continue
    return path


def protect_worker() -> None:
    """Let the signals that stop a run pass by this worker, so that the run can finish its iteration and save.

    Slurm and torchrun send them to all processes. SIGTERM is obeyed only if it comes from the worker's own parent.
    """
    global _protected
    if _protected == os.getpid() or get_worker_info() is None:
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


def _is_of_worker(error: BaseException) -> bool:
    """Whether an error tells of a dead worker, or of what it left half sent: often before it is known to be dead."""
    files = (frame.filename.replace(os.sep, '/') for frame in traceback.extract_tb(error.__traceback__))
    broken = not isinstance(error, RuntimeError) and any('torch/utils/data' in file for file in files)
    return broken or 'DataLoader worker (pid' in str(error)


@contextmanager
def explained_worker_deaths() -> Iterator[None]:
    """Say in the error that PyTorch raises about a dead data loading worker what the usual cause is.

    Raises:
        TrainingError: In the place of that error.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        try:
            died, text = _is_of_worker(error), str(error)
            if died and hasattr(signal, 'SIGCHLD') and threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except RuntimeError as later:  # of PyTorch's handler of this signal, which raises it at any moment
            died, text = True, str(later)
        if not died:
            raise
        raise TrainingError(
            f'a data loading worker died ({text.strip() or type(error).__name__}). The usual '
            'cause is memory: take fewer workers (num_workers of the data loader) or less prefetching '
            '(prefetch_factor), or in a container more shared memory (docker run --shm-size=8g). The run continues '
            'from its last checkpoint with --resume.'
        ) from error
