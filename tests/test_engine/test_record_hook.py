import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmpretrain.models import GlobalAveragePooling, ResNet
from small_runs import small_config

from mmfer.apis import build_runner, evaluate
from mmfer.engine.hooks.record_hook import RecordHook, final_metrics
from mmfer.models import EnsembleHead, VICHead
from mmfer.structures.run_record import MARKER, config_settings, read_finished, settings_hash


def logs(work_dir):
    """The log files of a work dir, oldest first."""
    return [path.read_text() for path in sorted(work_dir.glob('*/*.log'), key=lambda p: p.stat().st_mtime)]


def test_the_log_begins_with_what_the_result_comes_from(trained):
    (text,) = logs(trained)
    block = text[text.index('Run record\n  ') :].split(' - mmengine - ')[0]
    record = torch.load(trained / 'epoch_2.pth', weights_only=True)['meta']['record']
    assert f'torch {torch.__version__.split("+")[0]}' in block
    assert re.search(r'git: ([0-9a-f]{12}|no git)', block)
    assert f'synth.py (content {settings_hash(config_settings(small_config(trained, epochs=2)))})' in block
    assert 'seed 0, deterministic=False, 1 process(es)' in block
    assert 'device: ' in block
    train = record['data']['train']
    assert f'28 samples (neutral {train["class_counts"]["neutral"]}, ' in block
    assert f'list {train["list_hash"]}' in block
    assert 'val data: SynthFER test; 14 samples' in block
    assert 'test data' not in block
    assert text.index('Run record\n  ') < text.index('Epoch(train)')
    assert record['seconds'] > 0


def test_the_log_ends_with_the_result(trained):
    (text,) = logs(trained)
    end = text[text.index('Training ended after epoch 2 (iteration 4)') :]
    assert re.search(rf'accuracy +{read_finished(trained)["last"]["accuracy"]:.4f}', end)
    assert f'last checkpoint: {trained / "epoch_2.pth"}' in end
    best = next(trained.glob('best_accuracy_epoch_*.pth'))
    assert f'best checkpoint: {best}' in end
    assert re.search(r'time: \d+:\d\d:\d\d$', end.strip())


START = ('initial_weights', 'first_batch')


def test_a_continued_run_says_what_is_otherwise(trained, tmp_path):
    config = small_config(tmp_path, epochs=2)
    config.val_dataloader.dataset.num_samples = 21
    runner = build_runner(config, load_from=trained / 'epoch_1.pth', resume=True)
    runner.train()
    (text,) = logs(tmp_path)
    warned = next(line for line in text.splitlines() if 'Not as in the run that is continued' in line)
    assert 'val_dataloader.dataset.num_samples: 14 -> 21; the val data' in warned
    assert 'the val data have another list: 21 samples, were 14' in warned
    assert 'with the runs it continues' in text


def test_testing_is_recorded_too(trained, tmp_path):
    evaluate(small_config(tmp_path), trained / 'epoch_2.pth')
    (text,) = logs(tmp_path)
    block = text[text.index('Run record\n  ') :].split(' - mmengine - ')[0]
    assert 'test data: SynthFER test; 14 samples' in block
    assert 'train data' not in block
    assert 'Training ended' not in text
    assert 'Not as in' not in text


def test_other_processes_keep_quiet():
    hook = RecordHook()
    hook.before_run(SimpleNamespace(rank=1))
    checkpoint = dict(meta={})
    hook.before_save_checkpoint(SimpleNamespace(rank=1), checkpoint)
    assert checkpoint == dict(meta={})


def test_how_a_training_began_is_kept(trained, tmp_path):
    began = torch.load(trained / 'epoch_1.pth', weights_only=True)['meta']['record']
    assert list(began['initial_weights']) == ['backbone', 'neck', 'head']
    (text,) = logs(trained)
    assert f'Initial weights: backbone {began["initial_weights"]["backbone"]}, neck ' in text
    assert f'First batch: samples {began["first_batch"]["samples"]}, inputs ' in text
    continued = build_runner(small_config(tmp_path, epochs=2), load_from=trained / 'epoch_1.pth', resume=True)
    continued.train()
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['meta']['record']
    assert [saved[key] for key in START] == [began[key] for key in START]
    assert 'Not as in the run that is continued' not in logs(tmp_path)[0]


def test_heads_begin_with_the_same_backbone(tmp_path):
    def begin(seed, head):
        config = small_config(tmp_path / f'{seed}{head.__name__}')
        config.model.backbone = dict(
            type=ResNet, depth=18, num_stages=1, out_indices=(0,), strides=(1,), dilations=(1,)
        )
        config.model.neck = dict(type=GlobalAveragePooling)
        config.model.head = dict(type=head, num_classes=7, in_channels=64)
        config.channels_last = False
        runner = build_runner(config, seed=seed)
        runner.train()
        return next(hook for hook in runner.hooks if isinstance(hook, RecordHook)).record.to_dict()

    first, second, other = begin(0, VICHead), begin(0, EnsembleHead), begin(1, VICHead)
    assert first['initial_weights']['backbone'] == second['initial_weights']['backbone']
    assert first['initial_weights']['head'] != second['initial_weights']['head']
    assert first['first_batch'] == second['first_batch']
    assert first['initial_weights']['backbone'] != other['initial_weights']['backbone']
    assert first['first_batch']['samples'] != other['first_batch']['samples']


