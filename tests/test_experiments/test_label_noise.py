import copy

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from nested_data import KINDS, nested
from small_runs import shallow_config

from mmfer.apis import build_runner, load_config, swap_head
from mmfer.datasets import NoisyLabels
from mmfer.engine import RelabelHook
from mmfer.experiments.label_noise import LabelNoise, add_label_noise, noise_of
from mmfer.experiments.methods import plan_methods
from mmfer.registry import DATASETS
from mmfer.structures.run_record import config_settings
from mmfer.utils.nesting import walk

NOISE = LabelNoise(0.25, 3)


def noisy(config, noise=NOISE):
    add_label_noise(config, noise)
    return config


def test_training_labels_change_and_no_others(tmp_path):
    config = noisy(shallow_config(tmp_path))
    clean = shallow_config(tmp_path)
    assert config.val_dataloader == clean.val_dataloader
    assert config.test_dataloader == clean.test_dataloader
    runner = build_runner(config)
    dataset, inner = (each.train_dataloader.dataset.dataset for each in (runner, build_runner(clean)))
    changed = dataset.get_gt_labels() != inner.get_gt_labels()
    assert changed.sum() == 7
    assert dataset.column('clean_label') == inner.get_gt_labels().tolist()
    assert runner.val_dataloader.dataset.dataset.protocol == 'SynthFER test'
    packed = dataset[int(np.flatnonzero(changed)[0])]['data_samples']
    assert (
        int(packed.gt_label) == dataset.get_gt_labels()[packed.sample_idx] != inner.get_gt_labels()[packed.sample_idx]
    )


def test_all_methods_have_the_same_noise_and_record_it(tmp_path):
    source = tmp_path / 'small.py'
    shallow_config(tmp_path).dump(source)
    methods = plan_methods([source], ['vich', 'scn', 'eac', 'rul'], tmp_path / 'work', noise=NOISE)
    assert {noise_of(method.settings) for method in methods} == {NOISE}
    assert all('25 % symmetric label noise (seed 3)' in method.text for method in methods)
    labels = []
    for method in methods:
        method.folder.mkdir(parents=True)
        method.config.write_text(method.text)
        config = load_config(method.config)
        assert noise_of(config_settings(config)) == NOISE  # what finished.json will say
        labels.append(build_runner(config, work_dir=tmp_path / 'run').train_dataloader.dataset.dataset.get_gt_labels())
    assert all((other == labels[0]).all() for other in labels[1:])
    clean = plan_methods([source], ['vich', 'scn'], tmp_path / 'work', noise=LabelNoise(0.0))
    assert clean[0].settings == plan_methods([source], ['vich', 'scn'], tmp_path / 'work')[0].settings
    assert noise_of(clean[0].settings) == LabelNoise(0.0)


@pytest.mark.parametrize('head', ['scn_relabel', 'eac', 'rul'])
def test_heads_that_need_more_than_labels_train_with_it(tmp_path, head, root):
    fragment = root / 'configs/_base_/label_noise/scn_relabel.py' if head == 'scn_relabel' else head
    config = noisy(swap_head(shallow_config(tmp_path, epochs=2), fragment))
    for hook in config.custom_hooks:
        if hook.get('begin'):
            hook.update(begin=1, margin=0.0)
    runner = build_runner(config)
    runner.train()
    relabel = next((hook for hook in runner.hooks if isinstance(hook, RelabelHook)), None)
    if relabel is not None:
        dataset = runner.train_dataloader.dataset
        assert relabel.labels
        assert set(relabel.labels) <= set(range(28))
        assert relabel._size == len(dataset) == 28
    inputs = torch.randint(0, 256, (14, 3, 32, 32), dtype=torch.uint8)
    batch = dict(inputs=inputs, data_samples=[runner.train_dataloader.dataset[i]['data_samples'] for i in range(14)])
    views = len(runner.model.data_preprocessor(batch, training=True)['inputs'])
    assert views == (28 if head == 'eac' else 14)


@pytest.mark.parametrize('kind', KINDS)
def test_joined_data(kind, tmp_path):
    config = shallow_config(tmp_path)
    part = config.train_dataloader.dataset
    config.train_dataloader.dataset = nested(kind, part, dict(part, seed=1))
    with pytest.raises(ValueError, match='noisy already'):
        noisy(noisy(copy.deepcopy(config)))
    noisy(config)
    settings = config_settings(config)
    assert noise_of(settings) == NOISE
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(config.train_dataloader.dataset)
    if kind == 'mmengine.ConcatDataset':
        assert [part.flip_rate for part in dataset.datasets] == [0.25, 0.25]
        settings['train_dataloader.dataset.datasets.1.rate'] = 0.1
        with pytest.raises(ValueError, match='more than one'):
            noise_of(settings)
        settings['train_dataloader.dataset.datasets.1.type'] = 'SynthFER'
        with pytest.raises(ValueError, match='more than one'):
            noise_of(settings)
    else:
        assert next(each for each in walk(dataset) if isinstance(each, NoisyLabels)).flip_rate == 0.25


def test_what_cannot_be_noisy_is_refused(tmp_path):
    config = shallow_config(tmp_path)
    with pytest.raises(ValueError, match='label noise of 20: expected a share'):
        noisy(config, LabelNoise(20))
    config.train_dataloader.dataset = dict(type='mmengine.ConcatDataset', datasets=[])
    with pytest.raises(ValueError, match='for data sets of mmfer, not ConcatDataset'):
        noisy(config)
    config._cfg_dict.pop('train_dataloader')
    with pytest.raises(ValueError, match='no train_dataloader'):
        noisy(config)


def test_noise_that_no_rate_describes():
    name = 'train_dataloader.dataset'
    settings = {f'{name}.type': 'mmfer.datasets.NoisyLabels', f'{name}.rate': 0.1, f'{name}.kind': 'asymmetric'}
    with pytest.raises(ValueError, match='not symmetric'):
        noise_of(settings)
    twice = {**settings, f'{name}.kind': 'symmetric', f'{name}.dataset.type': 'NoisyLabels'}
    with pytest.raises(ValueError, match='more than one'):
        noise_of(twice)
