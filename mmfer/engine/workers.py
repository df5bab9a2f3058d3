"""Data loading workers: errors that name their sample, and signals that pass by them."""

from __future__ import annotations

import os
import signal
import threading
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
    for method in ('entry', 'get_data_info'):
        try:
            return getattr(dataset, method)(index)['img_path']
        except Exception:  # this only serves a message about another error
            continue
    return None


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
