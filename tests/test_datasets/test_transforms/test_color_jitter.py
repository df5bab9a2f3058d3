import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms.utils import cache_random_params
from PIL import Image
from torchvision.transforms import ColorJitter as TorchvisionJitter
from torchvision.transforms import functional

from mmfer.datasets import ColorJitter
from mmfer.datasets.transforms import color_jitter
from mmfer.registry import TRANSFORMS


def image(kind):
    rng = np.random.RandomState(0)
    if kind == 'noise':
        return rng.randint(0, 256, (64, 48, 3), dtype=np.uint8)
    if kind == 'smooth':
        return cv2.resize(rng.randint(0, 256, (5, 4, 3), dtype=np.uint8), (48, 64), interpolation=cv2.INTER_CUBIC)
    return np.repeat(rng.randint(0, 256, (64, 48, 1), dtype=np.uint8), 3, axis=2)


def with_torchvision(name, img, factor):
    rgb = torch.from_numpy(img[..., ::-1].copy()).permute(2, 0, 1)
    return getattr(functional, name)(rgb, factor).permute(1, 2, 0).numpy()[..., ::-1]


def difference(a, b):
    return np.abs(a.astype(int) - b.astype(int))


@pytest.mark.parametrize('kind', ['noise', 'smooth', 'grey'])
@pytest.mark.parametrize('factor', [0, 0.3, 0.8, 1, 1.2, 2.5])
@pytest.mark.parametrize('name', ['adjust_brightness', 'adjust_contrast', 'adjust_saturation'])
def test_matches_torchvision(name, factor, kind):
    img = image(kind)
    copy = img.copy()
    out = getattr(color_jitter, name)(img, factor)
    assert out.dtype == np.uint8
    assert out.shape == img.shape
    assert difference(out, with_torchvision(name, img, factor)).max() <= 2
    np.testing.assert_array_equal(img, copy)


@pytest.mark.parametrize('kind', ['noise', 'smooth', 'grey'])
@pytest.mark.parametrize('factor', [-0.5, -0.2, -0.1, -0.03, 0, 0.05, 0.1, 0.37, 0.5])
def test_hue_matches_torchvision(factor, kind):
    img = image(kind)
    out = color_jitter.adjust_hue(img, factor)
    off = difference(out, with_torchvision('adjust_hue', img, factor))
    assert out.dtype == np.uint8
    assert off.max() <= 12
    assert off.mean() < 1


@pytest.mark.parametrize('factor', [-0.1, 0.05, 0.1, 0.37])
def test_hue_is_nearer_to_the_exact_turn_than_pil_is(factor):
    img = image('noise')
    exact = with_torchvision('adjust_hue', img, factor)
    pil = np.asarray(functional.adjust_hue(Image.fromarray(img[..., ::-1].copy()), factor))[..., ::-1]
    assert difference(color_jitter.adjust_hue(img, factor), exact).mean() <= difference(pil, exact).mean()


def test_hue_is_a_circle_and_keeps_grey():
    np.testing.assert_array_equal(
        color_jitter.adjust_hue(image('smooth'), 0.5), color_jitter.adjust_hue(image('smooth'), -0.5)
    )
    np.testing.assert_array_equal(color_jitter.adjust_hue(image('grey'), 0.3), image('grey'))


@pytest.mark.parametrize(
    'kwargs', [dict(brightness=0.4), dict(contrast=(0.5, 0.9)), dict(saturation=1.5), dict(hue=0.1)]
)
def test_ranges_are_torchvision_s(kwargs):
    name = next(iter(kwargs))
    assert getattr(ColorJitter(**kwargs), name) == tuple(getattr(TorchvisionJitter(**kwargs), name))
    assert all(getattr(ColorJitter(**kwargs), other) is None for other in ('hue', 'contrast') if other != name)


def test_draws_stay_in_range_in_every_order():
    jitter = ColorJitter(0.2, 0.2, 0.2, 0.1)
    np.random.seed(0)
    orders, factors = zip(*(jitter._draw() for _ in range(500)))
    assert len({tuple(order) for order in orders}) == 24
    factors = np.array(factors)
    assert (factors[:, :3] >= 0.8).all()
    assert (factors[:, :3] <= 1.2).all()
    assert np.abs(factors[:, 3]).max() <= 0.1
    assert factors[:, 3].min() < -0.05 < 0.05 < factors[:, 3].max()


def test_order_matters_and_is_applied(monkeypatch):
    jitter = ColorJitter(brightness=0.5, contrast=0.5, saturation=0.5)
    monkeypatch.setattr(jitter, '_draw', lambda: ([2, 1, 3, 0], [1.5, 0.5, 0.5, None]))
    img = image('noise')
    expected = color_jitter.adjust_saturation(img, 0.5)
    expected = color_jitter.adjust_brightness(color_jitter.adjust_contrast(expected, 0.5), 1.5)
    np.testing.assert_array_equal(jitter(dict(img=img))['img'], expected)


def test_seed_reproduces_and_params_can_be_cached():
    jitter = TRANSFORMS.build(dict(type='mmfer.ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1))
    outs = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        outs.append(jitter(dict(img=image('smooth')))['img'])
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()
    with cache_random_params(jitter):
        a, b = (jitter(dict(img=image('smooth')))['img'] for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_without_ranges_nothing_changes():
    img = image('noise')
    assert ColorJitter()(dict(img=img))['img'] is img


@pytest.mark.parametrize('kwargs', [dict(hue=0.6), dict(hue=(-0.6, 0)), dict(brightness=-1), dict(contrast=(1.2, 0.8))])
def test_ranges_outside_the_bounds(kwargs):
    with pytest.raises(ValueError, match=next(iter(kwargs))):
        ColorJitter(**kwargs)


@pytest.mark.parametrize('kwargs', [dict(hue='0.1'), dict(brightness=(1, 2, 3)), dict(saturation='ab')])
def test_ranges_of_a_wrong_type(kwargs):
    with pytest.raises(TypeError, match=next(iter(kwargs))):
        ColorJitter(**kwargs)
