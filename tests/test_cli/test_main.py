"""The command ``mmfer``: its verbs, its help, its exit codes."""

import sys

import pytest
from base_install import base_python
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


def test_a_verb_whose_extra_is_missing_names_it(tmp_path):
    lines = ['train c.py', 'test c.py x.pth', 'compare --from d', 'calibrate c.py x.pth', 'export c.py x.pth o.onnx']
    lines += ['convert a b --config c.py', 'flops c.py', 'models', 'data verify c.py', 'data align a b']
    lines += ['data prepare raf_db a b', 'plot curves d --out c.png', 'plot cam c.py x.pth a.png --out m']
    lines += ['predict c.py x.pth a.png --detector none']
    code = f'from mmfer.cli import main\nprint([main(line.split()) for line in {lines}])'
    result = base_python(code, cwd=tmp_path)
    assert result.stdout.strip() == str([1] * len(lines)), result.stderr
    assert sum(
        line.endswith("pip install 'mmfer[train]' (mmfer explain missing-extra)") for line in result.stderr.splitlines()
    ) == len(lines)


@pytest.mark.parametrize(('words', 'code'), [(['download', '--list'], 0), (['data', 'browse', 'no.py'], 2)])
def test_exit_codes_reach_the_shell(words, code, tmp_path):
    """Those of bad input and of Ctrl-C are tested above and with the trainings that they stop."""
    assert python('-m', 'mmfer', *words, cwd=tmp_path).returncode == code
