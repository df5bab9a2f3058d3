"""docs/tutorials: the build of the book runs each page, and a cell that fails ends it."""

import re

import book
import pytest
from processes import ROOT

PAGES = sorted((ROOT / 'docs/tutorials').glob('*.md'))
CELL = re.compile(r'^```\{code-cell\} ipython3\n(.*?)^```', re.MULTILINE | re.DOTALL)


def test_cells_that_fail_end_the_build():
    conf = (ROOT / 'docs/conf.py').read_text()
    for line in (
        "nb_execution_mode = 'force'",
        'nb_execution_raise_on_error = True',
        "os.environ['MMFER_OFFLINE'] = '1'",
    ):
        assert f'\n{line}\n' in conf


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_page_is_a_notebook(page):
    text = page.read_text()
    assert text.startswith('---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n'), 'it would not be run'
    assert f'tutorials/{page.stem}\n' in (ROOT / 'docs/index.md').read_text()
    cells = CELL.findall(text)
    assert cells
    assert len(cells) == text.count('{code-cell}')
    for cell in cells:
        assert not re.search(r'^!', cell, re.MULTILINE), 'the failure of !command is not noticed; %%bash is'
        assert '|' not in cell or not cell.startswith('%%bash'), 'nor is that of the first command of a pipe'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_commands_have_the_options_that_are_shown(page, monkeypatch):
    for cell in CELL.findall(page.read_text()):
        for line in cell.splitlines()[1:] if cell.startswith('%%bash') else ():
            book.understand(line.split('>')[0].split(), monkeypatch)
