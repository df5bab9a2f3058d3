import numpy as np
import pytest
import torch
from mmcv.transforms import RandomFlip

from mmfer.datasets import ImageRandomErasing, ImageResize, PackInputs
from mmfer.datasets.transforms.two_views import TwoViews

PACK = dict(type=PackInputs)
FLIP = dict(type=RandomFlip, prob=1.0)
ERASE = dict(type=ImageRandomErasing, p=1.0, scale=(0.1, 0.2))


def sample(size=16):
    img = np.random.RandomState(0).randint(0, 256, (size, size, 3)).astype(np.uint8)
    return dict(img=img, gt_label=2, sample_idx=5)


def test_both_views_come_from_the_same_image():
    given = sample()
    kept = given['img'].copy()
    out = TwoViews(first=[PACK], second=[FLIP, PACK])(given)
    assert out['inputs'].shape == (2, 3, 16, 16)
    assert out['inputs'].dtype == torch.uint8
    assert torch.equal(out['inputs'][0], torch.from_numpy(kept).permute(2, 0, 1))
    assert torch.equal(out['inputs'][1], out['inputs'][0].flip(-1))
    assert int(out['data_samples'].gt_label) == 2
    assert out['data_samples'].sample_idx == 5
    assert np.array_equal(given['img'], kept)


def test_views_are_erased_independently():
    np.random.seed(0)
    plain = torch.from_numpy(sample()['img']).permute(2, 0, 1)
    first, second = TwoViews(first=[ERASE, PACK], second=[ERASE, PACK])(sample())['inputs']
    erased = [(view != plain).any(0) for view in (first, second)]
    assert all(mask.any() for mask in erased)
    assert not torch.equal(*erased)


def test_a_sample_may_be_dropped():
    assert TwoViews(first=[PACK], second=[lambda results: None, PACK])(sample()) is None


@pytest.mark.parametrize('wrong', [[], dict(type=PackInputs), None])
def test_views_without_transforms(wrong):
    with pytest.raises(ValueError, match='second=.*PackInputs'):
        TwoViews(first=[PACK], second=wrong)


def test_views_that_do_not_fit():
    with pytest.raises(ValueError, match='must end with PackInputs'):
        TwoViews(first=[PACK], second=[FLIP])(sample())
    resize = dict(type=ImageResize, size=(8, 8))
    with pytest.raises(ValueError, match=r'one size, got \(3, 16, 16\) and \(3, 8, 8\)'):
        TwoViews(first=[PACK], second=[resize, PACK])(sample())
