import json
import shutil
import subprocess

import pytest
from mmengine.config import Config
from small_runs import ROOT, small_config
from torch.optim import SGD

from mmfer.apis import load_config
from mmfer.structures.run_record import (
    MARKER,
    RunRecord,
    changed_settings,
    config_settings,
    git_state,
    machine,
    read_finished,
    settings_hash,
    versions,
)


def record(**changes):
    data = dict(protocol='Listed train', samples=3, class_counts=dict(anger=2, fear=1), list_hash='1a')
    base = dict(config='x.py', config_hash='123', settings=dict(a=1), seed=0, deterministic=False, processes=1)
    base.update(versions=dict(mmfer='1', torch='2'), git='abc', machine=machine(), data=dict(train=data))
    return RunRecord(**{**base, **changes})


def test_lines_and_differences():
    text = '\n'.join(record().lines())
    for part in ('torch 2', 'git: abc', 'x.py (content 123)', 'seed 0', 'anger 2, fear 1', 'Listed train', 'list 1a'):
        assert part in text
    assert record().differences(record().to_dict()) == []
    other = record(
        versions=dict(mmfer='1', torch='3'),
        settings=dict(a=2),
        seed=1,
        processes=2,
        data=dict(train=dict(record().data['train'], samples=2, list_hash='2b')),
    )
    changed = '\n'.join(other.differences(record().to_dict()))
    for part in (
        'torch is 3, was 2',
        'settings (old -> new): a: 1 -> 2',
        'seed is 1, was 0',
        'processes is 2',
        '2 samples, were 3',
    ):
        assert part in changed
    assert 'source code' not in changed


def test_what_is_written_is_read(tmp_path):
    assert read_finished(tmp_path) is None
    record().write(tmp_path, dict(last=dict(accuracy=1.5), best={}))
    content = read_finished(tmp_path)
    assert content == json.loads(json.dumps(dict(record().to_dict(), last=dict(accuracy=1.5), best={})))
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


@pytest.mark.parametrize('text', ['', '{"last": ', '[]', '{"last": {}}'])
def test_damaged_marks_are_said(tmp_path, text):
    (tmp_path / MARKER).write_text(text)
    with pytest.raises(ValueError, match=r'finished\.json is damaged .*delete it'):
        read_finished(tmp_path)


# ---- settings
def test_settings_are_plain_and_complete(tmp_path):
    settings = config_settings(small_config(tmp_path))
    assert settings['optim_wrapper.optimizer.lr'] == 2e-3
    assert settings['model.backbone.image.channels'] == [8, 8, 8]
    assert settings['param_scheduler.0.total_steps'] == 1
    assert all('ExpressionMetric' in v for k, v in settings.items() if k == 'val_evaluator.type')
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.parametrize(
    'options',
    [
        dict(work_dir='elsewhere'),
        {'randomness.seed': 5},
        {'train_dataloader.num_workers': 3, 'train_dataloader.persistent_workers': True},
        {'default_hooks.logger.interval': 7},
        {'log_level': 'ERROR', 'resume': True},
    ],
)
def test_what_changes_no_result_does_not_count(options):
    path = ROOT / 'configs/poster_var/synth.py'
    assert changed_settings(config_settings(load_config(path)), config_settings(load_config(path, options))) == []


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('optim_wrapper.optimizer.lr', 0.5),
        ('train_cfg.max_epochs', 9),
        ('train_dataloader.batch_size', 3),
        ('randomness.deterministic', True),
        ('load_from', 'weights.pth'),
        ('model.head.type', 'LinearHead'),
    ],
)
def test_what_changes_results_counts(name, value):
    path = ROOT / 'configs/poster_var/synth.py'
    changes = changed_settings(config_settings(load_config(path)), config_settings(load_config(path, {name: value})))
    assert len(changes) == 1
    assert changes[0].startswith(f'{name}: ')
    assert changes[0].endswith(f' -> {value!r}')


def test_classes_and_objects_have_no_addresses():
    values = config_settings(Config(dict(a=SGD, b=object(), c={}, d=[], e=[dict(x=(1, 2))])))
    assert values == {'a': 'torch.optim.sgd.SGD', 'b': 'object', 'c': {}, 'd': [], 'e.0.x': [1, 2]}


def test_their_hash_is_the_same_for_the_same_settings():
    settings = config_settings(load_config(ROOT / 'configs/poster_var/synth.py'))
    same = settings_hash(settings)
    assert settings_hash(dict(reversed(list(settings.items())))) == same
    assert settings_hash({**settings, 'optim_wrapper.optimizer.lr': 0.5}) != same


# ---- surroundings
def test_versions_of_all_that_matters():
    found = versions()
    assert {'mmfer', 'python', 'torch', 'torchvision', 'mmengine', 'mmpretrain', 'mmcv', 'numpy'} <= found.keys()
    assert 'opencv-python' in found
    assert all(version[0].isdigit() for version in found.values())


@pytest.mark.skipif(shutil.which('git') is None, reason='git is not installed')
def test_git_state(tmp_path):
    def git(*args):
        settings = ['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'commit.gpgsign=false']
        subprocess.run(['git', '-C', str(tmp_path), *settings, *args], check=True, capture_output=True)

    assert git_state(tmp_path) == 'no git'
    (tmp_path / 'package').mkdir()
    (tmp_path / 'package/code.py').write_text('x = 1\n')
    (tmp_path / '.gitignore').write_text('venv/\n')
    git('init')
    assert git_state(tmp_path / 'package') == 'no git'
    git('add', '.')
    git('commit', '-m', 'x')
    clean = git_state(tmp_path / 'package')
    assert len(clean) == 12
    (tmp_path / 'venv/mmfer').mkdir(parents=True)
    (tmp_path / 'venv/mmfer/code.py').write_text('')
    assert git_state(tmp_path / 'venv/mmfer') == 'no git'
    (tmp_path / 'package/code.py').write_text('x = 2\n')
    assert git_state(tmp_path / 'package') == f'{clean} with uncommitted changes'


def test_git_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert git_state() == 'no git'
