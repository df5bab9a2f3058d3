import shutil
from types import SimpleNamespace

import golden
import numpy as np
import pytest
import torch
from mmengine.dataset import ConcatDataset
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmpretrain.structures import DataSample
from small_runs import small_config

from mmfer.apis import build_runner
from mmfer.datasets import ConcatDataset as Joined
from mmfer.engine.hooks.relabel_hook import RelabelHook, find_new_labels
from mmfer.models import LinearHead, VICHead
from mmfer.models.heads.scn_head import SCNHead
from mmfer.registry import HOOKS

LOGITS = torch.tensor([[0.0, 4.0, 0.0], [0.0, 4.0, 0.0], [1.0, 0.9, 0.0], [0.0, 0.0, 5.0]])


class Fixed(LinearHead):
    """A head whose features are its logits."""

    def forward(self, feats):
        return self.pre_logits(feats) + 0 * self.fc.bias


def fake_runner(head=None, epoch=0, dataset=(), loop=EpochBasedTrainLoop, max_epochs=10, distributed=False):
    return SimpleNamespace(
        model=SimpleNamespace(head=head or Fixed(3, 3)),
        epoch=epoch,
        max_epochs=max_epochs,
        distributed=distributed,
        train_dataloader=SimpleNamespace(dataset=dataset),
        train_loop=loop.__new__(loop),
        logger=MMLogger.get_instance('test_relabel_hook'),
        _resume=True,
    )


def batch(labels=(1, 0, 1, 0), first=0):
    samples = [DataSample().set_gt_label(label) for label in labels]
    for i, sample in enumerate(samples):
        sample.set_metainfo(dict(sample_idx=first + i))
    return dict(inputs=None, data_samples=samples)


def iterate(hook, runner, data, features=LOGITS, passes=1):
    hook.before_train_iter(runner, 0, data)
    seen = [int(sample.gt_label) for sample in data['data_samples']]
    for i in range(passes):
        runner.model.head.loss((features if i == 0 else -features,), data['data_samples'])
    hook.after_train_iter(runner, 0, data, {})
    return seen


def test_the_rule():
    changed, predicted = find_new_labels(LOGITS, torch.tensor([1, 0, 1, 0]), 0.2)
    assert changed.tolist() == [False, True, False, True]
    assert predicted.tolist() == [1, 1, 0, 2]
    assert find_new_labels(LOGITS, torch.tensor([1, 0, 1, 0]), 0.01)[0].tolist() == [False, True, True, True]


def test_recorded_choice_of_the_original():
    recorded = np.load(golden.GOLDEN / 'scn_7.npz')
    changed, predicted = find_new_labels(torch.tensor(recorded['logits']), golden.labels(8, 7), 0.05)
    assert changed.tolist() == recorded['relabel_mask_margin_005'].tolist()
    assert predicted.tolist() == recorded['predicted'].tolist()


def test_labels_change_from_the_begin_on_and_stay():
    hook, runner = RelabelHook(begin=2), fake_runner()
    hook.before_train(runner)
    assert iterate(hook, runner, batch()) == [1, 0, 1, 0]
    assert hook.labels == {}
    runner.epoch = 1
    assert iterate(hook, runner, batch()) == [1, 0, 1, 0]
    assert hook.labels == {1: 1, 3: 2}
    assert iterate(hook, runner, batch(first=2)) == [1, 2, 1, 0]
    assert hook.labels == {1: 1, 3: 1, 5: 2}, 'one was relabelled again'
    runner.epoch = 0  # an earlier state is of no matter: what is known is used
    assert iterate(hook, runner, batch()) == [1, 1, 1, 1]
    hook.after_train(runner)
    assert not runner.model.head._forward_hooks


def test_a_second_pass_or_view_does_not_count():
    hook, runner = RelabelHook(begin=1), fake_runner()
    hook.before_train(runner)
    iterate(hook, runner, batch(), passes=2)  # SAM
    assert hook.labels == {1: 1, 3: 2}
    data = batch()
    hook.before_train_iter(runner, 0, data)
    runner.model.head((torch.cat([LOGITS, -LOGITS]),))  # TwoViewPreprocessor
    hook.after_train_iter(runner, 0, data, {})
    assert hook.labels == {1: 1, 3: 2}


def test_validation_is_not_recorded():
    hook, runner = RelabelHook(begin=1), fake_runner()
    hook.before_train(runner)
    runner.model.head.predict((LOGITS,))
    iterate(hook, runner, batch([1]), LOGITS[:1])
    assert hook.labels == {}


