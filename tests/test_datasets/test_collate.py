import pickle

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from mmfer.datasets import PackInputs, SynthFER, stack_images
from mmfer.models import FERDataPreprocessor

PIPELINE = [PackInputs(soft_label=True)]


def samples(num=3, sizes=(8,)):
    made = []
    for i in range(num):
        sample = DataSample(metainfo=dict(img_path=f'{i}.jpg', ori_shape=(8, 8)))
        sample.set_gt_label(i).set_gt_score(torch.rand(4))
        sample.set_field('as it is', 'note')
        size = sizes[i % len(sizes)]
        made.append(dict(inputs=torch.full((3, size, size), i, dtype=torch.uint8), data_samples=sample))
    return made


def assert_same_samples(a, b):
    assert len(a) == len(b)
    for sample, other in zip(a, b):
        assert type(sample) is type(other)
        assert sample.metainfo == other.metainfo
        assert sample.keys() == other.keys()
        for key, value in sample.items():
            same = torch.equal(value, other.get(key)) if isinstance(value, torch.Tensor) else value == other.get(key)
            assert same, key


def test_one_tensor_of_images_and_the_samples_as_they_are():
    packed = samples()
    batch = stack_images(packed)
    assert torch.equal(batch['inputs'], torch.stack([sample['inputs'] for sample in packed]))
    assert batch['inputs'].dtype == torch.uint8
    assert batch['inputs'].is_contiguous()
    assert all(sample is other['data_samples'] for sample, other in zip(batch['data_samples'], packed))


def test_samples_are_sent_whole():
    batch = stack_images(samples())
    sent = pickle.loads(pickle.dumps(batch))
    assert type(sent['data_samples']) is list
    assert_same_samples(sent['data_samples'], batch['data_samples'])
    sent['data_samples'][0].set_gt_label(2)  # ordinary samples, which can be changed


def test_half_precision_and_other_kinds_of_samples_are_sent_too():
    packed = samples()
    packed[0]['data_samples'].set_field(torch.ones(2, dtype=torch.bfloat16), 'half')
    assert_same_samples(
        *(pickle.loads(pickle.dumps(stack_images(packed)))['data_samples'], [s['data_samples'] for s in packed])
    )
    packed[1]['data_samples'] = None
    assert pickle.loads(pickle.dumps(stack_images(packed)))['data_samples'][1] is None


@pytest.mark.parametrize('workers', [0, 1])
def test_loaders_give_the_same_batches_as_before(workers):
    dataset = SynthFER('test', num_samples=7, size=32, pipeline=PIPELINE)
    loaders = (
        DataLoader(dataset, batch_size=4, num_workers=workers, collate_fn=collate)
        for collate in (stack_images, pseudo_collate)
    )
    for batch, other in zip(*loaders):
        assert torch.equal(batch['inputs'], torch.stack(other['inputs']))
        assert_same_samples(batch['data_samples'], other['data_samples'])
        results = [FERDataPreprocessor()(data, True) for data in (batch, other)]
        assert torch.equal(results[0]['inputs'], results[1]['inputs'])


def test_images_of_different_sizes_stay_a_list():
    batch = stack_images(samples(sizes=(8, 9)))
    assert [len(image[0]) for image in batch['inputs']] == [8, 9, 8]
    with pytest.raises(ValueError, match='must all be'):
        FERDataPreprocessor()(batch, True)


def test_anything_else_is_left_to_mmengine():
    assert stack_images([dict(a=1), dict(a=2)]) == dict(a=[1, 2])
    np.testing.assert_array_equal(stack_images([np.ones(2), np.ones(2)]), pseudo_collate([np.ones(2), np.ones(2)]))


def test_configs_find_it_by_its_name():
    dataset = SynthFER('test', num_samples=3, size=32, pipeline=PIPELINE)
    settings = dict(dataset=dataset, batch_size=3, sampler=dict(type='DefaultSampler', shuffle=False))
    loader = Runner.build_dataloader(dict(settings, collate_fn=dict(type='stack_images')))
    assert next(iter(loader))['inputs'].shape == (3, 3, 32, 32)
