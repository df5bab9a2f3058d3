import json
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from comparison_runs import write_methods
from processes import ROOT, environment, python
from small_runs import small_config

from mmfer.cli import main
from mmfer.structures.run_record import read_finished

CONFIG = str(ROOT / 'configs/poster_var/synth.py')


def test_heads_are_listed(capsys):
    assert main(['compare', '--list-heads']) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert {'vich', 'linear', 'evidential', 'arcface'} <= lines.keys()
    assert all(text.endswith(('.', ':', ',')) for text in lines.values())


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'which CONFIG'),
        (['c.py', '--heads', 'vich'], '--work-dir DIR is needed'),
        (['c.py', '--from', 'd'], 'no CONFIG and no --heads'),
        (['--from', 'd', '--label-noise', '0.2'], '--label-noise is for trainings'),
        (['--from', 'd', '--checkpoint', 'best'], '--checkpoint is for trainings'),
        (['--from', 'd', '--cfg-options', 'a=1'], '--cfg-options is for trainings'),
        (['--from', 'd', '--plan', '--primary', 'all'], '--plan is for one primary metric'),
        (['c.py', '--work-dir', 'd', '--methods', 'vich'], '--methods belongs to --from'),
        (['c.py', '--work-dir', 'd', '--label-noise', '0', '20'], 'e.g. 0.2 for 20 %'),
        (['c.py', '--work-dir', 'd', '--level', '95'], 'e.g. 0.95'),
        (['c.py', '--work-dir', 'd', '--seeds'], 'expected at least one'),
    ],
)
def test_options_that_do_not_go_together(capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        main(['compare', *words])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--heads', 'vich', 'softmax'], "no head 'softmax'"),
        (['--heads', 'vich', 'linear', '--seeds', '0', '0'], '0 is there twice'),
        (['--heads', 'vich', 'linear', '--reference', 'focal'], 'the methods are vich, linear'),
        (['--heads', 'vich', '--jobs', '0'], 'jobs=0: expected 1 or more'),
        (['--heads', 'vich', '--occlusion', '30'], 'share=30.0 must be within [0, 1]'),
        (['--heads', 'vich', '--regions', 'nose'], "region='nose' is not one of block, upper"),
        (['--heads', 'vich', '--ood', CONFIG, CONFIG], '--ood names one config twice'),
        ([], '--heads'),
    ],
)
def test_mistakes_are_one_message(capsys, tmp_path, words, message):
    assert main(['compare', CONFIG, *words, '--work-dir', str(tmp_path / 'work')]) == 1
    errors = capsys.readouterr().err
    assert message in errors
    assert 'Traceback' not in errors
    assert not list(tmp_path.glob('work/*/*'))


def test_everything_reaches_the_comparison(monkeypatch):
    told = []
    for name in ('compare_methods', 'report_finished'):
        monkeypatch.setattr(f'mmfer.experiments.run.{name}', lambda *args, **kw: told.append((args, kw)) or 0)
    words = ['c.py', '--heads', 'a', 'b', '--seeds', '3', '4', '--work-dir', 'w', '--jobs', '2', '--processes', '4']
    words += ['--label-noise', '0', '0.2', '--noise-seed', '5', '--occlusion', '0.1', '--regions', 'eyes']
    words += [
        '--epochs',
        '6',
        '--amp',
        '--level',
        '0.9',
        '--reference',
        'a',
        '--checkpoint',
        'best',
        '--cfg-options',
        'x.y=[1,2]',
    ]
    assert main(['compare', *words, '--ood', CONFIG]) == 0
    (configs, heads, seeds, output, tests, noises), options = told.pop()
    assert (configs, heads, seeds) == (['c.py'], ['a', 'b'], [3, 4])
    assert (str(output.folder), output.level, output.reference) == ('w', 0.9, 'a')
    assert output.called == f'mmfer compare {shlex.join(words)} --ood {CONFIG}'
    assert [test.name for test in tests] == ['block 10 %', 'eyes', 'synth']
    assert noises == [(0.0, 0), (0.2, 5)]
    expected = dict(cfg_options={'x.y': [1, 2]}, amp='bfloat16', epochs=6, jobs=2, processes=4, checkpoint='best')
    assert options == expected
    assert (output.primary, output.strict) == ('accuracy', False)
    assert main(['compare', '--from', 'd', 'e', '--methods', 'vich', '--primary', 'all', '--strict']) == 0
    (dirs, output, tests, methods, jobs), _ = told.pop()
    assert (dirs, str(output.folder), tests, methods, jobs) == (['d', 'e'], 'd', [], ['vich'], 1)
    assert (output.primary, output.strict) == ('all', True)