# ---- finished.json -------------------------------------------------------------------------------------------------
def make_runner(values, best_ckpt=None, hooks=(), work_dir='.'):
    """A runner whose validations gave ``values``: name -> list."""
    hub = MessageHub('finished')
    for name, history in values.items():
        for value in history:
            hub.update_scalar(f'val/{name}', value)
    hub.update_scalar('train/loss', 1.0)
    hub.update_scalar('val/time', 0.1)
    if best_ckpt:
        hub.update_info('best_ckpt', best_ckpt)
    return SimpleNamespace(message_hub=hub, hooks=list(hooks), work_dir=work_dir)


@pytest.mark.parametrize('save_best', ['accuracy', 'auto'])
def test_best_validation_is_that_of_the_best_checkpoint(save_best):
    hook = CheckpointHook(save_best=save_best, rule='greater')
    values = dict(accuracy=[50.0, 80.0, 80.0, 70.0], f1=[0.9, 0.5, 0.6, 0.7])
    metrics = final_metrics(make_runner(values, '/old/place/best_accuracy_epoch_12.pth', [hook]))
    assert metrics['last'] == dict(accuracy=70, f1=0.7)
    assert metrics['best'] == dict(accuracy=80, f1=0.5)
    assert (metrics['best_by'], metrics['best_epoch']) == ('accuracy', 12)
    assert metrics['best_checkpoint'] == 'best_accuracy_epoch_12.pth'


def test_smaller_may_be_better():
    hook = CheckpointHook(save_best='nll', rule='less')
    metrics = final_metrics(make_runner(dict(nll=[1.0, 0.4, 0.6], accuracy=[1.0, 2.0, 3.0]), hooks=[hook]))
    assert metrics['best'] == dict(nll=0.4, accuracy=2)


def test_best_of_several_metrics_is_that_of_the_first():
    runner = make_runner(dict(nll=[1.0, 0.4], accuracy=[2.0, 1.0]))
    runner.hooks = [CheckpointHook(save_best=['nll', 'accuracy'], rule=['less', 'greater'])]
    for key, epoch in (('nll', 2), ('accuracy', 1)):
        runner.message_hub.update_info(f'best_ckpt_{key}', f'best_{key}_epoch_{epoch}.pth')
    metrics = final_metrics(runner)
    assert metrics['best'] == dict(nll=0.4, accuracy=1)
    assert (metrics['best_epoch'], metrics['best_checkpoint']) == (2, 'best_nll_epoch_2.pth')


def test_values_that_are_not_finite():
    metrics = final_metrics(make_runner(dict(accuracy=[float('nan'), 60.0, float('nan')], f1=[1.0, float('inf'), 3.0])))
    assert metrics['last'] == dict(accuracy=None, f1=3)
    assert metrics['best'] == dict(accuracy=60, f1=None)


def test_without_validation():
    assert final_metrics(make_runner({})) == dict(last={}, best={}, best_by=None, best_epoch=None, best_checkpoint=None)


def test_a_metric_of_some_validations_has_no_best():
    assert final_metrics(make_runner(dict(accuracy=[1.0, 2.0], ece=[0.1])))['best'] == dict(accuracy=2)


def test_a_training_takes_the_mark_away_and_leaves_its_own(tmp_path):
    (tmp_path / MARKER).write_text('of an earlier training')
    runner = build_runner(small_config(tmp_path, epochs=2), seed=4)
    seen = []
    before = runner.call_hook

    def call_hook(name, **kwargs):
        before(name, **kwargs)
        if name == 'before_train_epoch':
            seen.append((tmp_path / MARKER).exists())

    runner.call_hook = call_hook
    runner.train()
    assert seen == [False, False]
    content = read_finished(tmp_path)
    assert (content['seed'], content['epochs'], content['iterations'], content['processes']) == (4, 2, 4, 1)
    assert content['settings'] == config_settings(small_config(tmp_path / 'elsewhere', epochs=2))
    assert content['initial_weights'].keys() == {'backbone', 'neck', 'head'}
    assert content['first_batch'].keys() == {'samples', 'inputs'}
    assert content['parameters'] == sum(p.numel() for p in runner.model.parameters())
    assert content['seconds'] > 0
    assert 'torch' in content['versions']
    assert content['best']['accuracy'] >= content['last']['accuracy']
    assert (tmp_path / content['best_checkpoint']).is_file()


def test_a_training_that_fails_leaves_no_mark(tmp_path):
    runner = build_runner(small_config(tmp_path))

    def fail(*args, **kwargs):
        raise RuntimeError('broken')

    runner.model.train_step = fail
    with pytest.raises(RuntimeError, match='broken'):
        runner.train()
    assert not (tmp_path / MARKER).exists()
