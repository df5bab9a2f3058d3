from __future__ import annotations

import sys
from collections.abc import Callable


def run_tool(run: Callable[[], object]) -> int:
    """Run the work of a command-line tool and return its exit code.

    A mistake in the input ends it with one message: any error about a file, and any ValueError that mmfer or the tool
    itself raised. Errors from elsewhere keep their traceback, since they point at a bug rather than at the input.
    """
    try:
        run()
    except (OSError, ValueError) as error:
        trace = error.__traceback__
        while trace.tb_next is not None:
            trace = trace.tb_next
        module = trace.tb_frame.f_globals.get('__name__', '')
        own = module.split('.')[0] == 'mmfer' or trace.tb_frame.f_code.co_filename == sys.argv[0]
        if isinstance(error, ValueError) and not own:
            raise
        print(f'error: {error}', file=sys.stderr)
        return 1
    return 0
