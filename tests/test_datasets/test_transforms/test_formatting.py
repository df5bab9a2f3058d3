import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmfer.datasets import PackInputs
from mmfer.registry import TRANSFORMS

IMG = np.random.RandomState(0).randint(0, 256, (4, 6, 3), dtype=np.uint8)


def sample(**kwargs):
    return dict(img=IMG, img_path='a.jpg', sample_idx=3, ori_shape=(8, 8), img_shape=(4, 6), gt_label=2, **kwargs)


def test_hard_label():
    packed = TRANSFORMS.build(dict(type='mmfer.PackInputs'))(sample(gt_score=np.ones(3, np.float32)))
    inputs, data_sample = packed['inputs'], packed['data_samples']
    assert inputs.dtype == torch.uint8
    assert inputs.is_contiguous()
    np.testing.assert_array_equal(inputs.numpy(), IMG.transpose(2, 0, 1))
    assert isinstance(data_sample, DataSample)
    assert data_sample.gt_label.tolist() == [2]
    assert 'gt_score' not in data_sample
    assert 'gt_distribution' not in data_sample
    assert data_sample.metainfo == dict(img_path='a.jpg', sample_idx=3, ori_shape=(8, 8), img_shape=(4, 6))


@pytest.mark.parametrize('soft_label', [False, True])
@pytest.mark.parametrize('keep_score', [False, True])
def test_soft_labels_are_packed_on_request(soft_label, keep_score):
    score = np.array([0.2, 0.1, 0.6])
    data_sample = PackInputs(soft_label=soft_label, keep_score=keep_score)(sample(gt_score=score))['data_samples']
    for field, wanted in (('gt_score', soft_label), ('gt_distribution', keep_score)):
        assert (field in data_sample) == wanted
        if wanted:
            value = data_sample.get(field)
            assert isinstance(value, torch.Tensor)
            assert value.dtype == torch.float32
            np.testing.assert_allclose(value.numpy(), score, rtol=1e-6)


@pytest.mark.parametrize('option', ['soft_label', 'keep_score'])
def test_absent_soft_label_names_the_option_and_the_sample(option):
    with pytest.raises(ValueError, match=rf'a\.jpg has no gt_score.*{option}=False'):
        PackInputs(**{option: True})(sample())


def test_votes_are_packed_on_request():
    assert 'votes' not in PackInputs()(sample(votes=[3, 0, 7]))['data_samples']
    for votes in ([3, 0, 7], np.array([3.0, 0, 7])):
        packed = PackInputs(votes=True)(sample(votes=votes))['data_samples']
        assert packed.votes.dtype == torch.int64
        assert packed.votes.tolist() == [3, 0, 7]
        assert packed.gt_label.tolist() == [2]
        assert 'gt_score' not in packed


@pytest.mark.parametrize(
    ('votes', 'match'),
    [
        (None, r'a\.jpg has no votes: .*votes=False'),
        ([3, -1, 8], r'a\.jpg: votes \[3, -1, 8\] have negative numbers; expected one count a class'),
        ([3, 7], 'are 2 numbers for 3 classes'),
    ],
)
def test_bad_votes_name_the_sample(votes, match):
    with pytest.raises(ValueError, match=match):
        PackInputs(votes=True)(sample(votes=votes, gt_score=np.ones(3, np.float32)))


def test_flipped_views_and_samples_without_labels():
    packed = PackInputs()(dict(img=IMG[:, ::-1]))
    np.testing.assert_array_equal(packed['inputs'].numpy(), IMG[:, ::-1].transpose(2, 0, 1))
    assert 'gt_label' not in packed['data_samples']
    assert packed['data_samples'].metainfo == {}


def test_meta_keys():
    packed, plain = (PackInputs(**keys)(sample(flip=True))['data_samples'] for keys in (dict(meta_keys=['flip']), {}))
    assert packed.metainfo == dict(plain.metainfo, flip=True)
    assert plain.img_path == 'a.jpg'
    with pytest.raises(TypeError, match='meta_keys'):
        PackInputs(meta_keys='flip')


@pytest.mark.parametrize('img', [IMG.astype(np.float32), IMG[..., 0], IMG[..., :2]])
def test_wrong_images(img):
    with pytest.raises(ValueError, match=r'a\.jpg: img must be uint8 \(H, W, 3\)'):
        PackInputs()(dict(sample(), img=img))
