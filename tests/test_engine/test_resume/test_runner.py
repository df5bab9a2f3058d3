"""Where a training continues, and where it refuses to; in one process, and a second a training."""

import errno
import os
import shutil

import pytest
import torch
from killed_runs import outcome
from mmengine.dataset import pseudo_collate
from mmengine.hooks import EarlyStoppingHook, EMAHook
from mmengine.optim import CosineAnnealingLR, ExponentialLR
from small_runs import shallow_config
from torch.utils.data import DataLoader

from mmfer.apis import build_runner
from mmfer.datasets import PackInputs, SynthFER
from mmfer.utils.checkpoint import load_checkpoint
from mmfer.utils.errors import TrainingError


def config_of(work_dir, epochs=2, scheduler=None, **options):
    config = shallow_config(work_dir, epochs)
    config.param_scheduler = [scheduler or dict(type=ExponentialLR, gamma=0.9, by_epoch=True)]
    config.custom_hooks = [dict(type=EMAHook, momentum=0.2)]
    config.merge_from_dict(options)
    return config


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """Two epochs, and three."""
    folder = tmp_path_factory.mktemp('trained')
    build_runner(config_of(folder / 'two')).train()
    build_runner(config_of(folder / 'three', epochs=3)).train()
    return folder


@pytest.fixture
def two(trained, tmp_path):
    """A copy of the run of two epochs, at another place."""
    return shutil.copytree(trained / 'two', tmp_path / 'moved')


@pytest.fixture
def log(monkeypatch):
    """Lines of the log."""
    lines = []
    monkeypatch.setattr('logging.Logger.handle', lambda self, record: lines.append(record.getMessage()))
    return lines


def cut(path):
    path.write_bytes(path.read_bytes()[:1000])


def test_moved_and_prolonged(trained, two, log):
    runner = build_runner(config_of(two, epochs=3), resume=True)
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 6)
    assert runner.resumed == dict(path=two / 'epoch_2.pth', epoch=2, iter=4, chosen=False)
    assert any(f'Continued from {two}/epoch_2.pth: 2 epochs, 4 iterations' in line for line in log)
    left_alone, resumed = outcome(trained / 'three', 3), outcome(two, 3)
    differ = {key for key in left_alone if left_alone[key] != resumed.get(key)}
    assert {key for key in differ if not key.startswith('best_') or not key.endswith(': meta')} == set()  # max_epochs
    best = [path.name for path in two.glob('best_*')]
    assert best == [path.name for path in (trained / 'three').glob('best_*')]
    kept = load_checkpoint(two / 'epoch_3.pth')['message_hub']['runtime_info']
    assert [kept['best_ckpt']] == best


def test_truncated_newest(trained, two, log):
    cut(two / 'epoch_2.pth')
    runner = build_runner(config_of(two), resume=True)
    runner.train()
    assert runner.resumed['epoch'] == 1
    assert any('Skipped' in line and 'epoch_2.pth' in line and 'truncated' in line for line in log)
    left_alone, resumed = outcome(trained / 'two', 2), outcome(two, 2)
    assert {key for key in left_alone if left_alone[key] != resumed.get(key)} == set()
    assert [path.name for path in two.glob('earlier_*/*')] == ['epoch_2.pth']


def test_a_chosen_file(two, tmp_path):
    runner = build_runner(config_of(tmp_path / 'new'), load_from=two / 'epoch_1.pth', resume=True)
    runner.train()
    assert runner.resumed['chosen']
    assert runner.iter == 4
    assert sorted(path.name for path in (tmp_path / 'new').glob('epoch_*')) == ['epoch_2.pth']


def test_nothing_to_continue(tmp_path, log):
    runner = build_runner(config_of(tmp_path, epochs=1), resume=True)
    runner.train()
    assert runner.resumed is None
    assert any(f'No checkpoint in {tmp_path}: the training starts anew' in line for line in log)
    assert (tmp_path / 'epoch_1.pth').is_file()


def test_resume_goes_before_the_weights_to_start_from(two, tmp_path, log):
    options = dict(load_from=str(two / 'best.pth'))
    shutil.copy(next(two.glob('best_*')), two / 'best.pth')
    runner = build_runner(config_of(two, **options), resume=True)
    runner.train()
    assert runner.resumed['epoch'] == 2
    runner = build_runner(config_of(tmp_path / 'new', epochs=1, **options), resume=True)
    runner.train()
    assert runner.resumed is None
    assert any('the training starts with the weights of' in line and 'best.pth' in line for line in log)


