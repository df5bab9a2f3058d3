import json

import pytest
from mmengine.config import Config
from small_runs import ROOT, small_config
from torch.optim import SGD

from mmfer.apis import load_config
from mmfer.structures.run_record import MARKER, changed_settings, config_settings, read_finished
from mmfer.utils.files import write_json


def test_settings_are_plain_and_complete(tmp_path):
    settings = config_settings(small_config(tmp_path))
    assert settings['optim_wrapper.optimizer.lr'] == 2e-3
    assert settings['model.backbone.image.channels'] == [8, 8, 8]
    assert settings['param_scheduler.0.total_steps'] == 1
    assert all('ExpressionMetric' in v for k, v in settings.items() if k == 'val_evaluator.type')
    assert json.loads(json.dumps(settings)) == settings


def test_settings_of_the_same_config_are_equal():
    first, second = (config_settings(load_config(ROOT / 'configs/poster_var/synth.py')) for _ in range(2))
    assert changed_settings(first, second) == []


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


def test_read_what_was_written(tmp_path):
    assert read_finished(tmp_path) is None
    content = dict(last=dict(accuracy=1.5), best={}, settings={'a': 1})
    write_json(tmp_path / MARKER, content)
    assert read_finished(tmp_path) == content
    assert [p.name for p in tmp_path.iterdir()] == [MARKER]


@pytest.mark.parametrize('text', ['', '{"last": ', '[]', '{"last": {}}'])
def test_damaged_marks_are_said(tmp_path, text):
    (tmp_path / MARKER).write_text(text)
    with pytest.raises(ValueError, match=r'finished\.json is damaged .*delete it'):
        read_finished(tmp_path)


def test_numbers_that_json_lacks_are_not_written(tmp_path):
    with pytest.raises(ValueError):
        write_json(tmp_path / 'x.json', dict(a=float('nan')))
    assert list(tmp_path.iterdir()) == []
