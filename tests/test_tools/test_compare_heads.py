import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from processes import ROOT, environment, load_tool, python
from small_runs import small_config

from mmfer.structures.run_record import read_finished

TOOL = 'tools/compare_heads.py'


def test_heads_are_listed(call_tool):
    code, out, _ = call_tool(TOOL, '--list-heads')
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert {'vich', 'linear', 'evidential', 'arcface'} <= lines.keys()
    assert all(text.endswith(('.', ':', ',')) for text in lines.values())


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'which CONFIG'),
        (['c.py', '--heads', 'vich'], '--work-dir DIR is needed'),
        (['c.py', '--from', 'd'], 'no CONFIG and no --heads'),
        (['--from', 'd', '--label-noise', '0.2'], '--label-noise is for trainings'),
        (['c.py', '--work-dir', 'd', '--label-noise', '20'], 'e.g. 0.2 for 20 %'),
        (['c.py', '--work-dir', 'd', '--level', '95'], 'e.g. 0.95'),
        (['c.py', '--work-dir', 'd', '--seeds'], 'expected at least one'),
    ],
)
def test_options_that_do_not_go_together(capsys, words, message):
    with pytest.raises(SystemExit):
        load_tool(TOOL).parse_args(words)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['{config}', '--heads', 'vich', 'softmax'], "no head 'softmax'"),
        (['{config}', '--heads', 'vich', 'linear', '--seeds', '0', '0'], '0 is there twice'),
        (['{config}', '--heads', 'vich', 'linear', '--reference', 'focal'], 'the methods are vich, linear'),
        (['{config}', '--heads', 'vich', '--jobs', '0'], 'jobs=0: expected 1 or more'),
        (['{config}'], '--heads'),
        (['nothing.py', '--heads', 'vich'], 'config not found: nothing.py'),
    ],
)
def test_mistakes_are_one_message(call_tool, tmp_path, words, message):
    config = ROOT / 'configs/poster_var/synth.py'
    words = [word.format(config=config) for word in words]
    code, _, errors = call_tool(TOOL, *words, '--work-dir', tmp_path / 'work')
    assert code == 1
    assert message in errors
    assert 'Traceback' not in errors
    assert not list(tmp_path.glob('work/*/*'))


def test_everything_reaches_the_comparison(monkeypatch, tmp_path):
    told = []
    monkeypatch.setattr('mmfer.comparison.run.run_comparison', lambda *args: told.append(args) or 0)
    monkeypatch.setattr('mmfer.comparison.run.report_finished', lambda *args: told.append(args) or 0)
    tool = load_tool(TOOL)
    words = ['c.py', '--heads', 'a', 'b', '--seeds', '3', '4', '--work-dir', 'w', '--jobs', '2', '--processes', '4']
    words += ['--label-noise', '0.2', '--noise-seed', '5', '--epochs', '6']
    words += ['--amp', '--level', '0.9', '--reference', 'a', '--checkpoint', 'best', '--cfg-options', 'x.y=[1,2]']
    assert tool.run(tool.parse_args(words)) == 0
    configs, heads, seeds, work_dir, options, *settings = told.pop()
    assert (configs, heads, seeds, work_dir) == (['c.py'], ['a', 'b'], [3, 4], 'w')
    assert (options.tools, options.jobs, options.processes, options.checkpoint) == (ROOT / 'tools', 2, 4, 'best')
    assert options.command == f'python tools/compare_heads.py {shlex.join(words)}'
    assert settings == [{'x.y': [1, 2]}, 'bfloat16', 0.9, 'a', (0.2, 5), 6]
    assert tool.run(tool.parse_args(['--from', 'd', 'e'])) == 0
    assert told.pop()[:2] == (['d', 'e'], 'd')
    assert tool.run(tool.parse_args(['--from', 'd', 'e', '--work-dir', 'w'])) == 0
    assert told.pop()[:2] == (['d', 'e'], 'w')


@pytest.mark.long
def test_a_killed_comparison_goes_on(tmp_path):
    config, work = tmp_path / 'small.py', tmp_path / 'work'
    settings = small_config(tmp_path, epochs=6)
    settings.default_hooks.checkpoint.max_keep_ckpts = 1
    settings.dump(config)
    words = [sys.executable, ROOT / TOOL, config, '--heads', 'vich', 'linear', '--work-dir', work, '--jobs', '2']
    words = [str(word) for word in words]
    process = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        for _ in range(6000):
            if list(work.glob('*/seed_0/epoch_*.pth')):
                break
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert list(work.glob('*/seed_0/epoch_*.pth'))
    assert not list(work.glob('*/seed_0/predictions.json'))
    result = python(*words[1:], cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    assert 'seed 0: training goes on from epoch_' in result.stdout
    assert '[2/2]' in result.stdout
    assert 'all methods had the same initial backbone, initial neck, first batch' in result.stdout
    report = json.loads((work / 'report.json').read_text())
    assert [run['method'] for run in report['runs']] == ['linear', 'vich']
    vich, linear = (read_finished(work / name / 'seed_0') for name in ('vich', 'linear'))
    assert vich['iterations'] == linear['iterations'] == 12
    assert vich['initial_weights']['backbone'] == linear['initial_weights']['backbone']
    assert vich['initial_weights']['head'] != linear['initial_weights']['head']
    assert not list(work.rglob('.*part*'))
