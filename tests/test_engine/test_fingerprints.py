import torch
from mmengine.dataset import ConcatDataset, RepeatDataset
from mmpretrain.structures import DataSample
from torch import nn

from mmfer.datasets import ConcatDataset as Joined
from mmfer.datasets import FERDataset, NoisyLabels
from mmfer.engine.fingerprints import batch_fingerprint, dataset_fingerprint, list_hash, weights_fingerprint
from mmfer.engine.resume.seeding import SeededDataset


class Listed(FERDataset):
    METAINFO = dict(classes=('anger', 'fear'))
    NAMES = ('a/1.jpg', 'a/2.jpg', 'b/3.jpg')

    def load_data_list(self):
        return [dict(img_path=f'{self.img_prefix}/{name}', gt_label=int(name[0] == 'b')) for name in self.NAMES]


def listed(root, **options):
    return Listed(data_root=str(root), img_prefix='images', split='train', validate=False, **options)


def test_data_may_lie_anywhere(tmp_path):
    first, second = (dataset_fingerprint(listed(folder)) for folder in ('/data/one', tmp_path / 'two'))
    assert first == second
    assert first['class_counts'] == dict(anger=2, fear=1)
    assert first['protocol'] == 'Listed train'
    assert first['samples'] == 3
    assert dataset_fingerprint(SeededDataset(listed('/data'))) == first
    pipes = dataset_fingerprint(listed('/data', pipeline=[dict(type='LoadImageFromFile')], serialize_data=False))
    assert pipes == first


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


def test_batches_of_views_are_told_apart():
    def fingerprint(*pixels, make=list):
        sample, images = DataSample().set_gt_label(1), [torch.full((3, 2, 2), pixel) for pixel in pixels]
        views = dict(zip('ab', images)) if make is dict else make([image] for image in images)
        return batch_fingerprint(dict(inputs=views, data_samples=[[sample]] * 2))

    for make in (list, tuple, dict):
        assert fingerprint(1, 2, make=make) == fingerprint(1, 2)
        assert fingerprint(1, 3, make=make)['inputs'] != fingerprint(1, 2)['inputs']
    images, samples = torch.arange(12).view(4, 3), [DataSample()] * 4
    stacked = batch_fingerprint(dict(inputs=images, data_samples=samples))
    assert batch_fingerprint(dict(inputs=list(images), data_samples=samples)) == stacked
