"""Stopping anywhere and continuing, in one process; the trainings take a second each."""

import pytest
import torch
from killed_runs import outcome
from mmengine.dataset import InfiniteSampler
from mmengine.hooks import EMAHook, Hook
from mmengine.optim import ExponentialLR, OptimWrapper
from mmengine.runner import EpochBasedTrainLoop
from small_runs import shallow_config
from torch.utils.data import BatchSampler

from mmfer.apis import build_runner
from mmfer.engine import FERTrainLoop
from mmfer.registry import LOOPS


@LOOPS.register_module(force=True)
class OwnLoop(EpochBasedTrainLoop):
    pass


class StopHook(Hook):
    """Saves and stops at an iteration, as InterruptHook does; notes what the hooks see."""

    priority = 'LOWEST'

    def __init__(self, at=None, stage='after_train_iter'):
        self.at, self.stage = at, stage
        self.seen = []

    def _stop(self, runner, stage, number):
        if (stage, number) == (self.stage, self.at):
            self.path = runner.save_interrupted()
            raise SystemExit

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        names = [int(sample.sample_idx) for sample in data_batch['data_samples']]
        self.seen.append((runner.epoch, runner.iter, batch_idx, names))
        self._stop(runner, 'after_train_iter', runner.iter + 1)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._stop(runner, 'after_val_iter', runner.epoch)

    def before_val(self, runner):
        self._stop(runner, 'before_val', runner.epoch)


def config_of(work_dir, **options):
    config = shallow_config(work_dir, epochs=2)
    config.train_dataloader.update(batch_size=7, num_workers=0)
    config.train_dataloader.dataset.update(num_samples=28)
    config.param_scheduler = [dict(type=ExponentialLR, gamma=0.9, by_epoch=True)]
    config.custom_hooks = [dict(type=EMAHook, momentum=0.2)]
    config.merge_from_dict(options)
    return config


def train(config, at=None, stage='after_train_iter', resume=False):
    hook = StopHook(at, stage)
    runner = build_runner(config, resume=resume)
    runner.register_hook(hook)
    if at is None:
        runner.train()
    else:
        with pytest.raises(SystemExit):
            runner.train()
    return runner, hook


def same(a, b, epochs=2):
    left_alone, stopped = outcome(a, epochs), outcome(b, epochs)
    return [key for key in {*left_alone, *stopped} if left_alone.get(key) != stopped.get(key)] == []


@pytest.fixture(scope='module')
def left_alone(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('left_alone')
    runner, hook = train(config_of(work_dir))
    return work_dir, runner, hook


def test_runner_takes_these_loops(left_alone):
    _, runner, hook = left_alone
    assert type(runner.train_loop) is FERTrainLoop
    assert [seen[:3] for seen in hook.seen] == [(i // 4, i, i % 4) for i in range(8)]


@pytest.mark.parametrize('at', [3, 4, 6])
def test_continues_within_an_epoch(left_alone, tmp_path, at):
    """At 4 the epoch is over but for its end."""
    _, hook = train(config_of(tmp_path), at)
    assert hook.path.name == f'epoch_{(at - 1) // 4}_iter_{at}.pth'
    runner, later = train(config_of(tmp_path), resume=True)
    assert runner.iter == 8
    assert hook.seen + later.seen == left_alone[2].seen
    assert same(left_alone[0], tmp_path)
    assert sorted(path.name for path in tmp_path.glob('epoch_*')) == ['epoch_1.pth', 'epoch_2.pth']


@pytest.mark.parametrize('stage', ['before_val', 'after_val_iter'])
def test_stopped_in_a_validation(left_alone, tmp_path, stage):
    """It is made up for, with the weights before EMAHook put its own in their place."""
    _, hook = train(config_of(tmp_path), 1, stage)
    assert hook.path.name == 'epoch_1.pth'
    train(config_of(tmp_path), resume=True)
    assert same(left_alone[0], tmp_path)


def test_stopped_in_a_validation_without_a_checkpoint_of_the_epoch(left_alone, tmp_path):
    options = {'default_hooks.checkpoint.interval': 2}
    train(config_of(tmp_path / 'a', **options))
    _, hook = train(config_of(tmp_path / 'b', **options), 1, 'after_val_iter')
    assert hook.path.name == 'epoch_1_iter_4.pth'
    train(config_of(tmp_path / 'b', **options), resume=True)
    assert same(tmp_path / 'a', tmp_path / 'b')
    assert not (tmp_path / 'b/epoch_1_iter_4.pth').exists()


def test_number_of_workers_does_not_matter(left_alone, tmp_path):
    """Nor does a change of it within an epoch."""
    train(config_of(tmp_path, **{'train_dataloader.num_workers': 2, 'train_dataloader.persistent_workers': True}), 2)
    train(config_of(tmp_path, **{'train_dataloader.num_workers': 1}), 6, resume=True)
    train(config_of(tmp_path), resume=True)
    assert same(left_alone[0], tmp_path)


def test_batches_must_be_the_same_within_an_epoch(tmp_path):
    train(config_of(tmp_path), 6)
    options = {'train_dataloader.batch_size': 14}
    with pytest.raises(ValueError, match=r'epoch_1_iter_6.pth .* batch_size was 7 and is 14, batches_per_epoch was 4'):
        train(config_of(tmp_path, **options), resume=True)
    (tmp_path / 'epoch_1_iter_6.pth').unlink()
    runner, _ = train(config_of(tmp_path, **options), resume=True)  # at the end of one they may change
    assert runner.iter == 6


def test_gradients_that_wait_for_others_are_kept(tmp_path):
    options = {'optim_wrapper.type': OptimWrapper, 'optim_wrapper.accumulative_counts': 3}
    train(config_of(tmp_path / 'a', **options))
    train(config_of(tmp_path / 'b', **options), 5)
    train(config_of(tmp_path / 'b', **options), resume=True)
    assert same(tmp_path / 'a', tmp_path / 'b')


def test_batch_sampler(left_alone, tmp_path):
    config = config_of(tmp_path)
    config.train_dataloader.batch_sampler = dict(type=BatchSampler, drop_last=True)
    config.train_dataloader.pop('drop_last')
    train(config, 3)
    config = config_of(tmp_path)
    config.train_dataloader.batch_sampler = dict(type=BatchSampler, drop_last=True)
    config.train_dataloader.pop('drop_last')
    train(config, resume=True)
    kept = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['state_dict']
    other = torch.load(left_alone[0] / 'epoch_2.pth', weights_only=True)['state_dict']
    assert all(torch.equal(kept[name], other[name]) for name in kept)


def test_sampler_without_end_is_refused(tmp_path):
    config = config_of(tmp_path, **{'train_dataloader.sampler.type': InfiniteSampler})
    with pytest.raises(ValueError, match='never ends'):
        build_runner(config).train()


def test_own_loop_continues_at_the_ends_of_epochs_only(tmp_path):
    config = config_of(tmp_path, **{'train_cfg.type': 'OwnLoop'})
    runner, hook = train(config, 6)
    assert hook.path.name == 'epoch_1.pth'  # nothing more is saved
    runner, _ = train(config_of(tmp_path, **{'train_cfg.type': 'OwnLoop'}), resume=True)
    assert (runner.epoch, runner.iter) == (2, 8)
    train(config_of(tmp_path / 'b'), 3)
    with pytest.raises(ValueError, match='within an epoch, where OwnLoop cannot continue'):
        train(config_of(tmp_path / 'b', **{'train_cfg.type': 'OwnLoop'}), resume=True)