def test_complete_training(two, log):
    before = (two / 'epoch_2.pth').read_bytes()
    build_runner(config_of(two), resume=True).train()
    assert any('All iterations of this training are done' in line for line in log)
    assert (two / 'epoch_2.pth').read_bytes() == before


def test_schedule_that_does_not_fit_is_refused(two, tmp_path):
    options = dict(type=ExponentialLR, gamma=0.5, by_epoch=True)
    with pytest.raises(ValueError, match='ExponentialLR.gamma: 0.9 in the checkpoint, 0.5 in the config'):
        build_runner(config_of(two, 3, options), resume=True).train()
    cosine = dict(type=CosineAnnealingLR, T_max=1, by_epoch=True, convert_to_iter_based=True)
    build_runner(config_of(tmp_path / 'cosine', 1, cosine)).train()
    with pytest.raises(ValueError, match='ends at epoch 1, the training at 2'):
        build_runner(config_of(tmp_path / 'cosine', 2, cosine), resume=True).train()
    with pytest.raises(ValueError, match=r'(?s)T_max: 2 in the checkpoint, 4 in the config'):
        build_runner(config_of(tmp_path / 'cosine', 2, dict(cosine, T_max=2)), resume=True).train()
    build_runner(config_of(tmp_path / 'three', 3, dict(cosine, T_max=3))).train()
    (tmp_path / 'three/epoch_3.pth').unlink()
    options = {'train_dataloader.batch_size': 28}  # 3 iterations in all, of which 4 were done
    with pytest.raises(ValueError, match='T_max: 6 in the checkpoint, 3 in the config'):
        build_runner(config_of(tmp_path / 'three', 3, dict(cosine, T_max=3), **options), resume=True).train()


def test_changed_options_and_sizes_are_said(two, log):
    options = {'optim_wrapper.optimizer.lr': 0.5, 'train_dataloader.batch_size': 7}
    runner = build_runner(config_of(two, epochs=3, **options), resume=True)
    runner.train()
    assert runner.iter == 8
    assert runner.optim_wrapper.param_groups[0]['initial_lr'] == 0.002
    (line,) = [line for line in log if 'whose optimizer goes on with its own settings' in line]
    assert 'optim_wrapper.optimizer.lr: 0.002 -> 0.5' in line
    assert 'train_dataloader.batch_size: 14 -> 7' in line


