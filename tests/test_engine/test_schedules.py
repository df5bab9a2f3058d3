import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import IterBasedTrainLoop
from processes import ROOT
from small_runs import shallow_config

from mmfer.apis import build_runner, load_config
from mmfer.engine.schedules import check_lengths, set_epochs
from mmfer.registry import PARAM_SCHEDULERS

CONFIGS = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob('configs/[a-z]*/*.py'))
ITERS = 4  # of an epoch
ONE_CYCLE = dict(type='OneCycleLR', eta_max=0.1, convert_to_iter_based=True)
WARM_UP = dict(type='LinearLR', start_factor=0.1, end=2)


def build(schedules, epochs, iterations=False):
    """Schedules of a tiny optimizer, as the runner builds them, and what they know of the runner."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    runner = SimpleNamespace(max_epochs=epochs, max_iters=epochs * ITERS, train_loop=None)
    if iterations:
        runner.max_epochs, runner.train_loop = 1, IterBasedTrainLoop.__new__(IterBasedTrainLoop)
    built = []
    for settings in schedules or ():
        end = runner.max_epochs if settings.get('by_epoch', True) else runner.max_iters
        options = dict(optimizer=optimizer, epoch_length=ITERS)
        built.append(PARAM_SCHEDULERS.build(dict(dict(end=end), **settings), default_args=options))
    return optimizer, built, runner


def rates(schedules, epochs):
    """The rate of every iteration of a training, whose schedules are checked before."""
    optimizer, built, runner = build(schedules, epochs)
    check_lengths(built, runner)
    found = []
    for _ in range(epochs):
        for _ in range(ITERS):
            found.append(optimizer.param_groups[0]['lr'])
            optimizer.step()
            for scheduler in built:
                if not scheduler.by_epoch:
                    scheduler.step()
        for scheduler in built:
            if scheduler.by_epoch:
                scheduler.step()
    return found


@pytest.mark.parametrize('path', CONFIGS)
def test_epochs_fit_every_config(path):
    config = load_config(ROOT / path)
    check_lengths(*build(config.get('param_scheduler'), config.train_cfg.max_epochs)[1:])
    for epochs in (1, 3):
        short = copy.deepcopy(config)
        set_epochs(short, epochs)
        assert short.train_cfg.max_epochs == epochs
        found = rates(short.get('param_scheduler'), epochs)
        kinds = str(short.to_dict().get('param_scheduler'))
        if 'OneCycleLR' in kinds:
            assert found[-1] < 1e-4 * max(found)
        elif 'CosineAnnealingLR' in kinds:  # the last of few iterations
            assert found[-1] < 0.2 * max(found)
        else:
            assert found == sorted(found, reverse=True)


@pytest.mark.parametrize(
    'schedules',
    [
        [dict(ONE_CYCLE, total_steps=10)],
        [ONE_CYCLE],
        [dict(type='OneCycleLR', eta_max=0.1, total_steps=40, by_epoch=False)],
        [dict(type='CosineAnnealingLR')],
        [dict(type='CosineAnnealingLR', T_max=9)],  # the last epoch has the lowest rate
        [WARM_UP, dict(type='CosineAnnealingLR', T_max=8, begin=2)],
        [WARM_UP, dict(type='CosineAnnealingLR', T_max=10, begin=2, convert_to_iter_based=True)],
        [dict(type='CosineAnnealingLR', T_max=6, end=6), dict(type='ConstantLR', factor=1.0, begin=6)],
        [dict(type='CosineAnnealingLR', T_max=6, end=6), dict(type='ExponentialLR', gamma=0.9, begin=6)],
        [dict(type='CosineRestartLR', periods=[4, 6], restart_weights=[1, 0.5], eta_min=0.0)],
        [dict(type='PolyLR')],
        [WARM_UP],
        [dict(type='ConstantLR', factor=0.5, end=3)],
        [dict(type='ConstantLR', factor=0.5, end=1000)],
        [dict(type='MultiStepLR', milestones=[2, 6])],
        [dict(type='MultiStepLR', milestones=[5, 10])],
        [dict(type='StepLR', step_size=30)],
        [dict(type='ExponentialLR', gamma=0.9, end=4)],
        [dict(type='LinearMomentum', start_factor=0.5, end=2), dict(type='PolyLR')],
        None,
    ],
)
def test_what_fits_ten_epochs(schedules):
    assert len(rates(schedules, 10)) == 40


@pytest.mark.parametrize(
    ('schedules', 'message'),
    [
        ([dict(ONE_CYCLE, total_steps=4)], r'0 \(OneCycleLR\) ends at epoch 4, the training at 10'),
        ([dict(ONE_CYCLE, total_steps=14)], r'0 \(OneCycleLR\) ends at epoch 14, the training at 10'),
        ([dict(ONE_CYCLE, total_steps=4, end=4)], 'ends at epoch 4, the training at 10'),
        (
            [dict(type='OneCycleLR', eta_max=0.1, total_steps=30, by_epoch=False)],
            'ends at epoch 7.5, the training at 10',
        ),
        ([dict(type='CosineAnnealingLR', T_max=5)], r'\(CosineAnnealingLR\) ends at epoch 5'),
        ([dict(type='CosineAnnealingLR', T_max=5, end=5)], 'ends at epoch 5'),
        (
            [WARM_UP, dict(type='CosineAnnealingLR', T_max=38, begin=2, end=40)],
            r'1 \(CosineAnnealingLR\) ends at epoch 40',
        ),
        ([dict(type='CosineRestartLR', periods=[4, 4], restart_weights=[1, 1], eta_min=0.0)], 'ends at epoch 8'),
        ([dict(type='CosineRestartLR', periods=[9, 9], restart_weights=[1, 1], eta_min=0.0)], 'ends at epoch 18'),
        ([dict(type='PolyLR', end=5)], r'\(PolyLR\) ends at epoch 5'),
        ([dict(type='PolyLR', end=15)], r'\(PolyLR\) ends at epoch 15'),
        ([dict(type='LinearLR', start_factor=1.0, end_factor=0.1, end=5)], r'\(LinearLR\) ends at epoch 5'),
        ([dict(WARM_UP, end=20)], 'ends at epoch 20'),
        ([dict(type='MultiStepLR', milestones=[5, 20])], r'\(MultiStepLR\) ends at epoch 20'),
        ([WARM_UP, dict(type='ExponentialLR', gamma=0.9, begin=20, end=40)], r'1 \(ExponentialLR\) begins only after'),
        (
            [dict(type='LinearMomentum', start_factor=0.5, end=2), dict(type='PolyLR', end=5)],
            r'1 \(PolyLR\) ends at epoch 5',
        ),
    ],
)
def test_what_does_not_fit_ten_epochs(schedules, message):
    with pytest.raises(ValueError, match=f'param_scheduler.*{message}.*--epochs N'):
        check_lengths(*build(schedules, 10)[1:])


def test_trainings_by_iterations():
    fitting = [dict(type='OneCycleLR', eta_max=0.1, total_steps=40, by_epoch=False)]
    check_lengths(*build(fitting, 10, iterations=True)[1:])
    fitting[0]['total_steps'] = 30
    with pytest.raises(ValueError, match='ends at iteration 30, the training at 40'):
        check_lengths(*build(fitting, 10, iterations=True)[1:])
    with pytest.raises(ValueError, match='counts epochs, of which a training by iterations has none'):
        check_lengths(*build([dict(type='ExponentialLR', gamma=0.9)], 10, iterations=True)[1:])


def stretched(schedules, before, epochs, **train):
    config = Config(dict(train_cfg=dict(max_epochs=before, **train), param_scheduler=schedules))
    set_epochs(config, epochs)
    rates(config.param_scheduler, epochs)
    return config


@pytest.mark.parametrize(
    ('schedule', 'options'),
    [
        (dict(type='MultiStepLR', milestones=[60, 120]), dict(milestones=[30, 60])),
        (dict(type='StepLR', step_size=30), dict(step_size=15)),
        (dict(type='ExponentialLR', gamma=0.9), {}),
        (dict(type='OneCycleLR', eta_max=0.1, total_steps=200 * ITERS, by_epoch=False), dict(total_steps=100 * ITERS)),
    ],
)
def test_schedules_are_stretched(schedule, options):
    assert stretched([schedule], 200, 100).param_scheduler == [dict(schedule, **options)]


def test_warm_ups_are_stretched_and_keep_an_epoch():
    schedules = [dict(WARM_UP, end=5), dict(type='CosineAnnealingLR', T_max=95, begin=5, end=100)]
    for epochs, warm_up in ((200, 10), (20, 1), (3, 1), (2, 1)):
        first, second = stretched(schedules, 100, epochs).param_scheduler
        assert (first['end'], second['begin']) == (warm_up, warm_up)
        assert (second['T_max'], second['end']) == (epochs - warm_up, epochs)
    (only,) = stretched(schedules, 100, 1).param_scheduler  # where none is left for it
    assert (only['type'], only['T_max'], only['begin'], only['end']) == ('CosineAnnealingLR', 1, 0, 1)


def test_validation_at_the_end_stays_there():
    assert stretched([], 4, 10, val_interval=4).train_cfg.val_interval == 10
    assert stretched([], 4, 2, val_interval=1, val_begin=3).train_cfg == dict(max_epochs=2, val_interval=1, val_begin=2)


def test_a_single_schedule():
    assert stretched(dict(type='PolyLR', end=10), 10, 5).param_scheduler == [dict(type='PolyLR', end=5)]


@pytest.mark.parametrize(
    ('train', 'epochs', 'message'),
    [
        (dict(max_iters=100), 3, 'max_iters=100'),
        (dict(), 3, 'no max_epochs'),
        (dict(max_epochs=3), 0, 'epochs=0 must be at least 1'),
    ],
)
def test_epochs_where_there_are_none(train, epochs, message):
    with pytest.raises(ValueError, match=message):
        set_epochs(Config(dict(train_cfg=train)), epochs)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_cfg.max_epochs': 3, 'param_scheduler.0.total_steps': 1}, 'ends at epoch 1, the training at 3'),
        (
            {'param_scheduler.0.begin': 5, 'param_scheduler.0.end': 5},
            'param_scheduler: end should be larger than begin',
        ),
        (
            {'optim_wrapper.paramwise_cfg.custom_keys.backbone.lr_mult': 0.1},
            'OneCycleLR gives all parameters the rate eta_max',
        ),
        ({'param_scheduler.0.pct_start': 0.5}, 'OneCycleLR would rise in a single one of the 2 iterations'),
    ],
)
def test_a_training_is_refused_before_its_first_step(tmp_path, options, message):
    runner = build_runner(shallow_config(tmp_path), cfg_options=options)
    with pytest.raises(ValueError, match=message):
        runner.train()
    assert runner.iter == 0
    assert not list(tmp_path.glob('*.pth'))
