import sys

import pytest
from mmengine.config import Config
from processes import ROOT

from mmfer.apis import load_config
from mmfer.engine.swap_head import swap_head
from mmfer.experiments.methods import plan_methods, write_configs
from mmfer.structures.run_record import config_settings

SYNTH = ROOT / 'configs/poster_var/synth.py'
TINY = {'train_cfg.max_epochs': 2, 'train_dataloader.dataset.num_samples': 8}


@pytest.fixture
def config(tmp_path):
    """An old-style config, quick to read, with a plain model."""
    file = tmp_path / 'plain.py'
    file.write_text(
        "model = dict(type='ImageClassifier', head=dict(type='LinearHead', num_classes=7, in_channels=16))\n"
        "train_cfg = dict(by_epoch=True, max_epochs=3)\nwork_dir = 'elsewhere'\n"
    )
    return file


@pytest.mark.parametrize('head', ['vich', 'eac'])
def test_configs_of_heads_load_again(tmp_path, head, pretty_layout):
    (method,) = plan_methods([SYNTH], [head], tmp_path, TINY, amp='bfloat16')
    write_configs([method])
    assert method.config == tmp_path / head / 'config.py'
    config = Config.fromfile(str(method.config))
    assert config_settings(config) == method.settings
    assert config.optim_wrapper.dtype == 'bfloat16'
    assert config.train_cfg.max_epochs == 2
    expected = config_settings(swap_head(load_config(SYNTH, TINY), head))
    own = {name: value for name, value in method.settings.items() if not name.startswith('optim_wrapper.')}
    assert own.items() <= expected.items()
    assert method.config.read_text().startswith(f'"""{SYNTH} with the head {head}, as `mmfer compare` trained it.')


def test_options_reach_the_head_that_is_put_in(tmp_path, config):
    methods = plan_methods(
        [config], ['linear', 'vich'], tmp_path, {'model.head.in_channels': 32, 'train_cfg.val_interval': 2}
    )
    assert [method.settings['model.head.in_channels'] for method in methods] == [32, 32]
    assert [method.settings['train_cfg.val_interval'] for method in methods] == [2, 2]
    assert all('work_dir' not in method.text for method in methods)


def test_epochs_of_every_method(tmp_path):
    methods = plan_methods([SYNTH], ['linear'], tmp_path, epochs=2)
    names = ('train_cfg.max_epochs', 'param_scheduler.0.total_steps')
    assert [method.settings[name] for method in methods for name in names] == [2, 2]


def test_whole_configs(tmp_path, config):
    other = tmp_path / 'other/plain.py'
    other.parent.mkdir()
    other.write_text(config.read_text().replace('16', '32'))
    methods = plan_methods([config, other], [], tmp_path / 'work')
    assert [method.name for method in methods] == [f'{tmp_path.name}_plain', 'other_plain']
    assert [method.settings['model.head.in_channels'] for method in methods] == [16, 32]


def test_heads_in_files(tmp_path, config):
    (tmp_path / 'mine.py').write_text("head = dict(type='VICHead', kl_weight=0.5)\n")
    (method,) = plan_methods([config], [tmp_path / 'mine.py'], tmp_path)
    assert method.name == 'mine'
    assert method.settings['model.head.kl_weight'] == 0.5


def test_what_is_no_comparison_is_refused(tmp_path, config):
    for configs, heads, message in (
        ([config], [], '--heads'),
        ([config, config], ['vich'], '2 configs and --heads'),
        ([config], ['vich', 'vich'], 'vich is there twice'),
        ([config, config], [], 'plain is there twice'),
    ):
        with pytest.raises(ValueError, match=message):
            plan_methods(configs, heads, tmp_path)
    with pytest.raises(FileNotFoundError, match="no head 'softmax'"):
        plan_methods([config], ['softmax'], tmp_path)


def test_other_settings_are_refused_where_runs_are(tmp_path, config):
    def plan(epochs):
        return plan_methods([config], ['vich', 'linear'], tmp_path / 'work', {'train_cfg.max_epochs': epochs})

    write_configs(plan(3))
    write_configs(plan(4))  # nothing was begun
    (tmp_path / 'work/vich/seed_1').mkdir()
    (tmp_path / 'work/vich/seed_1/epoch_1.pth').touch()
    before = plan(4)[0].config.read_text()
    write_configs(plan(4))
    with pytest.raises(ValueError, match=r'work/vich \(seed_1\): train_cfg.max_epochs: 4 -> 5\n.*--work-dir'):
        write_configs(plan(5))
    assert [method.config.read_text() == method.text for method in plan(4)] == [True, True]
    assert plan(4)[0].config.read_text() == before


def test_plug_ins_of_the_current_folder(tmp_path, config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'my_own_heads.py').write_text('')
    text = config.read_text().replace("'LinearHead'", 'LinearHead')
    text = f"from mmfer.models import LinearHead\n\n{text}custom_imports = dict(imports=['my_own_heads'])\n"
    config.write_text(text)
    monkeypatch.setattr(sys, 'path', list(sys.path))
    (method,) = plan_methods(['plain.py'], ['vich'], 'work')
    write_configs([method])
    sys.modules.pop('my_own_heads')
    sys.path.remove(str(tmp_path))  # which the first reading has put there
    assert load_config(method.config).custom_imports == dict(imports=['my_own_heads'])  # as train.py reads it
    assert 'my_own_heads' in sys.modules
