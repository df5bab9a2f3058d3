import copy

import pytest
from mmengine.config import Config
from processes import ROOT

from mmfer.apis import load_config
from mmfer.engine.train import train_config
from mmfer.utils.config_options import arguments, set_options

END = r' \(mmfer explain cfg-options\)$'


@pytest.fixture(scope='module')
def _synth():
    return load_config(ROOT / 'configs/poster_var/synth.py')


@pytest.fixture
def synth(_synth):
    return copy.deepcopy(_synth)


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('load_form', 'nothing reads load_form. The nearest is load_from$'),
        ('optim_wraper.optimizer.lr', 'The nearest is optim_wrapper.optimizer.lr$'),
        ('optim_wrapper.paramwise_cfg.custom_keys.head.lr_mul', 'custom_keys.head.lr_mult$'),
        ('optim_wrapper.clip_grad.maxnorm', 'The nearest is optim_wrapper.clip_grad.max_norm$'),
        ('lr', 'The nearest is optim_wrapper.optimizer.lr$'),
        ('train_dataloader.pipeline.0.to_float32', 'The nearest is train_dataloader.dataset.pipeline.0.to_float32$'),
        ('model.hed.num_classes', 'nothing reads hed in model. The nearest is model.head.num_classes$'),
        ('model.head.temperature_of_what', 'nothing reads temperature_of_what in model.head'),
        ('env_cfg.mp_cfg.opencv_threads', 'The nearest is env_cfg.mp_cfg.opencv_num_threads$'),
        ('train_dataloader.dataset.num_sampels', 'The nearest is train_dataloader.dataset.num_samples$'),
        ('data_preprocessor.mean', 'Set model.data_preprocessor.mean$'),
        ('launcher', '--launcher'),
        ('train_dataloader.dataset.pipeline.0', 'Set the whole of train_dataloader.dataset.pipeline$'),
        ('param_scheduler.total_steps', 'param_scheduler is a list of 1, whose first part is param_scheduler.0$'),
        ('train_dataloader.batch_size.x', 'train_dataloader.batch_size is [0-9]+, without parts'),
    ],
)
def test_what_nothing_reads_is_refused(synth, name, message):
    before = synth.to_dict()
    with pytest.raises(ValueError, match=f'cfg-options refused: {name}: .*{message.replace("$", END)}'):
        set_options(synth, {'log_level': 'ERROR', name: 1})
    assert synth.to_dict() == before


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('max_epochs', 'max_epochs is a variable inside the config.* Set train_cfg.max_epochs$'),
        ('train_pipeline.1.scale', 'train_pipeline is a variable inside the config, which nothing reads'),
    ],
)
def test_helpers_name_the_place_that_counts(synth, name, message):
    with pytest.raises(ValueError, match=message.replace('$', END)):
        set_options(synth, {name: 3})


def test_what_is_read_is_set(synth):
    options = {
        'load_from': 'x.pth',
        'resume': True,
        'compile': True,
        'sync_bn': 'torch',
        'checkpoint_activations': ['backbone'],
        'custom_hooks': [],
        'visualizer.name': 'x',
        'face_crop': None,
        'model.head.loss.smoothing': 0.1,
        'model.head.init_cfg': None,
        'model.backbone.image.init_cfg.type': 'Pretrained',
        'optim_wrapper.clip_grad.norm_type': 1,
        'optim_wrapper.accumulative_counts': 2,
        'optim_wrapper.constructor': 'X',
        'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1,
        'optim_wrapper.optimizer.betas': (0.9, 0.95),
        'env_cfg.dist_cfg.backend': 'gloo',
        'randomness.deterministic': True,
        'auto_scale_lr.base_batch_size': 64,
        'default_hooks.progress.priority': 'LOW',
        'default_hooks.ema.type': 'EMAHook',
        'default_hooks.ema.momentum': 0.01,
        'param_scheduler.0.final_div_factor': 10,
        'train_cfg.val_begin': 2,
        'train_dataloader.drop_last': True,
        'train_dataloader.sampler.round_up': False,
        'train_dataloader.dataset.num_samples': 20,
        'val_evaluator.prefix': 'x',
        'custom_imports.imports': ['json'],
    }
    set_options(synth, options)
    for name, value in options.items():
        node = synth
        for key in name.split('.'):
            node = node[int(key)] if key.isdigit() else node[key]
        assert node == value


@pytest.mark.parametrize(
    'options',
    [
        {'optim_wrapper.type': 'mmfer.SAMOptimWrapper', 'optim_wrapper.rho': 0.05},
        {'optim_wrapper._delete_': True, 'optim_wrapper.optimizer.type': 'SGD', 'optim_wrapper.optimizer.lr': 0.1},
        {'model.head': dict(type='LinearHead', init_cfg=None)},
    ],
    ids=lambda options: next(iter(options)),
)
def test_other_types_are_set_with_their_arguments(synth, options):
    set_options(synth, options)


def test_parts_of_what_is_none(synth):
    synth.optim_wrapper.clip_grad = None
    set_options(synth, {'optim_wrapper.clip_grad.max_norm': 2})
    assert synth.optim_wrapper.clip_grad == dict(max_norm=2)


def test_several_in_one_message_and_config_objects(synth):
    with pytest.raises(ValueError, match=r'refused: \n  load_form: .*\n  max_epochs: .*train_cfg.max_epochs' + END):
        train_config(synth, {'load_form': 'x', 'max_epochs': 3})


def test_modules_of_the_users_own_may_read_a_name(tmp_path):
    config = Config(dict(model=dict(type='M'), mine=1, custom_imports=dict(imports=['json'])))
    set_options(config, {'mine': 2, 'model.depth': 3})
    assert (config.mine, config.model.depth) == (2, 3)
    config._cfg_dict.pop('custom_imports')
    with pytest.raises(ValueError, match='mine is a variable inside the config, which nothing reads any more' + END):
        set_options(config, {'mine': 3})


class Base:
    def __init__(self, a, b=1):
        pass


class HandsOn(Base):
    def __init__(self, *args, c=1, **kwargs):
        super().__init__(*args, **kwargs)


class Takes(Base):
    def __init__(self, c=1, **kwargs):
        super().__init__(kwargs.pop('a'))


def test_arguments():
    assert arguments(Base) == {'self', 'a', 'b'}
    assert arguments(HandsOn) == {'self', 'a', 'b', 'c'}
    assert arguments(Takes) is None
    assert arguments(lambda x, y=1: x) == {'x', 'y'}
    assert arguments(lambda x, **more: x) is None