def test_another_optimizer_is_refused(two, log):
    options = {'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=0.002)}
    with pytest.raises(ValueError, match='AdamW of .* in the checkpoint, SGD of '):
        build_runner(config_of(two, epochs=3, **options), resume=True).train()
    frozen = {'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0)}  # MMEngine makes a group of each parameter then
    with pytest.raises(ValueError, match=r'AdamW of \d+ parameters in the checkpoint, AdamW of 1 \+ '):
        build_runner(config_of(two, epochs=3, **frozen), resume=True).train()


@pytest.mark.parametrize('kind', ['SAMOptimWrapper', 'AutocastOptimWrapper', 'mmengine.OptimWrapper'])
def test_another_wrapper_goes_on_and_is_named(tmp_path, log, kind):
    first = 'mmengine.OptimWrapper' if kind == 'SAMOptimWrapper' else 'SAMOptimWrapper'
    build_runner(config_of(tmp_path, epochs=1, **{'optim_wrapper.type': first})).train()
    build_runner(config_of(tmp_path, **{'optim_wrapper.type': kind}), resume=True).train()
    assert (tmp_path / 'epoch_2.pth').is_file()
    (line,) = [line for line in log if line.startswith('Not as in the run that is continued')]
    assert f"optim_wrapper.type: '{first}' -> '{kind}'" in line


def test_own_seed_is_kept(trained, two, log):
    build_runner(config_of(two, epochs=3), seed=5, resume=True).train()
    assert any('with its own seed, 0; the config says 5' in line for line in log)
    weights = [load_checkpoint(path / 'epoch_3.pth')['state_dict'] for path in (trained / 'three', two)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_random_seed_is_kept(tmp_path):
    config = config_of(tmp_path, epochs=1)
    config.randomness = dict(seed=None, diff_rank_seed=True)
    first = build_runner(config)
    first.train()
    config = config_of(tmp_path)
    config.randomness = dict(seed=None, diff_rank_seed=True)
    later = build_runner(config, resume=True)
    later.train()
    assert later.base_seed == first.base_seed
    assert later.train_dataloader.sampler.base_seed == first.train_dataloader.sampler.base_seed
    assert later.train_dataloader.sampler.inner.seed == first.train_dataloader.sampler.inner.seed


def test_early_stopping_counts_on(tmp_path):
    def config(epochs):
        config = config_of(tmp_path, epochs, **{'optim_wrapper.optimizer.lr': 0.0})
        stop = dict(type=EarlyStoppingHook, monitor='accuracy', rule='greater', min_delta=0.1, patience=3)
        config.custom_hooks = [stop, dict(stop, patience=99)]
        config.default_hooks.checkpoint.update(save_best=None, interval=9)
        return config

    build_runner(config(2)).train()
    runner = build_runner(config(9), resume=True)
    runner.train()
    assert runner.epoch == 4  # one that sets the mark and three that do not pass it
    assert (tmp_path / 'epoch_4.pth').is_file()  # the end, though not that of max_epochs
    runner = build_runner(config(9), resume=True)
    runner.train()
    assert runner.epoch == 4


def test_without_its_ema_hook_a_training_goes_on_from_what_was_trained(two):
    content = load_checkpoint(two / 'epoch_2.pth')
    runner = build_runner(config_of(two, custom_hooks=[]), resume=True)
    runner.train()  # all is done already
    trained = {f'module.{name}': value for name, value in runner.model.state_dict().items()}
    assert all(torch.equal(content['ema_state_dict'][name], value) for name, value in trained.items())
    assert not torch.equal(content['state_dict']['head.fc_mean.weight'], trained['module.head.fc_mean.weight'])


def test_data_loaders_made_by_hand(tmp_path):
    """They stay as they are."""
    config = config_of(tmp_path)
    data = SynthFER(split='train', num_samples=28, size=32, pipeline=[dict(type=PackInputs)])
    runner = build_runner(config)
    loader = runner._train_dataloader = DataLoader(data, batch_size=14, shuffle=True, collate_fn=pseudo_collate)
    runner.train()
    assert runner.train_dataloader is loader
    assert (tmp_path / 'epoch_2.pth').is_file()


def test_files_that_hold_no_training(two, tmp_path):
    best = next(two.glob('best_*'))
    with pytest.raises(ValueError, match=r'no state of a training.*epoch_\*.pth'):
        build_runner(config_of(tmp_path), load_from=best, resume=True).train()
    with pytest.raises(FileNotFoundError, match='none.pth'):
        build_runner(config_of(tmp_path), load_from=tmp_path / 'none.pth', resume=True).train()
    cut(two / 'epoch_1.pth')
    cut(two / 'epoch_2.pth')
    with pytest.raises(ValueError, match='none of the 2 checkpoints'):
        build_runner(config_of(two), resume=True).train()


def test_other_classes_are_refused(two):
    content = load_checkpoint(two / 'epoch_2.pth')
    content['meta']['dataset_meta']['classes'] = ('a', 'b')
    torch.save(content, two / 'epoch_2.pth')
    with pytest.raises(ValueError, match='trained on the classes a, b; the config has neutral'):
        build_runner(config_of(two), resume=True).train()


def test_pretrained_parts_are_not_needed_again(two):
    missing = dict(type='Pretrained', checkpoint=str(two / 'nowhere.pth'))
    options = {'model.backbone.init_cfg': missing}
    build_runner(config_of(two, **options), resume=True).train()
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        build_runner(config_of(two, **options)).train()


def test_full_disk(tmp_path, monkeypatch):
    """In the middle of the second checkpoint; the first one stays and serves."""
    runner = build_runner(config_of(tmp_path))
    sync = os.fsync

    def full(file):
        if runner.epoch == 1 and runner.iter == 4:
            raise OSError(errno.ENOSPC, 'No space left on device')
        sync(file)

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(TrainingError) as error:
        runner.train()
    text = str(error.value)
    assert f'{tmp_path}/epoch_2.pth could not be written (No space left on device)' in text
    assert f'The last good checkpoint, {tmp_path}/epoch_1.pth, is as it was' in text
    assert '--resume' in text
    assert not list(tmp_path.glob('.*part'))
    assert not list(tmp_path.glob('epoch_2.pth'))
    monkeypatch.undo()
    later = build_runner(config_of(tmp_path), resume=True)
    later.train()
    assert later.iter == 4
