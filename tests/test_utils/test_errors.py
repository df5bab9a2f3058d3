import pytest

from mmfer.datasets import canonical_name
from mmfer.utils.errors import run_tool


def test_own_errors_end_with_a_message(capsys):
    assert run_tool(lambda: canonical_name('grumpy')) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert 'grumpy' in error


def test_errors_about_files_end_with_a_message(capsys, tmp_path):
    assert run_tool((tmp_path / 'none.txt').read_text) == 1
    assert 'none.txt' in capsys.readouterr().err


def test_foreign_errors_keep_their_traceback():
    with pytest.raises(ValueError, match='invalid literal'):
        run_tool(lambda: int('x'))


def test_success():
    assert run_tool(lambda: None) == 0
