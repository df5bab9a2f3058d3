import numpy as np
import pytest
from PIL import Image
from torchvision import transforms
from torchvision.transforms import functional

from mmfer.datasets.transforms.crop import ImageRandomCrop
from mmfer.faces.resizing import ImageCenterCrop


def image(shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (*shape, 3), dtype=np.uint8)


def pil(img):
    return Image.fromarray(img[..., ::-1].copy())


def check(results, size):
    assert results['img'].dtype == np.uint8
    assert results['img'].flags.c_contiguous
    assert results['img'].shape == (*size, 3)
    assert results['img_shape'] == size


@pytest.mark.parametrize('shape', [(40, 30), (41, 33), (20, 25), (16, 60), (5, 4), (24, 32)])
@pytest.mark.parametrize('size', [24, (24, 32), (17, 9), (1, 1)])
def test_center_crop_equals_torchvision(shape, size):
    img = image(shape)
    results = ImageCenterCrop(size)(dict(img=img, img_shape=shape))
    check(results, size if isinstance(size, tuple) else (size, size))
    np.testing.assert_array_equal(results['img'], np.asarray(transforms.CenterCrop(size)(pil(img)))[..., ::-1])


@pytest.mark.parametrize('padding', [None, 0, 4, (3, 5), [1, 2, 3, 4]])
@pytest.mark.parametrize('place', [(0, 0), (3, 2), (8, 5)])
def test_random_crop_equals_torchvision_at_the_same_place(monkeypatch, padding, place):
    img, size = image((30, 25)), (22, 20)
    crop = ImageRandomCrop(size, padding=padding, fill=(10, 20, 30))
    monkeypatch.setattr(crop, '_draw', lambda rows, columns: place)
    results = crop(dict(img=img))
    check(results, size)
    padded = functional.pad(pil(img), padding or 0, fill=(30, 20, 10))
    np.testing.assert_array_equal(results['img'], np.asarray(functional.crop(padded, *place, *size))[..., ::-1])


def test_the_image_s_own_size_is_left_alone():
    img = image((24, 24))
    assert np.shares_memory(ImageCenterCrop(24)(dict(img=img))['img'], img)
    np.testing.assert_array_equal(ImageRandomCrop(24)(dict(img=img))['img'], img)


def test_images_that_are_too_small_are_named():
    with pytest.raises(ValueError, match=r'size=\(24, 24\) is larger than .*\(20, 30\): a\.jpg; resize it first'):
        ImageRandomCrop(24)(dict(img=image((20, 30)), img_path='a.jpg'))


@pytest.mark.parametrize('kwargs', [dict(size=0), dict(size=8, padding=-1), dict(size=8, fill=-1)])
def test_arguments_out_of_bounds(kwargs):
    with pytest.raises(ValueError, match=f'ImageRandomCrop: {list(kwargs)[-1]}='):
        ImageRandomCrop(**kwargs)


@pytest.mark.parametrize('kwargs', [dict(size='8'), dict(size=8, padding=(1, 2, 3)), dict(size=8, padding=0.5)])
def test_arguments_of_a_wrong_type(kwargs):
    with pytest.raises(TypeError, match=f'ImageRandomCrop: {list(kwargs)[-1]}='):
        ImageRandomCrop(**kwargs)
