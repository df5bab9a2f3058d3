from itertools import permutations

import cv2
import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import ColorJitter as TorchvisionJitter
from torchvision.transforms import functional

from mmfer.datasets import ColorJitter

KINDS = ('noise', 'smooth', 'pale', 'dark', 'grey')
NAMES = ('brightness', 'contrast', 'saturation', 'hue')


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


def adjust(name, img, factor):
    copy = img.copy()
    out = ColorJitter(**{name: (factor, factor)})(dict(img=img))['img']
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(img, copy)
    return out


def with_torchvision(name, img, factor):
    """torchvision on a PIL image."""
    return np.asarray(getattr(functional, f'adjust_{name}')(Image.fromarray(img[..., ::-1].copy()), factor))[..., ::-1]


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('name', NAMES[:3])
def test_equals_torchvision(name, kind):
    img = image(kind)
    for factor in (0, 0.3, 0.7, 0.8, 1, 1.1, 1.2, 2.5, *np.random.RandomState(0).uniform(0.5, 1.5, 9)):
        np.testing.assert_array_equal(adjust(name, img, factor), with_torchvision(name, img, factor))


def check_hue(img, factor):
    """PIL computes the new channels in double precision, here it is single: values close to a half may differ by 1."""
    off = np.abs(adjust('hue', img, factor).astype(int) - with_torchvision('hue', img, factor))
    assert off.max() <= 1
    assert (off > 0).mean() < 3e-4  # 3 of the 9,216 values


@pytest.mark.parametrize('kind', KINDS)
def test_hue_matches_torchvision(kind):
    for factor in (-0.5, -0.2, -0.1, -0.03, -0.001, 0.003, 0.05, 0.1, 0.37, 0.5):
        check_hue(image(kind), factor)


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


@pytest.mark.parametrize('kind', KINDS)
def test_the_whole_transform_matches_torchvision(monkeypatch, kind):
    """All four in a row, in every order: a hue off by 1 is carried on, nothing more."""
    jitter, img = ColorJitter(0.2, 0.2, 0.2, 0.1), image(kind)
    rng = np.random.RandomState(0)
    for order in permutations(range(4)):
        factors = [*rng.uniform(0.8, 1.2, 3), rng.uniform(-0.1, 0.1)]
        monkeypatch.setattr(jitter, '_draw', lambda order=order, factors=factors: (order, factors))
        expected = img
        for i in order:
            expected = with_torchvision(NAMES[i], expected, factors[i])
        off = np.abs(jitter(dict(img=img))['img'].astype(int) - expected)
        assert off.max() <= 2
        assert (off > 0).mean() < 1e-3


@pytest.mark.parametrize(
    'kwargs', [dict(brightness=0.4), dict(contrast=(0.5, 0.9)), dict(saturation=1.5), dict(hue=0.1)]
)
def test_ranges_are_torchvision_s(kwargs):
    name = next(iter(kwargs))
    assert getattr(ColorJitter(**kwargs), name) == tuple(getattr(TorchvisionJitter(**kwargs), name))
    assert all(getattr(ColorJitter(**kwargs), other) is None for other in NAMES if other != name)
    img = image('noise')
    assert ColorJitter()(dict(img=img))['img'] is img


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


@pytest.mark.parametrize(
    ('kwargs', 'error'),
    [
        (dict(hue=0.6), ValueError),
        (dict(hue=(-0.6, 0)), ValueError),
        (dict(brightness=-1), ValueError),
        (dict(contrast=(1.2, 0.8)), ValueError),
        (dict(hue='0.1'), TypeError),
        (dict(brightness=(1, 2, 3)), TypeError),
    ],
)
def test_wrong_ranges(kwargs, error):
    with pytest.raises(error, match=next(iter(kwargs))):
        ColorJitter(**kwargs)
