"""Every tool starts as a script, from any folder. What it does is tested in this process, where that is possible."""

import pytest
from processes import ROOT, python

TOOLS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob('tools/**/*.py'))


@pytest.mark.slow
@pytest.mark.parametrize('tool', TOOLS)
def test_tells_how_it_is_used(tool, tmp_path):
    result = python(ROOT / tool, '--help', cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('usage: ')
    wrong = python(ROOT / tool, '--no-such-option', cwd=tmp_path)
    assert wrong.returncode == 2
    assert 'Traceback' not in wrong.stderr
    assert not list(tmp_path.iterdir())
