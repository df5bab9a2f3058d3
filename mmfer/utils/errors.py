from __future__ import annotations

import sys
from collections.abc import Callable


def run_tool(main: Callable[[], None]) -> None:
    """Run a command-line tool: a mistake in its input ends it with one message and exit code 1.

    That is any error about a file, and any ValueError that mmfer or the tool itself raised. Errors from elsewhere keep
    their traceback, since they point at a bug rather than at the input.
    """
    try:
        main()
    except OSError as error:
        sys.exit(f'error: {error}')
    except ValueError as error:
        trace = error.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
        if trace.tb_frame.f_globals.get('__name__', '').split('.')[0] not in ('mmfer', '__main__'):
            raise
        sys.exit(f'error: {error}')
