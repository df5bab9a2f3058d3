"""The command ``mmfer``: its verbs, its help, its exit codes."""

import sys

import pytest
from processes import python

from mmfer.cli import VERBS, main


@pytest.mark.parametrize('words', [['--help'], *([*verb.split(), '--help'] for verb in VERBS)], ids=' '.join)
def test_help(words, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, 'mmengine', raising=False)
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f'usage: mmfer {" ".join(words[:-1])}'.strip())
    assert 'mmengine' not in sys.modules  # nothing heavy is imported
    if words == ['--help']:
        assert all(f'  {verb} ' in out for verb in VERBS)


@pytest.mark.parametrize(
    'words', [[], ['fly'], ['data'], ['plot', 'curvs'], ['train'], ['train', 'c.py', '--no-such-option']]
)
def test_wrong_usage(words, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert 'usage: mmfer' in capsys.readouterr().err


def test_bad_input_and_ctrl_c(monkeypatch, capsys):
    assert main(['test', 'nothing.py', 'x.pth']) == 1
    assert capsys.readouterr().err.startswith('error: config not found')

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr('mmfer.cli.test.run', stop)
    assert main(['test', 'nothing.py', 'x.pth']) == 130


def test_as_a_module():
    result = python('-m', 'mmfer', '--help')
    assert result.returncode == 0
    assert result.stdout == python('-m', 'mmfer.cli', '--help').stdout
