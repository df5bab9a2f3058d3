import pickle

import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample
from torch.utils.data import DataLoader

from mmfer.datasets import PackInputs, SynthFER, stack_images
from mmfer.models import FERDataPreprocessor

PIPELINE = [PackInputs(soft_label=True, votes=True)]


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
        assert set(sample.keys()) == set(other.keys())  # their order is that of a set
        for key, value in sample.items():
            same = torch.equal(value, other.get(key)) if isinstance(value, torch.Tensor) else value == other.get(key)
            assert same, key


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


def views(sample, number=2):
    return dict(inputs=[sample['inputs']] * number, data_samples=[sample['data_samples']] * number)


@pytest.mark.parametrize(
    'change',
    [
        views,  # of TestTimeAug
        lambda sample: dict(sample, inputs=[sample['inputs']] * 2),  # of mmpretrain's MultiView
        lambda sample: dict(sample, inputs=(sample['inputs'],) * 3),
        lambda sample: dict(sample, inputs=dict(face=sample['inputs'], context=sample['inputs'])),
        lambda sample: dict(sample, data_samples=[sample['data_samples']] * 2),
        lambda sample: [sample['inputs'], sample['data_samples']],
    ],
)
@pytest.mark.parametrize('num', [1, 3])
def test_views_and_other_inputs_are_put_together_as_mmengine_does(change, num):
    changed = [change(sample) for sample in samples(num)]
    found, expected = stack_images(changed), pseudo_collate(changed)
    assert str(found) == str(expected)
    if change is views:
        assert [len(batch['inputs']) for batch in (found, expected)] == [2, 2]
        assert [len(of_view) for of_view in found['data_samples']] == [num, num]