def test_what_cannot_be_relabelled():
    with pytest.raises(ValueError, match='EpochBasedTrainLoop'):
        RelabelHook().before_train(fake_runner(loop=IterBasedTrainLoop))
    with pytest.raises(ValueError, match='begins with epoch 11, and the training has 10'):
        RelabelHook(begin=11).before_train(fake_runner())
    joined = SimpleNamespace(dataset=ConcatDataset.__new__(ConcatDataset))  # as RepeatDataset has one inside
    with pytest.raises(ValueError, match='ConcatDataset'):
        RelabelHook().before_train(fake_runner(dataset=joined))
    RelabelHook().before_train(
        fake_runner(dataset=Joined([dict(type='SynthFER', num_samples=10)] * 2))
    )  # counts through
    hook, runner = RelabelHook(begin=1), fake_runner()
    hook.before_train(runner)
    soft = batch()
    for sample in soft['data_samples']:
        sample.set_gt_score(torch.ones(3) / 3)
    with pytest.raises(ValueError, match='soft_label=False'):
        hook.before_train_iter(runner, 0, soft)
    unnamed = dict(data_samples=[DataSample().set_gt_label(0)])
    with pytest.raises(ValueError, match='sample_idx'):
        hook.before_train_iter(runner, 0, unnamed)
    mixed = batch()
    hook.before_train_iter(runner, 0, mixed)
    mixed['data_samples'][0].set_gt_score(torch.ones(3) / 3)  # as the data preprocessor does
    with pytest.raises(ValueError, match='batch_augments'):
        hook.after_train_iter(runner, 0, mixed, {})


def test_heads_that_train_without_their_forward():
    runner = fake_runner(VICHead(3, 3))
    hook = RelabelHook(begin=1)
    hook.before_train(runner)
    with pytest.raises(TypeError, match='losses of VICHead'):
        iterate(hook, runner, batch())


def test_checkpoints():
    hook, runner, content = RelabelHook(begin=1), fake_runner(dataset=[0] * 4), {}
    hook.before_train(runner)
    iterate(hook, runner, batch())
    hook.before_save_checkpoint(runner, content)
    other = RelabelHook(begin=1)
    other.after_load_checkpoint(runner, content)
    other.before_train(runner)
    assert other.labels == hook.labels == {1: 1, 3: 2}
    fresh, runner._resume = RelabelHook(), False
    fresh.after_load_checkpoint(runner, content)  # fine-tuning takes the weights alone
    assert fresh.labels == {}


@pytest.mark.parametrize('wrong', [dict(begin=0), dict(begin=1.5), dict(begin=True), dict(margin=-0.1), dict(margin=1)])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HOOKS.build(dict(type='RelabelHook', **wrong))


# ---- real trainings --------------------------------------------------------------------------------------------------
class SaveWithin(Hook):
    """Keeps a checkpoint of the first iteration of the second epoch, as if the training were stopped there."""

    priority = 'LOWEST'

    def __init__(self, target):
        self.target = target

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 2:
            shutil.copy(runner.save_interrupted(), self.target)


def training(work_dir, workers=0, hooks=(), **options):
    """New labels, the labels used in each iteration, and the weights of a training of three epochs."""
    config = small_config(work_dir, epochs=3)
    config.model.head = dict(type=SCNHead, num_classes=7, in_channels=16)
    config.param_scheduler = []
    config.custom_hooks = [dict(type=RelabelHook, begin=2, margin=0.0)]
    config.train_dataloader.update(num_workers=workers, persistent_workers=workers > 0)
    runner = build_runner(config, **options)
    for hook in hooks:
        runner.register_hook(hook)
    used = {}
    runner.model.head.loss_module.register_forward_hook(
        lambda module, inputs, output: used.update({runner.iter: inputs[1].tolist()})
    )
    runner.train()
    labels = next(hook for hook in runner.hooks if isinstance(hook, RelabelHook)).labels
    return SimpleNamespace(labels=labels, used=used, weights=runner.model.state_dict(), runner=runner)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole')
    run = training(folder, hooks=[SaveWithin(folder / 'within.pth')])
    run.folder = folder
    return run


def test_an_epoch_trains_on_what_the_one_before_found(whole):
    content = torch.load(whole.folder / 'epoch_2.pth', weights_only=True)['relabelled']
    labels = dict(zip(content['indices'].tolist(), content['labels'].tolist()))
    assert labels
    own = whole.runner.train_dataloader.dataset.dataset.get_gt_labels().tolist()
    third = sorted(whole.used[4] + whole.used[5])
    assert third == sorted(labels.get(i, label) for i, label in enumerate(own))
    assert third != sorted(own) == sorted(whole.used[0] + whole.used[1])
    log = next(whole.folder.glob('*/*.log')).read_text()
    assert f'{len(whole.labels)} of 28 training samples (' in log


@pytest.mark.parametrize(
    'options', [dict(resume='epoch_2.pth'), dict(resume='within.pth'), dict(workers=1)], ids=lambda o: str(*o.values())
)
def test_resuming_and_workers_change_nothing(whole, options, tmp_path):
    if 'resume' in options:
        options = dict(resume=str(whole.folder / options['resume']))
    run = training(tmp_path, **options)
    assert run.labels == whole.labels
    assert run.used.items() <= whole.used.items()
    assert all(torch.equal(run.weights[name], value) for name, value in whole.weights.items())