def test_no_plan_without_test_images(capsys):
    words = ['--plan', '--cfg-options', 'test_dataloader=None', 'test_cfg=None', 'test_evaluator=None']
    assert main(['compare', CONFIG, '--heads', 'vich', 'linear', *words]) == 1
    assert 'no test images' in capsys.readouterr().err


def test_a_plan_before_any_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('mmfer.experiments.plan.count_test_images', lambda config: 500)
    assert main(['compare', CONFIG, '--heads', 'vich', 'linear', 'arcface', '--plan']) == 0
    out = capsys.readouterr().out
    assert 'Assumed, for want of finished runs' in out
    assert '500 test images, accuracy 85.0 %' in out
    assert '3 pairs, level 95 %' in out
    for words in (['--reference', 'arcface'], ['--occlusion', '0.2'], ['--label-noise', '0', '0.2']):
        assert main(['compare', CONFIG, '--heads', 'vich', 'linear', 'arcface', '--plan', *words]) == 0
        assert '2 pairs, level 95 %' in capsys.readouterr().out
    assert main(['compare', CONFIG, '--heads', 'vich', 'linear', '--plan', '--reference', 'focal']) == 1
    assert "reference='focal' is none of the methods: vich, linear" in capsys.readouterr().err
    root = write_methods(tmp_path, dict(vich={}, linear={}), num=40)
    assert main(['compare', '--from', str(root), '--plan']) == 0
    assert 'As these runs show: 40 test images' in capsys.readouterr().out


def test_finished_runs_are_reported(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr('mmfer.experiments.report._draw', lambda *args: {})  # plots take seconds
    root = write_methods(tmp_path / 'runs', dict(vich={}, linear={}), num=20)
    assert main(['compare', '--from', str(root), '--work-dir', str(tmp_path / 'out')]) == 0
    assert 'share the highest accuracy' in (out := capsys.readouterr().out) or 'has the highest accuracy' in out
    assert (tmp_path / 'out/report.md').is_file()
    assert main(['compare', '--from', str(tmp_path / 'nothing')]) == 1
    assert 'no such folder' in capsys.readouterr().err


@pytest.mark.long
def test_a_killed_comparison_goes_on(tmp_path):
    config, work = tmp_path / 'small.py', tmp_path / 'work'
    settings = small_config(tmp_path, epochs=6)
    settings.default_hooks.checkpoint.max_keep_ckpts = 1
    settings.dump(config)
    words = ['-m', 'mmfer', 'compare', config, '--heads', 'vich', 'linear', '--occlusion', '0.2', '--jobs', '2']
    words = [str(word) for word in (*words, '--work-dir', work)]
    options = dict(env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    process = subprocess.Popen([sys.executable, *words], **options)
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
    result = python(*words, cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    assert 'seed 0: training goes on from epoch_' in result.stdout
    assert '[2/2]' in result.stdout
    assert 'all methods had the same initial backbone, initial neck, first batch' in result.stdout
    report = json.loads((work / 'report.json').read_text())
    assert [run['method'] for run in report['runs']] == ['linear', 'vich']
    assert list(report['conditions']['occlusion']['shares']) == ['clean', 'block 20 %']
    vich, linear = (read_finished(work / name / 'seed_0') for name in ('vich', 'linear'))
    assert vich['iterations'] == linear['iterations'] == 12
    assert vich['initial_weights']['backbone'] == linear['initial_weights']['backbone']
    assert vich['initial_weights']['head'] != linear['initial_weights']['head']
    assert not list(work.rglob('.*part*'))
