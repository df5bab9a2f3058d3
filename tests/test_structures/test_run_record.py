import shutil
import subprocess

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.structures import DataSample
from small_runs import small_config
from torch import nn

from mmfer.datasets import ConcatDataset as Joined
from mmfer.datasets import FERDataset, NoisyLabels, SynthFER
from mmfer.structures.run_record import (
    batch_fingerprint,
    config_hash,
    dataset_fingerprint,
    describe,
    differences,
    git_state,
    list_hash,
    machine,
    versions,
    weights_fingerprint,
)


class Listed(FERDataset):
    METAINFO = dict(classes=('anger', 'fear'))
    NAMES = ('a/1.jpg', 'a/2.jpg', 'b/3.jpg')

    def load_data_list(self):
        return [dict(img_path=f'{self.img_prefix}/{name}', gt_label=int(name[0] == 'b')) for name in self.NAMES]


def listed(root, **options):
    return Listed(data_root=str(root), img_prefix='images', split='train', validate=False, **options)


def test_versions_of_all_that_matters():
    found = versions()
    assert {'mmfer', 'python', 'torch', 'torchvision', 'mmengine', 'mmpretrain', 'mmcv', 'numpy'} <= found.keys()
    assert 'opencv-python' in found
    assert all(version[0].isdigit() for version in found.values())


@pytest.mark.skipif(shutil.which('git') is None, reason='git is not installed')
def test_git_state(tmp_path):
    def git(*args):
        settings = ['-c', 'user.name=x', '-c', 'user.email=x@example.org', '-c', 'commit.gpgsign=false']
        subprocess.run(['git', '-C', str(tmp_path), *settings, *args], check=True, capture_output=True)

    assert git_state(tmp_path) == 'no git'
    (tmp_path / 'package').mkdir()
    (tmp_path / 'package/code.py').write_text('x = 1\n')
    (tmp_path / '.gitignore').write_text('venv/\n')
    git('init')
    assert git_state(tmp_path / 'package') == 'no git'
    git('add', '.')
    git('commit', '-m', 'x')
    clean = git_state(tmp_path / 'package')
    assert len(clean) == 12
    (tmp_path / 'venv/mmfer').mkdir(parents=True)
    (tmp_path / 'venv/mmfer/code.py').write_text('')
    assert git_state(tmp_path / 'venv/mmfer') == 'no git'
    (tmp_path / 'package/code.py').write_text('x = 2\n')
    assert git_state(tmp_path / 'package') == f'{clean} with uncommitted changes'


def test_git_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.setenv('PATH', str(tmp_path))
    assert git_state() == 'no git'


def test_config_hash_is_of_the_settings(tmp_path):
    config = small_config(tmp_path / 'a')
    same = config_hash(config)
    assert config_hash(small_config(tmp_path / 'b')) == same
    assert config_hash(Config(dict(reversed(list(config.to_dict().items()))))) == same
    resumed = small_config(tmp_path)
    resumed.resume, resumed.launcher = 'epoch_1.pth', 'pytorch'
    assert config_hash(resumed) == same
    other_seed = small_config(tmp_path)
    other_seed.merge_from_dict({'randomness.seed': 1})
    assert config_hash(other_seed) == same  # runs of several seeds have one config
    changes = {'optim_wrapper.optimizer.lr': 0.5, 'load_from': 'x.pth', 'randomness.deterministic': True}
    for name, value in changes.items():
        other = small_config(tmp_path)
        other.merge_from_dict({name: value})
        assert config_hash(other) != same, name


def test_config_hash_knows_no_addresses():
    first, second = (config_hash(dict(type=SynthFER, fn=object(), pair=(1, 2), of={'b', 'a'})) for _ in range(2))
    assert first == second
    assert config_hash(dict(type=Listed, fn=object(), pair=(1, 2), of={'b', 'a'})) != first


def test_machine():
    found = machine()
    assert found['threads'] >= 1
    assert found['device']


def test_data_may_lie_anywhere(tmp_path):
    first, second = (dataset_fingerprint(listed(folder)) for folder in ('/data/one', tmp_path / 'two'))
    assert first == second
    assert first['class_counts'] == dict(anger=2, fear=1)
    assert first['protocol'] == 'Listed train'
    assert first['samples'] == 3
    pipes = dataset_fingerprint(listed('/data', pipeline=[dict(type='LoadImageFromFile')], serialize_data=False))
    assert pipes == first


def test_images_beside_the_data_root():
    outside = [Listed(data_root='/lists', img_prefix=folder, validate=False) for folder in ('/images', '/more/faces')]
    first, second = (dataset_fingerprint(dataset)['list_hash'] for dataset in outside)
    assert first == second


def test_other_lists_have_other_hashes():
    hashes = {dataset_fingerprint(listed('/x'))['list_hash']}
    relabelled = listed('/x')
    relabelled.relabel([0, 1, 1])
    hashes.add(dataset_fingerprint(relabelled)['list_hash'])
    hashes.add(dataset_fingerprint(listed('/x', indices=2))['list_hash'])
    hashes.add(dataset_fingerprint(listed('/x', indices=[1, 0, 2]))['list_hash'])
    hashes.add(list_hash([dict(gt_label=0, gt_score=[0.5, 0.5])]))
    hashes.add(list_hash([dict(gt_label=0, gt_score=[0.6, 0.4])]))
    assert len(hashes) == 6


