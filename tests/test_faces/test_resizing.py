import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from mmfer.faces.resizing import ImageResize, _resize_by_numpy
from mmfer.registry import TRANSFORMS

SIZES = [
    ((100, 100), (224, 224)),
    ((48, 48), (40, 40)),
    ((64, 50), (31, 77)),
    ((37, 53), (224, 101)),
    ((150, 201), (40, 33)),
    ((120, 90), 70),
    ((63, 101), 98),
]


def image(shape, kind='noise', seed=0):
    rng = np.random.RandomState(seed)
    if kind == 'noise':
        return rng.randint(0, 256, (*shape, 3), dtype=np.uint8)
    return cv2.resize(rng.randint(0, 256, (6, 5, 3), dtype=np.uint8), shape[::-1], interpolation=cv2.INTER_CUBIC)


def with_torchvision(img, size, interpolation):
    resize = transforms.Resize(size, transforms.InterpolationMode(interpolation))
    return np.asarray(resize(Image.fromarray(img[..., ::-1].copy())))[..., ::-1]


def width_first_with_pil(img, size, resample):
    """The order of Pillow up to 12; Pillow 13 takes the height first where it shrinks much."""
    pil = Image.fromarray(img[..., ::-1].copy())
    return np.asarray(pil.resize((size[1], img.shape[0]), resample).resize(size[::-1], resample))[..., ::-1]


@pytest.mark.parametrize('kind', ['noise', 'smooth'])
@pytest.mark.parametrize(('shape', 'size'), SIZES)
@pytest.mark.parametrize('interpolation', ['bilinear', 'nearest'])
def test_matches_torchvision(shape, size, kind, interpolation):
    img = image(shape, kind)
    copy = img.copy()
    results = ImageResize(size, interpolation=interpolation)(dict(img=img, img_shape=shape))
    out, expected = results['img'], with_torchvision(img, size, interpolation)
    assert out.dtype == np.uint8
    assert out.flags.c_contiguous
    assert results['img_shape'] == out.shape[:2] == expected.shape[:2]
    np.testing.assert_array_equal(img, copy)
    off = np.abs(out.astype(int) - expected)
    assert off.max() <= (0 if interpolation == 'nearest' else 1)


@pytest.mark.parametrize('shape', [(100, 100), (150, 201), (37, 53)])
@pytest.mark.parametrize('size', [(224, 224), (101, 37)])
@pytest.mark.parametrize(('interpolation', 'tolerance'), [('bilinear', 1), ('bicubic', 2)])
def test_most_values_are_equal_to_pil_s(shape, size, interpolation, tolerance):
    """PyTorch holds the weights in 16 bits, PIL in 22: sums close to a half are rounded differently."""
    img = image(shape)
    out = ImageResize(size, interpolation=interpolation)(dict(img=img))['img']
    off = np.abs(out.astype(int) - width_first_with_pil(img, size, getattr(Image, interpolation.upper())))
    assert off.max() <= tolerance
    assert (off > 0).mean() < 0.05


def test_int_is_the_shorter_side():
    assert ImageResize(40).output_size(100, 55) == (72, 40)
    assert ImageResize(40).output_size(55, 100) == (40, 72)
    assert ImageResize((30, 40)).output_size(55, 100) == (30, 40)


@pytest.mark.parametrize('size', [(48, 40), 40])
def test_the_same_size_is_left_alone(size):
    img = image((48, 40))
    results = ImageResize(size)(dict(img=img))
    assert results['img'] is img
    assert results['img_shape'] == (48, 40)


def test_flipped_views_and_cut_outs():
    img = image((60, 50))
    for view in (img[:, ::-1], img[10:40, 5:30], img[::-1]):
        np.testing.assert_array_equal(
            ImageResize((33, 44))(dict(img=view))['img'], ImageResize((33, 44))(dict(img=view.copy()))['img']
        )


def test_built_by_name_without_hiding_mmcv_s():
    assert isinstance(TRANSFORMS.build(dict(type='mmfer.ImageResize', size=(3, 4))), ImageResize)
    assert type(TRANSFORMS.build(dict(type='Resize', scale=(3, 4)))).__module__.startswith('mmcv')


@pytest.mark.parametrize('kwargs', [dict(size=0), dict(size=(3, -1)), dict(size=3, interpolation='lanczos')])
def test_arguments_out_of_bounds(kwargs):
    with pytest.raises(ValueError, match=f'ImageResize: {list(kwargs)[-1]}='):
        ImageResize(**kwargs)


@pytest.mark.parametrize('size', ['224', (1, 2, 3), 22.4, None])
def test_sizes_of_a_wrong_type(size):
    with pytest.raises(TypeError, match='ImageResize: size='):
        ImageResize(size)


@pytest.mark.parametrize('interpolation', ['bilinear', 'bicubic'])
@pytest.mark.parametrize(
    ('old', 'new'),
    [
        ((100, 90), (224, 224)),
        ((224, 224), (112, 112)),
        ((700, 900), (33, 48)),
        ((7, 300), (300, 7)),
        ((40, 50), (40, 9)),
    ],
)
def test_every_value_is_that_of_pytorch(old, new, interpolation):
    """Weights, their rounding and the order of the two directions: 700 to 33 rows needs double precision."""
    img = np.random.default_rng(0).integers(0, 256, (*old, 3), dtype=np.uint8)
    batch = torch.from_numpy(img)[None].permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(batch, size=new, mode=interpolation, antialias=True)
    np.testing.assert_array_equal(_resize_by_numpy(img, new, interpolation), expected[0].permute(1, 2, 0))
