import io
import os
import signal
import subprocess
import sys
import time

import pytest

from mmfer.datasets import canonical_name
from mmfer.registry import DATASETS
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


@pytest.mark.parametrize(
    ('name', 'code', 'shown'), [('SIGINT', 130, 'Ctrl-C'), ('SIGTERM', 143, 'SIGTERM'), ('SIGUSR1', 138, 'SIGUSR1')]
)
def test_signals_end_with_one_line_and_clean_up(capsys, name, code, shown):
    number, cleaned = getattr(signal, name), []
    before = signal.getsignal(number)

    def work():
        try:
            os.kill(os.getpid(), number)
            time.sleep(5)
        finally:
            cleaned.append(True)

    assert run_tool(work, stopped='nothing was saved') == code
    assert capsys.readouterr().err == f'error: stopped by {shown}: nothing was saved\n'
    assert cleaned
    assert signal.getsignal(number) == before


def test_processes_that_are_forked_end_by_themselves():
    child = []

    def work():
        child.append(os.fork())
        if not child[0]:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            os._exit(1)

    assert run_tool(work) == 0
    assert os.waitstatus_to_exitcode(os.waitpid(child[0], 0)[1]) == -signal.SIGTERM


def test_signals_that_others_handle_are_left_to_them():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        assert run_tool(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


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


@pytest.mark.parametrize(('package', 'extra'), [('torch', 'train'), ('mmengine.config', 'train'), ('gradio', 'demo')])
def test_a_missing_extra_is_named(package, extra, capsys):
    def run():
        try:
            raise ModuleNotFoundError(f'No module named {package!r}', name=package)
        except ModuleNotFoundError as error:
            raise ImportError('mmfer.train needs it') from error

    assert run_tool(run) == 1
    message = capsys.readouterr().err
    assert (
        f"needs {package.split('.')[0]}, which is not installed. Install it with: pip install 'mmfer[{extra}]'"
        in message
    )
    with pytest.raises(ModuleNotFoundError):
        run_tool(lambda: __import__('no_such_package'))


def test_a_wrong_argument_in_a_config_is_one_message(capsys):
    assert run_tool(lambda: DATASETS.build(dict(type='CSVDataset', class_map={}, lazy_init=True))) == 1
    assert "unexpected keyword argument 'class_map'" in capsys.readouterr().err
    with pytest.raises(TypeError):
        run_tool(lambda: print(no=1))


def test_a_reader_that_reads_no_further():
    code = 'import sys; from mmfer.utils.errors import run_tool; sys.exit(run_tool(lambda: print("x" * 10_000_000)))'
    shell = f"{sys.executable} -c '{code}' | head -c 1; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(['bash', '-c', shell], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ('x141\n', '')
