import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from mmfer.datasets.transforms.rotation import ImageRandomRotation, rotate_image


def image(shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (*shape, 3), dtype=np.uint8)


def with_torchvision(img, angle, fill=(0, 0, 0)):
    pil = functional.rotate(Image.fromarray(img[..., ::-1].copy()), angle, fill=list(fill[::-1]))
    return np.asarray(pil)[..., ::-1]


@pytest.mark.parametrize('shape', [(224, 224), (236, 236), (33, 48), (57, 31), (1, 9)])
@pytest.mark.parametrize('angle', [0, 1e-3, -1e-3, 7.3, -12, 45, 90, -90, 123.4, 180, 270, 359.9, 360, 725])
def test_equals_torchvision(shape, angle):
    img = image(shape)
    copy = img.copy()
    out = rotate_image(img, angle)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    np.testing.assert_array_equal(out, with_torchvision(img, angle))
    np.testing.assert_array_equal(img, copy)


def test_equals_torchvision_at_many_angles():
    img = image((101, 100))
    for angle in np.random.RandomState(0).uniform(-180, 180, 300):
        np.testing.assert_array_equal(rotate_image(img, angle), with_torchvision(img, angle))


def test_fill_is_bgr():
    img = image((40, 30))
    out = ImageRandomRotation((30, 30), fill=(10, 20, 30))(dict(img=img))['img']
    assert tuple(out[0, 0]) == (10, 20, 30)
    np.testing.assert_array_equal(out, with_torchvision(img, 30, (10, 20, 30)))


def test_flipped_view():
    img = image((40, 30))
    np.testing.assert_array_equal(rotate_image(img[:, ::-1], 9), rotate_image(img[:, ::-1].copy(), 9))


def test_draws_are_uniform_within_torchvision_s_range():
    for degrees in (12, (-3, 20)):
        rotation = ImageRandomRotation(degrees)
        low, high = transforms.RandomRotation(degrees).degrees
        assert rotation.degrees == (low, high)
        np.random.seed(0)
        draws = np.array([rotation._draw() for _ in range(4000)])
        assert low <= draws.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < draws.max() <= high
        share, _ = np.histogram(draws, bins=8, range=(low, high))
        assert np.abs(share / 4000 - 1 / 8).max() < 0.02


def test_seed_reproduces_and_params_can_be_cached():
    rotation, img, outs = ImageRandomRotation(20), image((30, 30)), []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        outs.append(rotation(dict(img=img))['img'])
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()
    with cache_random_params(rotation):
        a, b = (rotation(dict(img=img))['img'] for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_too_long_sides():
    with pytest.raises(ValueError, match='1x16384 pixels: resize it'):
        rotate_image(np.zeros((1, 16384, 3), np.uint8), 10)


@pytest.mark.parametrize('kwargs', [dict(degrees=-1), dict(degrees=(3, 2)), dict(degrees=1, fill=256)])
def test_arguments_out_of_bounds(kwargs):
    with pytest.raises(ValueError, match=f'ImageRandomRotation: {list(kwargs)[-1]}='):
        ImageRandomRotation(**kwargs)


@pytest.mark.parametrize('kwargs', [dict(degrees='12'), dict(degrees=(1, 2, 3)), dict(degrees=1, fill=(1, 2))])
def test_arguments_of_a_wrong_type(kwargs):
    with pytest.raises(TypeError, match=f'ImageRandomRotation: {list(kwargs)[-1]}='):
        ImageRandomRotation(**kwargs)
