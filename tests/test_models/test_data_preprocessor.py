import pytest
import torch
from mmpretrain.models.utils.data_preprocessor import ClsDataPreprocessor
from mmpretrain.structures import DataSample

from mmfer.models import FERDataPreprocessor
from mmfer.registry import MODELS

IMAGENET = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def images(num=3, size=8):
    return list(torch.randint(0, 256, (num, 3, size, size), dtype=torch.uint8))


@pytest.mark.parametrize('to_rgb', [True, False])
@pytest.mark.parametrize('stacked', [True, False])
def test_equal_to_mmpretrain(to_rgb, stacked):
    inputs = torch.stack(images()) if stacked else images()
    samples = [DataSample().set_gt_label(i).set_gt_score(torch.eye(3)[i]) for i in range(3)]
    ours = FERDataPreprocessor(**IMAGENET, to_rgb=to_rgb)(dict(inputs=inputs, data_samples=samples))
    theirs = ClsDataPreprocessor(**IMAGENET, to_rgb=to_rgb)(dict(inputs=inputs, data_samples=samples))
    assert torch.equal(ours['inputs'], theirs['inputs'])
    assert ours['inputs'].is_contiguous()
    assert ours['data_samples'][2].gt_label.tolist() == [2]


def test_defaults_are_imagenet_in_rgb():
    image = torch.zeros(3, 2, 2)
    image[2] = 123.675  # red comes last in BGR
    out = FERDataPreprocessor()(dict(inputs=[image]))['inputs'][0]
    assert out[0].abs().max() == 0
    assert out[2, 0, 0] == pytest.approx(-103.53 / 57.375)


def test_inputs_are_not_changed():
    inputs = images()
    copies = [image.clone() for image in inputs]
    FERDataPreprocessor()(dict(inputs=inputs))
    assert all(map(torch.equal, inputs, copies))


def test_batch_augmentation_and_one_hot():
    cfg = dict(type='FERDataPreprocessor', num_classes=5, batch_augments=dict(augments=dict(type='Mixup', alpha=0.8)))
    samples = [DataSample().set_gt_label(i) for i in range(3)]
    out = MODELS.build(cfg)(dict(inputs=images(), data_samples=samples), training=True)
    scores = torch.stack([sample.gt_score for sample in out['data_samples']])
    assert scores.shape == (3, 5)
    torch.testing.assert_close(scores.sum(1), torch.ones(3))
    hard = [DataSample().set_gt_label(i) for i in range(3)]
    out = MODELS.build(cfg)(dict(inputs=images(), data_samples=hard))
    assert not any('gt_score' in sample for sample in out['data_samples']), 'metrics would take it for a distribution'


@pytest.mark.parametrize('kind', ['FERDataPreprocessor', 'TwoViewPreprocessor'])
def test_batch_augmentation_without_the_number_of_classes(kind):
    preprocessor = MODELS.build(dict(type=kind, batch_augments=dict(augments=dict(type='CutMix', alpha=0.8))))
    soft = [DataSample().set_gt_label(i).set_gt_score(torch.eye(5)[i]) for i in range(3)]
    out = preprocessor(dict(inputs=images(), data_samples=soft), training=True)
    assert out['data_samples'][0].gt_score.shape == (5,)
    hard = [DataSample().set_gt_label(i) for i in range(3)]
    with pytest.raises(ValueError, match=r'number of classes is missing. Set model\.data_preprocessor\.num_classes'):
        preprocessor(dict(inputs=images(), data_samples=hard), training=True)
    assert 'gt_score' not in preprocessor(dict(inputs=images(), data_samples=hard))['data_samples'][0]  # validation


def test_soft_and_hard_labels_in_one_batch():
    samples = [DataSample().set_gt_label(0).set_gt_score(torch.eye(5)[0]), DataSample().set_gt_label(1)]
    for each in (samples, samples[::-1]):
        with pytest.raises(ValueError, match='some samples of the batch have gt_score and some have not'):
            FERDataPreprocessor()(dict(inputs=images(2), data_samples=each), training=True)


def test_images_that_do_not_fit_together():
    with pytest.raises(ValueError, match=r'one size, got \(3, 8, 8\), \(3, 9, 9\); the pipeline has to end'):
        FERDataPreprocessor()(dict(inputs=images(1, 8) + images(1, 9)))
    with pytest.raises(ValueError, match=r'got \(1, 8, 8\)'):
        FERDataPreprocessor()(dict(inputs=torch.zeros(2, 1, 8, 8)))
    with pytest.raises(ValueError, match='lists of views.*PrepareTTAHook'):
        FERDataPreprocessor()(dict(inputs=[images(2, 8), images(2, 8)]))
    with pytest.raises(ValueError, match='one number a channel'):
        FERDataPreprocessor(mean=[1.0])
