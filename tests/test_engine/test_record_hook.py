import re
from types import SimpleNamespace

import pytest
import torch
from mmfer.engine.hooks.provenance_hook import START, ProvenanceHook, collect
from mmpretrain.models import GlobalAveragePooling, ResNet
from small_runs import small_config

from mmfer.apis import build_runner, evaluate
from mmfer.models import EnsembleHead, VICHead
from mmfer.structures.run_record import config_hash, dataset_fingerprint, weights_fingerprint


def logs(work_dir):
    """The log files of a work dir, oldest first."""
    return [path.read_text() for path in sorted(work_dir.glob('*/*.log'), key=lambda p: p.stat().st_mtime)]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('work')
    runner = build_runner(small_config(work_dir, epochs=2))
    runner.train()
    return work_dir, runner


def test_the_log_begins_with_what_the_result_comes_from(trained):
    work_dir, runner = trained
    (text,) = logs(work_dir)
    block = text[text.index('Provenance\n  ') :].split(' - mmengine - ')[0]
    assert f'torch {torch.__version__.split("+")[0]}' in block
    assert re.search(r'git: ([0-9a-f]{12}|no git)', block)
    assert f'synth.py (content {config_hash(runner.cfg)})' in block
    assert 'seed 0, deterministic=False, 1 process(es)' in block
    assert 'device: ' in block
    train = dataset_fingerprint(runner.train_dataloader.dataset)
    assert f'28 samples (neutral {train["class_counts"]["neutral"]}, ' in block
    assert f'list {train["list_hash"]}' in block
    assert 'val data: SynthFER test; 14 samples' in block
    assert 'test data' not in block
    assert text.index('Provenance\n  ') < text.index('Epoch(train)')


def test_the_log_ends_with_the_result(trained):
    work_dir, runner = trained
    (text,) = logs(work_dir)
    end = text[text.index('Training ended after epoch 2 (iteration 4)') :]
    accuracy = runner.message_hub.log_scalars['val/accuracy'].current()
    assert re.search(rf'accuracy +{accuracy:.4f}', end)
    assert f'last checkpoint: {work_dir / "epoch_2.pth"}' in end
    best = next(work_dir.glob('best_accuracy_epoch_*.pth'))
    assert f'best checkpoint: {best}' in end
    assert re.search(r'time: \d+:\d\d:\d\d$', end.strip())


def test_checkpoints_hold_it(trained):
    work_dir, runner = trained
    meta = torch.load(work_dir / 'epoch_2.pth', weights_only=True)['meta']
    record = dict(meta['provenance'])
    assert record.pop('seconds') > 0
    assert record == {**collect(runner), **{key: record[key] for key in START}}


def test_a_continued_run_says_what_is_otherwise(trained, tmp_path):
    work_dir, _ = trained
    config = small_config(tmp_path, epochs=2)
    config.val_dataloader.dataset.num_samples = 21
    runner = build_runner(config, load_from=work_dir / 'epoch_1.pth', resume=True)
    runner.train()
    (text,) = logs(tmp_path)
    warned = next(line for line in text.splitlines() if 'Not as in the run that is continued' in line)
    assert 'val_dataloader.dataset.num_samples: 14 -> 21; the val data' in warned
    assert 'the val data have another list: 21 samples, were 14' in warned
    assert 'with the runs it continues' in text


def test_a_run_that_only_continues_is_the_same_run(trained, tmp_path):
    work_dir, _ = trained
    build_runner(small_config(tmp_path, epochs=2), load_from=work_dir / 'epoch_1.pth', resume=True).train()
    (text,) = logs(tmp_path)
    assert 'Not as in the run that is continued' not in text


def test_the_best_of_before_a_break_is_known(trained, tmp_path):
    work_dir, runner = trained
    saved = torch.load(work_dir / 'epoch_2.pth', weights_only=True)['message_hub']['runtime_info']['best_metrics']
    values = runner.message_hub.log_scalars['val/accuracy'].data[0]
    assert saved['metrics']['accuracy'] == max(values)
    assert saved['epoch'] == 1 + list(values).index(max(values))


def test_testing_is_recorded_too(trained, tmp_path):
    work_dir, _ = trained
    evaluate(small_config(tmp_path), work_dir / 'epoch_2.pth')
    (text,) = logs(tmp_path)
    block = text[text.index('Provenance\n  ') :].split(' - mmengine - ')[0]
    assert 'test data: SynthFER test; 14 samples' in block
    assert 'train data' not in block
    assert 'Training ended' not in text
    assert 'Not as in' not in text


def test_other_processes_keep_quiet():
    hook = ProvenanceHook()
    hook.before_run(SimpleNamespace(rank=1))
    checkpoint = dict(meta={})
    hook.before_save_checkpoint(SimpleNamespace(rank=1), checkpoint)
    assert checkpoint == dict(meta={})


def test_how_a_training_began_is_kept(trained, tmp_path):
    work_dir, runner = trained
    began = torch.load(work_dir / 'epoch_1.pth', weights_only=True)['meta']['provenance']
    assert list(began['initial_weights']) == ['backbone', 'neck', 'head']
    (text,) = logs(work_dir)
    assert f'Initial weights: backbone {began["initial_weights"]["backbone"]}, neck ' in text
    assert f'First batch: samples {began["first_batch"]["samples"]}, inputs ' in text
    assert weights_fingerprint(runner.model)['backbone'] != began['initial_weights']['backbone']
    continued = build_runner(small_config(tmp_path, epochs=2), load_from=work_dir / 'epoch_1.pth', resume=True)
    continued.train()
    saved = torch.load(tmp_path / 'epoch_2.pth', weights_only=True)['meta']['provenance']
    assert [saved[key] for key in START] == [began[key] for key in START]


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
        return next(hook for hook in runner.hooks if isinstance(hook, ProvenanceHook)).record

    first, second, other = begin(0, VICHead), begin(0, EnsembleHead), begin(1, VICHead)
    assert first['initial_weights']['backbone'] == second['initial_weights']['backbone']
    assert first['initial_weights']['head'] != second['initial_weights']['head']
    assert first['first_batch'] == second['first_batch']
    assert first['initial_weights']['backbone'] != other['initial_weights']['backbone']
    assert first['first_batch']['samples'] != other['first_batch']['samples']
