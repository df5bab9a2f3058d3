import pytest

from mmfer.datasets import canonical_name
from mmfer.utils.errors import run_tool


def test_own_errors_end_with_a_message():
    with pytest.raises(SystemExit, match='error: .*grumpy'):
        run_tool(lambda: canonical_name('grumpy'))


def test_foreign_errors_keep_their_traceback():
    with pytest.raises(ValueError, match='invalid literal'):
        run_tool(lambda: int('x'))
