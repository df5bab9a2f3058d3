from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook
from mmengine.optim import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    OptimWrapper,
    PolyLR,
    ReduceOnPlateauLR,
    StepLR,
)
from mmengine.optim.scheduler import CosineRestartLR

from mmfer.engine.resume.state import (
    check_optimizer,
    check_schedules,
    rank_states,
    restore_rank_state,
    restore_schedules,
)
from mmfer.utils.checkpoint import to_plain

KINDS = [
    (ConstantLR, dict(factor=0.5, end=3)),
    (CosineAnnealingLR, dict(T_max=10)),
    (CosineAnnealingLR, dict(T_max=5, begin=5, end=10)),
    (CosineRestartLR, dict(periods=[5, 5], restart_weights=[1, 0.5], eta_min=0.01)),
    (ExponentialLR, dict(gamma=0.9)),
    (LinearLR, dict(start_factor=0.1, end=4)),
    (MultiStepLR, dict(milestones=[2, 6])),
    (OneCycleLR, dict(eta_max=0.1, total_steps=10)),
    (PolyLR, dict(power=0.9, end=10)),
    (StepLR, dict(step_size=3)),
]


def wrapper(lr=0.1, **options):
    return OptimWrapper(torch.optim.SGD([torch.nn.Parameter(torch.zeros(2))], lr=lr, **options))


def build(kind, options, **wrapper_options):
    optim_wrapper = wrapper(**wrapper_options)
    return optim_wrapper, [kind(optim_wrapper, by_epoch=True, **options)]


def states(schedulers):
    return [to_plain(scheduler.state_dict()) for scheduler in schedulers]


def check(schedulers, saved):
    check_schedules(schedulers, saved, 'epoch_5.pth')


@pytest.mark.parametrize(('kind', 'options'), KINDS)
def test_schedules_go_on(kind, options):
    def step(optim_wrapper, schedulers):
        optim_wrapper.step()
        schedulers[0].step()
        return optim_wrapper.param_groups[0]['lr']

    whole, schedulers = build(kind, options)
    lrs = [step(whole, schedulers) for _ in range(9)]
    first, schedulers = build(kind, options)
    broken = [step(first, schedulers) for _ in range(5)]
    saved = states(schedulers)
    later, schedulers = build(kind, options)
    check(schedulers, saved)
    later.load_state_dict(first.state_dict())
    restore_schedules(schedulers, saved)
    broken += [step(later, schedulers) for _ in range(4)]
    assert broken == lrs


def test_plateau_goes_on():
    def make():
        return build(ReduceOnPlateauLR, dict(monitor='loss', rule='less', patience=1))

    first, schedulers = make()
    for loss in (3.0, 2.0, 2.5):
        first.step()
        schedulers[0].step()
        schedulers[0].step(dict(loss=loss))
    saved = states(schedulers)
    later, schedulers = make()
    check(schedulers, saved)
    restore_schedules(schedulers, saved)
    assert (schedulers[0].best, schedulers[0].num_bad_epochs) == (2.0, 1)
    later.step()
    schedulers[0].step()
    schedulers[0].step(dict(loss=2.5))
    assert later.param_groups[0]['lr'] == pytest.approx(0.01)


CHANGES = [
    (ExponentialLR, dict(gamma=0.9), dict(gamma=0.8), 'ExponentialLR.gamma: 0.9 in the checkpoint, 0.8 in the config'),
    (
        OneCycleLR,
        dict(eta_max=0.1, total_steps=10),
        dict(eta_max=0.1, total_steps=20),
        'OneCycleLR.total_steps: 10 in the checkpoint, 20 in the config',
    ),
    (CosineAnnealingLR, dict(T_max=10), dict(T_max=20), 'CosineAnnealingLR.T_max: 10 in the checkpoint, 20'),
    (MultiStepLR, dict(milestones=[2, 6]), dict(milestones=[2, 7]), 'MultiStepLR.milestones: '),
    (LinearLR, dict(start_factor=0.1, end=4), dict(start_factor=0.1, end=5), 'LinearLR.end: 4 in the checkpoint, 5'),
    (PolyLR, dict(power=0.9, end=10), dict(power=0.9, end=20), 'PolyLR.end: 10 in the checkpoint, 20 in the config'),
    (CosineRestartLR, dict(periods=[5], eta_min=0), dict(periods=[6], eta_min=0), r'periods: \[5\] in the .*, \[6\]'),
]


@pytest.mark.parametrize(('kind', 'old', 'new', 'text'), CHANGES)
def test_changed_settings_are_refused(kind, old, new, text):
    _, saved = build(kind, old)
    _, schedulers = build(kind, new)
    with pytest.raises(ValueError, match=text) as error:
        check(schedulers, states(saved))
    assert 'epoch_5.pth' in str(error.value)
    assert 'load_from=FILE' in str(error.value)
    assert '_schedule_phases' not in str(error.value)


