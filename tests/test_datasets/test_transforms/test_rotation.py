import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from mmfer.datasets.transforms.rotation import ImageRandomRotation


def image(shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (*shape, 3), dtype=np.uint8)


def with_torchvision(img, angle, fill=(0, 0, 0)):
    pil = functional.rotate(Image.fromarray(img[..., ::-1].copy()), angle, fill=list(fill[::-1]))
    return np.asarray(pil)[..., ::-1]


@pytest.mark.parametrize('shape', [(224, 224), (33, 48), (1, 9)])
@pytest.mark.parametrize('angle', [0, -12, 45, 90, 123.4, 180, 725])
def test_equals_torchvision(shape, angle):
    img = image(shape)
    copy = img.copy()
    rotate = ImageRandomRotation((angle, angle), fill=(10, 20, 30))
    out = rotate(dict(img=img))['img']
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert out.flags.writeable
    np.testing.assert_array_equal(out, with_torchvision(img, angle, (10, 20, 30)))
    np.testing.assert_array_equal(img, copy)
    flipped = rotate(dict(img=img[:, ::-1]))['img']
    np.testing.assert_array_equal(flipped, with_torchvision(img[:, ::-1], angle, (10, 20, 30)))


def test_draws_are_uniform_within_torchvision_s_range():
    for degrees in (12, (-3, 20)):
        rotation = ImageRandomRotation(degrees)
        low, high = transforms.RandomRotation(degrees).degrees
        assert rotation.degrees == (low, high)
        np.random.seed(0)
        draws = np.array([rotation._draw() for _ in range(4000)])
        share, _ = np.histogram(draws, bins=8, range=(low, high))
        assert np.abs(share / 4000 - 1 / 8).max() < 0.02


@pytest.mark.parametrize(
    ('kwargs', 'error'),
    [
        (dict(degrees=-1), ValueError),
        (dict(degrees=(3, 2)), ValueError),
        (dict(degrees=1, fill=256), ValueError),
        (dict(degrees='12'), TypeError),
        (dict(degrees=1, fill=(1, 2)), TypeError),
    ],
)
def test_wrong_arguments(kwargs, error):
    with pytest.raises(error, match=f'ImageRandomRotation: {list(kwargs)[-1]}='):
        ImageRandomRotation(**kwargs)
