from __future__ import annotations

import sys
from collections.abc import Callable


def run_tool(main: Callable[[], None]) -> None:
    """Run a command-line tool: a mistake that mmfer itself reports ends it with one message and exit code 1.

    Errors from anywhere else keep their traceback, since they point at a bug rather than at the input.
    """
    try:
        main()
    except (FileNotFoundError, FileExistsError, ValueError) as error:
        frame = error.__traceback__
        while frame.tb_next is not None:
            frame = frame.tb_next
        if not frame.tb_frame.f_globals.get('__name__', '').startswith('mmfer.'):
            raise
        sys.exit(f'error: {error}')
