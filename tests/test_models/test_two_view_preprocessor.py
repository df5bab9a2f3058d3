import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.models import FERDataPreprocessor
from mmfer.models.two_view_preprocessor import TwoViewPreprocessor
from mmfer.registry import MODELS


def images(num=3, size=8):
    generator = torch.Generator().manual_seed(0)
    return list(torch.randint(0, 256, (num, 3, size, size), dtype=torch.uint8, generator=generator))


def samples(num=3):
    out = [DataSample().set_gt_label(i) for i in range(num)]
    for i, sample in enumerate(out):
        sample.set_metainfo(dict(sample_idx=10 + i))
    return out


@pytest.mark.parametrize('stacked', [True, False])
@pytest.mark.parametrize('num', [1, 3])
def test_the_flipped_images_follow_in_training(stacked, num):
    inputs, given = images(num), samples(num)
    batch = dict(inputs=torch.stack(inputs) if stacked else inputs, data_samples=given)
    plain = FERDataPreprocessor()(batch)['inputs']
    out = TwoViewPreprocessor()(batch, training=True)
    assert torch.equal(out['inputs'], torch.cat([plain, plain.flip(-1)]))
    first, second = out['data_samples'][:num], out['data_samples'][num:]
    assert all(a is b for a, b in zip(first, given))
    assert [sample.get('view') for sample in first] == [None] * num
    assert [sample.view for sample in second] == [1] * num
    assert [sample.sample_idx for sample in second] == [10 + i for i in range(num)]
    assert [int(sample.gt_label) for sample in second] == list(range(num))


def test_nothing_is_added_at_test():
    batch = dict(inputs=images(), data_samples=samples())
    ours, plain = (cls()(batch, training=False) for cls in (TwoViewPreprocessor, FERDataPreprocessor))
    assert torch.equal(ours['inputs'], plain['inputs'])
    assert len(ours['data_samples']) == 3
    assert TwoViewPreprocessor()(dict(inputs=images()), training=True)['data_samples'] is None


def test_views_of_the_pipeline_are_put_one_set_after_the_other():
    inputs = images(6)
    pairs = [torch.stack([inputs[i], inputs[3 + i]]) for i in range(3)]
    plain = FERDataPreprocessor()(dict(inputs=inputs))['inputs']
    for given in (pairs, torch.stack(pairs)):
        out = TwoViewPreprocessor()(dict(inputs=given, data_samples=samples()), training=True)
        assert torch.equal(out['inputs'], plain)
        assert [sample.get('view', 0) for sample in out['data_samples']] == [0, 0, 0, 1, 1, 1]


def test_batch_augments_come_before_the_flip():
    torch.manual_seed(0)
    config = dict(
        type='TwoViewPreprocessor', num_classes=5, batch_augments=dict(augments=dict(type='Mixup', alpha=0.8))
    )
    preprocessor = MODELS.build(config)
    out = preprocessor(dict(inputs=images(), data_samples=samples()), training=True)
    assert torch.equal(out['inputs'][3:], out['inputs'][:3].flip(-1))
    for first, second in zip(out['data_samples'][:3], out['data_samples'][3:]):
        assert torch.equal(first.gt_score, second.gt_score)
    pairs = [torch.stack([image, image]) for image in images()]
    with pytest.raises(ValueError, match='batch_augments'):
        preprocessor(dict(inputs=pairs, data_samples=samples()), training=True)


def test_any_head_trains_on_both_views():
    data = TwoViewPreprocessor()(dict(inputs=images(), data_samples=samples()), training=True)
    head = MODELS.build(dict(type='LinearHead', num_classes=3, in_channels=8))
    losses = head.loss((data['inputs'].mean((1, 2)),), data['data_samples'])
    assert torch.isfinite(losses['loss_ce'])


def test_lists_of_views_are_refused():
    with pytest.raises(ValueError, match='lists of views.*end it with TwoViews'):
        TwoViewPreprocessor()(dict(inputs=[[torch.zeros(3, 8, 8)]] * 2), training=True)


def test_pairs_at_test_are_refused():
    with pytest.raises(ValueError, match=r'must all be \(3, H, W\)'):
        TwoViewPreprocessor()(dict(inputs=[torch.zeros(2, 3, 8, 8)]))
