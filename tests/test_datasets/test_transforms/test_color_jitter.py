from itertools import permutations

import cv2
import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params
from PIL import Image
from torchvision.transforms import ColorJitter as TorchvisionJitter
from torchvision.transforms import functional

from mmfer.datasets import ColorJitter
from mmfer.datasets.transforms import color_jitter
from mmfer.registry import TRANSFORMS

KINDS = ('noise', 'smooth', 'pale', 'dark', 'grey')


def image(kind):
    rng = np.random.RandomState(0)
    if kind == 'pale':
        return rng.randint(100, 112, (64, 48, 3), dtype=np.uint8)
    if kind == 'dark':
        return rng.randint(0, 12, (64, 48, 3), dtype=np.uint8)
    if kind == 'noise':
        return rng.randint(0, 256, (64, 48, 3), dtype=np.uint8)
    if kind == 'smooth':
        return cv2.resize(rng.randint(0, 256, (5, 4, 3), dtype=np.uint8), (48, 64), interpolation=cv2.INTER_CUBIC)
    return np.repeat(rng.randint(0, 256, (64, 48, 1), dtype=np.uint8), 3, axis=2)


def with_torchvision(name, img, factor):
    """torchvision on a PIL image."""
    return np.asarray(getattr(functional, name)(Image.fromarray(img[..., ::-1].copy()), factor))[..., ::-1]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('factor', [0, 0.3, 0.7, 0.8, 1, 1.1, 1.2, 2.5, *np.random.RandomState(0).uniform(0.5, 1.5, 9)])
@pytest.mark.parametrize('name', ['adjust_brightness', 'adjust_contrast', 'adjust_saturation'])
def test_equals_torchvision(name, factor, kind):
    img = image(kind)
    copy = img.copy()
    out = getattr(color_jitter, name)(img, factor)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, with_torchvision(name, img, factor))
    np.testing.assert_array_equal(img, copy)


def check_hue(img, factor):
    """PIL computes the new channels in double precision, here it is single: values close to a half may differ by 1."""
    out = color_jitter.adjust_hue(img, factor)
    assert out.dtype == np.uint8
    off = np.abs(out.astype(int) - with_torchvision('adjust_hue', img, factor))
    assert off.max() <= 1
    assert (off > 0).mean() < 3e-4  # 3 of the 9,216 values


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('factor', [-0.5, -0.2, -0.1, -0.03, -0.001, 0, 0.003, 0.05, 0.1, 0.37, 0.5])
def test_hue_matches_torchvision(factor, kind):
    img = image(kind)
    copy = img.copy()
    check_hue(img, factor)
    np.testing.assert_array_equal(img, copy)


def test_hue_in_every_hue_and_saturation():
    """Largest channel 85 or 255, middle and smallest of all values: hues and saturations that are whole numbers in PIL
    are met from either side, where it is decided whether they are cut down."""
    for top in (85, 255):
        step = 1 if top == 85 else 3
        middle, low = np.meshgrid(np.arange(0, top + 1, step), np.arange(0, top + 1, step))
        middle, low = np.maximum(middle, low), np.minimum(middle, low)
        channels = [np.full_like(middle, top), middle, low]
        for order in permutations(range(3)):
            check_hue(np.dstack([channels[i] for i in order]).astype(np.uint8), 0.07)


def test_hue_keeps_grey():
    np.testing.assert_array_equal(color_jitter.adjust_hue(image('grey'), 0.3), image('grey'))


@pytest.mark.parametrize('kind', KINDS)
def test_the_whole_transform_matches_torchvision(monkeypatch, kind):
    """All four in a row, in every order: a hue off by 1 is carried on, nothing more."""
    jitter, img = ColorJitter(0.2, 0.2, 0.2, 0.1), image(kind)
    names = ('adjust_brightness', 'adjust_contrast', 'adjust_saturation', 'adjust_hue')
    rng = np.random.RandomState(0)
    for order in permutations(range(4)):
        factors = [*rng.uniform(0.8, 1.2, 3), rng.uniform(-0.1, 0.1)]
        monkeypatch.setattr(jitter, '_draw', lambda order=order, factors=factors: (order, factors))
        results = jitter(dict(img=img))
        expected = img
        for i in order:
            expected = with_torchvision(names[i], expected, factors[i])
        off = np.abs(results['img'].astype(int) - expected)
        assert results['img'].dtype == np.uint8
        assert results['img'].flags.c_contiguous
        assert off.max() <= 2
        assert (off > 0).mean() < 1e-3


def test_flipped_view():
    img = image('noise')
    for name in ('adjust_brightness', 'adjust_contrast', 'adjust_saturation', 'adjust_hue'):
        adjust = getattr(color_jitter, name)
        np.testing.assert_array_equal(adjust(img[:, ::-1], 0.3), adjust(img[:, ::-1].copy(), 0.3))


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
