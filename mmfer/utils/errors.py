"""Errors that point at the input or the machine, not at a bug, and how tools show them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Packages that a base installation lacks -> the extra that brings them.
TRAIN = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmpretrain', 'safetensors', 'yaml', 'matplotlib')
EXTRAS = dict(dict.fromkeys(TRAIN, 'train'), gradio='demo', onnx='deploy')


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says where it was, what was seen and what to do."""


def is_input_error(error: BaseException) -> bool:
    """Whether ``error`` is a mistake in the input: about a file, or a ValueError of mmfer or of the tool's own folder.

    Errors from elsewhere point at a bug rather than at the input, and are worth their traceback.
    """
    if isinstance(error, (OSError, TrainingError)):
        return True
    if isinstance(error, TypeError) and 'unexpected keyword argument' in str(error):  # in a config
        files = (frame.filename.replace(os.sep, '/') for frame in traceback.extract_tb(error.__traceback__))
        return any('mmengine/registry/' in file for file in files)
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    module, file = trace.tb_frame.f_globals.get('__name__', ''), trace.tb_frame.f_code.co_filename
    return module.split('.')[0] == 'mmfer' or os.path.dirname(file) == os.path.dirname(os.path.abspath(sys.argv[0]))


class Stopped(KeyboardInterrupt):
    """A signal to end, other than Ctrl-C: what cleans up after Ctrl-C does so after it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def _signals_raised() -> Iterator[None]:
    """SIGTERM and SIGUSR1 raise :class:`Stopped` in here, where they would end the process without a word."""
    process = os.getpid()

    def stop(number: int, frame: object) -> None:
        if os.getpid() == process:
            raise Stopped(number)
        signal.signal(number, signal.SIG_DFL)  # a process forked in here ends as it would elsewhere
        os.kill(os.getpid(), number)

    names = ('SIGTERM', 'SIGUSR1') if threading.current_thread() is threading.main_thread() else ()
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _stopped_by(error: BaseException | None) -> KeyboardInterrupt | None:
    """The stop that ``error`` is, or that it hides: ``except:`` of a library may make something else of it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def _missing_package(error: BaseException | None) -> str | None:
    """The package of ``EXTRAS`` whose lack ``error`` tells of."""
    while error is not None:
        package = (error.name or '').split('.')[0] if isinstance(error, ModuleNotFoundError) else ''
        if package in EXTRAS:
            return package
        error = error.__cause__ or error.__context__
    return None


def run_tool(run: Callable[[], object], stopped: str = '') -> int:
    """Run the work of a command-line tool and return its exit code: what ``run`` returns if that is a number, else 0.

    A mistake in the input (see :func:`is_input_error`) or a missing extra ends it with one message and 1; Ctrl-C,
    SIGTERM and SIGUSR1 end it with one line and 128 + the number of the signal; a reader that reads no further, as in
    ``mmfer ... | head``, ends it without a word. Other errors keep their traceback. What the encoding of the standard
    output lacks is printed as ``?``.

    Args:
        run: The work.
        stopped: What that line says further, unless the KeyboardInterrupt has a text of its own.
    """
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(errors='replace')
    try:
        with _signals_raised():
            code = run()
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as head, has what it wants
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor is the rest flushed at the exit
        return 128 + signal.SIGPIPE
    except BaseException as error:
        if is_input_error(error):
            print(f'error: {error}', file=sys.stderr)
            return 1
        package = _missing_package(error)
        if package:
            extra = f"pip install 'mmfer[{EXTRAS[package]}]'"
            hint = f'Install it with: {extra} (mmfer explain missing-extra)'
            print(f'error: this needs {package}, which is not installed. {hint}', file=sys.stderr)
            return 1
        stop = _stopped_by(error)
        if stop is None or isinstance(error, SystemExit):
            raise
        number = getattr(stop, 'number', signal.SIGINT)
        name = 'Ctrl-C' if number == signal.SIGINT else signal.Signals(number).name
        text = str(stop) or stopped
        print(f'error: stopped by {name}{text and ": "}{text}', file=sys.stderr)
        return 128 + number
    return code if isinstance(code, int) else 0