@pytest.mark.parametrize(
    ('kind', 'options'),
    [
        (ExponentialLR, dict(gamma=0.9)),
        (StepLR, dict(step_size=2)),
        (MultiStepLR, dict(milestones=[1, 5])),
        (CosineAnnealingLR, dict(T_max=20)),
        (ReduceOnPlateauLR, dict(monitor='loss', rule='less')),
    ],
)
@pytest.mark.parametrize('done', [3, 5])
def test_the_end_that_mmengine_sets_moves_with_the_training(kind, options, done):
    """And the step that was left out at the former end is made up for."""

    def run(end, epochs):
        optim_wrapper, schedulers = build(kind, dict(options, end=end))
        for _ in range(epochs):
            optim_wrapper.step()
            schedulers[0].step()
        return optim_wrapper, schedulers

    whole, expected = run(8, done)
    first, schedulers = run(5, done)
    saved = states(schedulers)
    later, schedulers = build(kind, dict(options, end=8))
    check(schedulers, saved)
    later.load_state_dict(first.state_dict())
    restore_schedules(schedulers, saved)
    assert later.param_groups[0]['lr'] == whole.param_groups[0]['lr']
    assert states(schedulers) == states(expected)
    if done > 4:  # it went beyond an end as early as this
        _, schedulers = build(kind, dict(options, end=4))
        with pytest.raises(ValueError, match='end: 5 in the checkpoint, 4 in the config'):
            check(schedulers, saved)


def test_iterations_and_number_of_schedules():
    optim_wrapper = wrapper()
    schedulers = [CosineAnnealingLR(optim_wrapper, T_max=1000, by_epoch=False)]
    check(schedulers, states(schedulers))
    with pytest.raises(ValueError, match='param_scheduler: 1 schedules in the checkpoint, 0 in the config'):
        check([], states(schedulers))
    check(None, None)


def optimizers(kind=torch.optim.SGD, sizes=(2, 1), **options):
    groups = [dict(params=[torch.nn.Parameter(torch.zeros(2)) for _ in range(size)]) for size in sizes]
    return OptimWrapper(kind(groups, lr=0.1, **options))


@pytest.mark.parametrize(
    ('old', 'new', 'text'),
    [
        (dict(), dict(kind=torch.optim.AdamW), r'SGD of 2 \+ 1 parameters in the checkpoint, AdamW of 2 \+ 1'),
        (dict(), dict(sizes=(3,)), r'SGD of 2 \+ 1 .*, SGD of 3 parameters in the config'),
        (dict(), dict(sizes=(2, 2)), r'SGD of 2 \+ 1 .*, SGD of 2 \+ 2 '),
    ],
)
def test_another_optimizer_is_refused(old, new, text):
    old, new = optimizers(**old), optimizers(**new)
    with pytest.raises(ValueError, match=text) as error:
        check_optimizer(new, to_plain(old.state_dict()), type(old.optimizer).__name__, 'epoch_5.pth')
    assert 'epoch_5.pth' in str(error.value)
    assert 'load_from=FILE' in str(error.value)
    check_optimizer(new, to_plain(new.state_dict()), None, 'epoch_5.pth')


def fake_runner(steps=1, accumulative_counts=1):
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    optim_wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1), accumulative_counts)
    ema = EMAHook()
    runner = SimpleNamespace(model=model, optim_wrapper=optim_wrapper, hooks=[ema])
    ema.before_run(runner)
    optim_wrapper.initialize_count_status(model, 0, 100)
    for _ in range(steps):
        optim_wrapper.update_params(model(torch.randn(4, 2)).square().sum())
    return runner


def test_one_process_has_nothing_of_its_own():
    assert rank_states(fake_runner()) is None
    assert rank_states(fake_runner(steps=2, accumulative_counts=2)) is None


def test_waiting_gradients_are_restored():
    runner = fake_runner(steps=3, accumulative_counts=2)
    states = rank_states(runner)
    assert len(states) == 1
    other = fake_runner(steps=0)
    restore_rank_state(other, states)
    for own, restored in zip(runner.model.parameters(), other.model.parameters()):
        assert torch.equal(own.grad, restored.grad)
    other = fake_runner(steps=0)
    restore_rank_state(other, states * 2)  # of another number of processes
    assert all(parameter.grad is None for parameter in other.model.parameters())
    restore_rank_state(other, None)


def test_buffers_that_differ_are_restored(monkeypatch):
    runner, second = fake_runner(), fake_runner()
    own = {f'model.{name}': buffer for name, buffer in second.model.named_buffers()}
    own.update({f'ema.{name}': buffer for name, buffer in second.hooks[0].ema_model.module.named_buffers()})
    monkeypatch.setattr('mmfer.engine.resume.state.get_world_size', lambda: 2)
    monkeypatch.setattr('mmfer.engine.resume.state.all_gather_object', lambda state: [state, dict(buffers=own)])
    states = rank_states(runner)
    assert states[0]['buffers'] == {}
    assert 'model.1.running_mean' in states[1]['buffers']
    assert 'model.1.num_batches_tracked' not in states[1]['buffers']
    monkeypatch.setattr('mmfer.engine.resume.state.get_rank', lambda: 1)
    assert rank_states(runner) is None
    third = fake_runner()
    restore_rank_state(third, states)
    assert torch.equal(third.model[1].running_mean, second.model[1].running_mean)
