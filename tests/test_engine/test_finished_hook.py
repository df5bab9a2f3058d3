from types import SimpleNamespace

import pytest
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from mmfer.engine.hooks.finished_hook import FinishedHook, final_metrics
from small_runs import small_config

from mmfer.apis import build_runner
from mmfer.structures.run_record import MARKER, read_finished


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


def test_best_validation_is_that_of_the_best_checkpoint():
    hook = CheckpointHook(save_best='accuracy', rule='greater')
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
    runner.register_hook(FinishedHook(dict(lr=0.1)))
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
    assert content['settings'] == dict(lr=0.1)
    assert content['initial_weights'].keys() == {'backbone', 'neck', 'head'}
    assert content['first_batch'].keys() == {'samples', 'inputs'}
    assert content['parameters'] == sum(p.numel() for p in runner.model.parameters())
    assert content['seconds'] > 0
    assert 'torch' in content['versions']
    assert content['best']['accuracy'] >= content['last']['accuracy']
    assert (tmp_path / content['best_checkpoint']).is_file()


def test_a_training_that_fails_leaves_no_mark(tmp_path):
    runner = build_runner(small_config(tmp_path))
    runner.register_hook(FinishedHook({}))

    def fail(*args, **kwargs):
        raise RuntimeError('broken')

    runner.model.train_step = fail
    with pytest.raises(RuntimeError, match='broken'):
        runner.train()
    assert not (tmp_path / MARKER).exists()
