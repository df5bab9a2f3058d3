import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from small_runs import ROOT, shallow_config, small_config

from mmfer.apis import build_runner, load_config, train
from mmfer.engine.optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from mmfer.engine.run import default_work_dir
from mmfer.engine.train import add_tensorboard, set_amp, train_config
from mmfer.structures.run_record import config_settings, read_finished

MODULE = sys.modules['mmfer.engine.train']  # the package may have its function under this name
AUTOCAST = 'mmfer.engine.optim_wrappers.AutocastOptimWrapper'


@pytest.mark.parametrize('kind', [OptimWrapper, 'OptimWrapper', 'mmengine.optim.OptimWrapper', None])
def test_amp_replaces_the_plain_wrapper_and_keeps_its_options(kind):
    wrapper = dict(optimizer=dict(type='SGD', lr=0.1), clip_grad=dict(max_norm=5))
    config = Config(dict(optim_wrapper=dict(wrapper, type=kind) if kind else wrapper))
    set_amp(config, 'bfloat16')
    assert config.optim_wrapper == dict(wrapper, type=AUTOCAST, dtype='bfloat16')


@pytest.mark.parametrize('kind', [SAMOptimWrapper, 'SAMOptimWrapper', AutocastOptimWrapper])
def test_amp_is_an_option_of_our_wrappers(kind):
    config = Config(dict(optim_wrapper=dict(type=kind, rho=0.1)))
    set_amp(config, 'float16')
    assert config.optim_wrapper == dict(type=kind, rho=0.1, dtype='float16')


@pytest.mark.parametrize('kind', [AmpOptimWrapper, 'ApexOptimWrapper'])
def test_amp_with_another_wrapper_is_an_error(kind):
    name = kind if isinstance(kind, str) else kind.__name__
    with pytest.raises(ValueError, match=f'optim_wrapper.type={name}'):
        set_amp(Config(dict(optim_wrapper=dict(type=kind))), 'bfloat16')


def test_unknown_number_format():
    with pytest.raises(ValueError, match=r"amp='half'.*bfloat16, float16"):
        set_amp(Config(dict(optim_wrapper=dict(type='OptimWrapper'))), 'half')


def test_training_in_mixed_precision_leaves_its_mark(tmp_path):
    runner = train(small_config(tmp_path), seed=3, amp='bfloat16')
    assert runner.optim_wrapper.cast_dtype is torch.bfloat16
    content = read_finished(tmp_path)
    assert content['seed'] == 3
    assert content['settings']['optim_wrapper.type'] == AUTOCAST
    assert content['settings']['optim_wrapper.dtype'] == 'bfloat16'


def test_tensorboard_is_added_once(monkeypatch):
    monkeypatch.setattr(MODULE, 'find_spec', lambda name: ModuleSpec(name, None))
    config = Config(dict())
    add_tensorboard(config)
    add_tensorboard(config)
    names = [backend.type.rpartition('.')[2] for backend in config.visualizer.vis_backends]
    assert names == ['LocalVisBackend', 'TensorboardVisBackend']
    config = Config(dict(visualizer=dict(type='Visualizer', name='mine', vis_backends=[dict(type='WandbVisBackend')])))
    add_tensorboard(config)
    assert config.visualizer.name == 'mine'
    assert config.visualizer.vis_backends[0].type == 'WandbVisBackend'
    assert len(config.visualizer.vis_backends) == 2


def test_without_tensorboard(monkeypatch):
    monkeypatch.setattr(MODULE, 'find_spec', lambda name: None)
    with pytest.raises(ValueError, match=r'pip install .*mmfer\[optional\]'):
        train_config(ROOT / 'configs/poster_var/synth.py', tensorboard=True)


def test_default_work_dir():
    config = load_config(ROOT / 'configs/poster_var/synth.py')
    assert default_work_dir(config).parts == ('work_dirs', 'poster_var', 'synth')
    config.work_dir = 'elsewhere'
    assert str(default_work_dir(config)) == 'elsewhere'


def test_epochs_come_with_their_schedule_and_before_the_options(tmp_path):
    config = train_config(ROOT / 'configs/poster_var/synth.py', {'param_scheduler.0.eta_max': 1e-3}, epochs=3)
    assert (config.train_cfg.max_epochs, config.param_scheduler[0].total_steps) == (3, 3)
    assert config.param_scheduler[0].eta_max == 1e-3
    config = train_config(ROOT / 'configs/resnet/raf.py', {'param_scheduler.1.eta_min': 1e-6}, epochs=4)
    assert config.param_scheduler[1].to_dict()['T_max'] == 3
    runner = train(shallow_config(tmp_path), epochs=2)
    assert (runner.epoch, runner.param_schedulers[0].total_steps) == (2, 4)


def test_resume_of_the_config_and_of_the_options_resumes(tmp_path):
    train(shallow_config(tmp_path))
    runner = train(shallow_config(tmp_path), cfg_options={'resume': True, 'load_from': None})
    assert runner.resumed['epoch'] == 1
    config = shallow_config(tmp_path)
    config.resume = True
    assert train(config).resumed['epoch'] == 1


def test_the_name_of_a_shipped_model_stays_in_the_record(tmp_path):
    config = shallow_config(tmp_path)
    config.load_from = 'poster_var_ferplus_small'
    runner = build_runner(config)
    assert Path(runner._load_from).is_file()
    assert config_settings(runner.cfg) == config_settings(train_config(config))  # else no run would be complete


def test_a_config_object_stays_as_it_is(tmp_path):
    config = shallow_config(tmp_path / 'mine')
    before = config.to_dict()
    options = dict(seed=5, amp='bfloat16', epochs=2, cfg_options={'optim_wrapper.optimizer.lr': 0.0})
    train(config, tmp_path / 'other', **options)
    build_runner(config, tmp_path / 'third', load_from=tmp_path / 'other/epoch_2.pth', tta='flip')
    assert config.to_dict() == before


def test_started_again_by_the_launcher_continues(tmp_path, monkeypatch):
    train(small_config(tmp_path, epochs=1))
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', '1')
    runner = train(small_config(tmp_path, epochs=1), load_from=tmp_path / 'nothing.pth')
    assert runner.iter == 2  # those of the first run
    assert read_finished(tmp_path)['iterations'] == 2
