import io
import sys

import pytest

from mmfer.datasets import canonical_name
from mmfer.utils.errors import run_tool
from mmfer.utils.tables import render_table


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


@pytest.mark.parametrize('encoding', ['ascii', 'latin-1', 'cp1252', 'utf-8'])
@pytest.mark.parametrize('errors', ['strict', 'surrogateescape'])
def test_an_output_of_any_encoding_takes_tables(encoding, errors, monkeypatch):
    """Also names of files that are no text."""
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors)
    monkeypatch.setattr(sys, 'stdout', out)
    assert run_tool(lambda: print(render_table(('class', 'images'), [('ängstlich 顔', '12 µ'), ('\udcff', 3)]))) == 0
    out.flush()
    text = out.buffer.getvalue().decode(encoding)
    assert text.count('\n') == 5
    assert '12 ' in text
    assert ('──' in text) == ('顔' in text) == (encoding == 'utf-8')
    assert '?' in text


def test_an_output_that_is_no_file(monkeypatch):
    monkeypatch.setattr(sys, 'stdout', io.StringIO())
    assert run_tool(lambda: print('─')) == 0
    monkeypatch.setattr(sys, 'stdout', None)  # of pythonw on Windows
    assert run_tool(lambda: print('─')) == 0
