import math
from types import SimpleNamespace

import pytest
import torch
from mmpretrain.structures import DataSample
from small_runs import small_config
from torch.utils.data import DataLoader

from mmfer.apis import build_runner
from mmfer.engine.hooks.guard_hook import GuardHook, batch_names
from mmfer.engine.loops import check_loader
from mmfer.models import LinearHead
from mmfer.registry import MODELS
from mmfer.utils.errors import TrainingError, run_tool


@MODELS.register_module(force=True)
class BadLossHead(LinearHead):
    """Its loss is not finite from one step on."""

    value, left = math.nan, 3

    def loss(self, *args, **kwargs):
        losses = super().loss(*args, **kwargs)
        type(self).left -= 1
        if type(self).left < 0:
            losses['loss_extra'] = next(iter(losses.values())) * 0 + self.value
        return losses


def bad_config(work_dir, left, value=math.nan):
    BadLossHead.left, BadLossHead.value = left, value
    config = small_config(work_dir, epochs=3)
    config.model.head = dict(type='BadLossHead', num_classes=7, in_channels=16)
    config.custom_hooks = [dict(type=GuardHook)]
    return config


@pytest.mark.parametrize('value', [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_stops_the_run(tmp_path, value, capsys):
    runner = build_runner(bad_config(tmp_path, 3, value))
    assert run_tool(runner.train) == 1
    message = capsys.readouterr().err
    message = message[message.index('error: ') :]
    assert 'iteration 4 (epoch 2, batch 2 of 2)' in message
    assert f'loss_extra={value:.6g}' in message
    assert 'loss_ce=' in message
    assert message.count('synth/train/') == 10
    assert '(4 more)' in message
    assert str(tmp_path / 'epoch_1.pth') in message
    assert 'optim_wrapper.clip_grad' in message
    assert not (tmp_path / 'epoch_2.pth').exists()


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    runner = build_runner(bad_config(tmp_path, 99))
    with torch.no_grad():
        runner.model.head.fc.weight[0, 0] = math.nan
        runner.model.head.fc.bias[0] = math.inf
    hook = next(hook for hook in runner.hooks if isinstance(hook, GuardHook))
    with pytest.raises(TrainingError, match=r'head\.fc\.weight, head\.fc\.bias\. Nothing was saved'):
        hook.before_save_checkpoint(runner, {})


def fake_runner(tmp_path, **options):
    defaults = dict(
        rank=0,
        distributed=False,
        iter=0,
        epoch=0,
        work_dir=str(tmp_path),
        train_dataloader=range(5),
        optim_wrapper=SimpleNamespace(),
    )
    return SimpleNamespace(**{**defaults, **options})


def test_a_step_that_sam_refused(tmp_path):
    batch = dict(data_samples=[SimpleNamespace(img_path='a.jpg'), SimpleNamespace(sample_idx=7)])
    runner = fake_runner(tmp_path, optim_wrapper=SimpleNamespace(failure='the gradient has norm inf'))
    with pytest.raises(TrainingError, match=r'(?s)loss=0\.5.*the gradient has norm inf.*a\.jpg, sample 7'):
        GuardHook().after_train_iter(runner, 0, batch, dict(loss=torch.tensor(0.5)))


def test_all_processes_stop(tmp_path, monkeypatch):
    monkeypatch.setattr('mmfer.engine.hooks.guard_hook.all_reduce', lambda flag, op: flag.fill_(1))
    runner = fake_runner(tmp_path, distributed=True, rank=1)
    with pytest.raises(TrainingError, match='process 1 stops: the loss of another process'):
        GuardHook().after_train_iter(runner, 0, {}, dict(loss=torch.tensor(0.5)))
    with pytest.raises(TrainingError, match=r'in process 1\n'):
        GuardHook().after_train_iter(runner, 0, {}, dict(loss=torch.tensor(math.nan)))


def test_finite_losses_pass(tmp_path):
    outputs = dict(loss=torch.tensor(1.0, requires_grad=True), table=torch.full((2,), math.nan), name='x')
    GuardHook().after_train_iter(fake_runner(tmp_path), 0, [1, 2], outputs)


def test_an_empty_loader_says_its_numbers(tmp_path):
    with pytest.raises(TrainingError, match=r'12 samples, batch_size=16, drop_last=True.*a smaller batch_size'):
        check_loader(DataLoader(range(12), batch_size=16, drop_last=True), 'train_dataloader')
    with pytest.raises(TrainingError, match=r'val_dataloader yields no batch: the data set has 0 samples'):
        check_loader(DataLoader([]), 'val_dataloader')
    check_loader(DataLoader(range(12), batch_size=16), 'x')
    check_loader(DataLoader(iter(range(3)), batch_size=None), 'x')

    config = small_config(tmp_path)
    config.custom_hooks = [dict(type=GuardHook)]
    config.train_dataloader.update(batch_size=64, drop_last=True)
    config.param_scheduler = []
    with pytest.raises(TrainingError, match='28 samples, batch_size=64'):
        build_runner(config).train()


def test_names_of_a_batch_of_views():
    samples = [DataSample(metainfo=dict(img_path=f'{i}.jpg')) for i in range(3)]
    for data_samples in (samples, [samples, samples]):
        assert batch_names(dict(inputs=None, data_samples=data_samples)) == ['0.jpg', '1.jpg', '2.jpg']
