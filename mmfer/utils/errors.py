"""Errors that point at the input or the machine, not at a bug, and how tools show them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says where it was, what was seen and what to do."""


def is_input_error(error: BaseException) -> bool:
    """Whether ``error`` is a mistake in the input: about a file, or a ValueError of mmfer or of the tool's own folder.

    Errors from elsewhere point at a bug rather than at the input, and are worth their traceback.
    """
    if isinstance(error, (OSError, TrainingError)):
        return True
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    module, file = trace.tb_frame.f_globals.get('__name__', ''), trace.tb_frame.f_code.co_filename
    return module.split('.')[0] == 'mmfer' or os.path.dirname(file) == os.path.dirname(os.path.abspath(sys.argv[0]))


def run_tool(run: Callable[[], object]) -> int:
    """Run the work of a command-line tool and return its exit code: what ``run`` returns if that is a number, else 0.

    A mistake in the input (see :func:`is_input_error`) ends it with one message and 1, Ctrl-C with 130. Other errors
    keep their traceback.
    """
    try:
        code = run()
    except KeyboardInterrupt:
        print('error: stopped by Ctrl-C', file=sys.stderr)
        return 130
    except Exception as error:
        if not is_input_error(error):
            raise
        print(f'error: {error}', file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0