def test_wrapped_data_sets():
    plain = dataset_fingerprint(listed('/x'))
    repeated = dataset_fingerprint(RepeatDataset(listed('/x'), times=3))
    assert (repeated['samples'], repeated['list_hash']) == (9, plain['list_hash'])
    assert repeated['protocol'] == 'Listed train, RepeatDataset of 9 samples'
    both = dataset_fingerprint(ConcatDataset([listed('/x'), listed('/y')]))
    assert both['samples'] == 6
    assert both['class_counts'] == dict(anger=4, fear=2)
    assert both['protocol'] == 'Listed train + Listed train'


def test_joined_data_sets():
    joined = dataset_fingerprint(Joined([listed('/x'), listed('/y')]))
    assert {**joined, 'list_hash': ''} == dict(
        protocol='Listed train + Listed train', samples=6, class_counts=dict(anger=4, fear=2), list_hash=''
    )
    assert dataset_fingerprint(Joined([listed('/a'), listed('/b')])) == joined  # wherever the data lie
    other = listed('/y')
    other.relabel([1, 1, 1])
    assert dataset_fingerprint(Joined([listed('/x'), other]))['list_hash'] != joined['list_hash']
    assert dataset_fingerprint(NoisyLabels(Joined([listed('/x'), listed('/y')]), rate=1.0))['list_hash'] not in (
        joined['list_hash'],
        'unknown',
    )


def test_a_foreign_data_set_is_described_as_far_as_it_can_be():
    assert dataset_fingerprint([1, 2])['samples'] == 2
    assert dataset_fingerprint([1, 2])['list_hash'] == 'unknown'


def record(**changes):
    base = dict(
        versions=dict(mmfer='1', torch='2'),
        git='abc',
        config=dict(file='x.py', hash='123'),
        run=dict(seed=0, deterministic=False, processes=1, backend=None),
        machine=machine(),
        data=dict(train=dataset_fingerprint(listed('/x'))),
    )
    return {**base, **changes}


def test_lines_and_differences():
    text = '\n'.join(describe(record()))
    for part in ('torch 2', 'git: abc', 'x.py (content 123)', 'seed 0', 'anger 2, fear 1', 'Listed train'):
        assert part in text
    assert differences(record(), record()) == []
    other = record(
        versions=dict(mmfer='1', torch='3'),
        config=dict(file='x.py', hash='124'),
        run=dict(seed=1, deterministic=False, processes=2, backend='gloo'),
        data=dict(train=dataset_fingerprint(listed('/x', indices=2))),
    )
    changed = '\n'.join(differences(record(), other))
    for part in ('torch is 3, was 2', 'other settings', 'seed is 1, was 0', 'processes is 2', '2 samples, were 3'):
        assert part in changed
    assert 'git' not in changed


@pytest.mark.parametrize(
    ('old', 'new', 'lines'),
    [
        (dict(a=1), dict(a=1), []),  # what differs, such as the number of workers, changes no result
        (dict(a=1), dict(a=2), ['the config has other settings (old -> new): a: 1 -> 2']),
        (None, dict(a=2), ['the config has other settings (the checkpoint does not tell which)']),
    ],
)
def test_settings_that_differ_are_named(old, new, lines):
    before = dict(file='x.py', hash='123', **({} if old is None else dict(settings=old)))
    assert differences(record(config=before), record(config=dict(file='x.py', hash='124', settings=new))) == lines


def test_weights_are_told_apart_by_value_name_and_kind():
    def fingerprint(change=None):
        torch.manual_seed(0)
        model = nn.ModuleDict(dict(backbone=nn.Conv2d(3, 4, 3), pool=nn.Flatten(), head=nn.BatchNorm1d(4)))
        if change:
            change(model)
        return weights_fingerprint(model)

    found = fingerprint()
    assert found.keys() == {'backbone', 'head'}
    assert fingerprint(lambda m: m.to(memory_format=torch.channels_last)) == found
    changed = fingerprint(lambda m: nn.init.zeros_(m['head'].weight))
    assert (changed['backbone'], changed['head'] == found['head']) == (found['backbone'], False)
    assert fingerprint(lambda m: m.bfloat16())['backbone'] != found['backbone']


def test_batches_are_told_apart_by_samples_and_pixels():
    def fingerprint(folder='/a/test', label=1, pixel=0):
        sample = DataSample(metainfo=dict(img_path=f'{folder}/x.png', sample_idx=3)).set_gt_label(label)
        return batch_fingerprint(dict(inputs=[torch.full((3, 2, 2), pixel, dtype=torch.uint8)], data_samples=[sample]))

    found = fingerprint()
    assert fingerprint(folder='/elsewhere/test') == found
    assert fingerprint(label=2)['samples'] != found['samples']
    other = fingerprint(pixel=9)
    assert (other['samples'], other['inputs'] == found['inputs']) == (found['samples'], False)
