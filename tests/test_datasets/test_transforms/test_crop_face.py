import cv2
import numpy as np
import pytest
from mmcv.transforms import RandomFlip

from mmfer.faces.alignment import AlignFace
from mmfer.faces.cropping import CropFace
from mmfer.faces.resizing import ImageResize
from mmfer.registry import TRANSFORMS

IMG = np.random.RandomState(0).randint(1, 256, (20, 30, 3), dtype=np.uint8)


def crop(box, img=IMG, **options):
    return CropFace(**options)(dict(img=img, img_shape=img.shape[:2], face_box=box, img_path='dir/a.jpg'))


@pytest.mark.parametrize('kind', [tuple, list, np.array])
def test_box_inside(kind):
    transform = TRANSFORMS.build(dict(type='mmfer.CropFace', square=False))
    results = transform(dict(img=IMG, img_shape=(20, 30), ori_shape=(20, 30), face_box=kind((4, 5, 12, 9))))
    np.testing.assert_array_equal(results['img'], IMG[5:9, 4:12])
    assert results['img_shape'] == (4, 8)
    assert results['ori_shape'] == (20, 30)
    assert results['crop_box'] == (4, 5, 12, 9)
    assert 'face_box' not in results
    assert not np.shares_memory(results['img'], IMG)


def test_landmarks_of_the_photo_do_not_outlive_it():
    results = CropFace()(dict(img=IMG, img_shape=(20, 30), face_box=(4, 5, 12, 9), face_landmarks=np.ones((5, 2))))
    assert 'face_landmarks' not in results


def test_square_keeps_the_centre():
    np.testing.assert_array_equal(crop((4, 5, 12, 9))['img'], IMG[3:11, 4:12])
    np.testing.assert_array_equal(crop((10, 4, 14, 12))['img'], IMG[4:12, 8:16])


def test_margin_is_a_fraction_of_the_longer_side():
    np.testing.assert_array_equal(crop((10, 8, 18, 12), margin=0.25)['img'], IMG[4:16, 8:20])
    np.testing.assert_array_equal(crop((10, 8, 18, 12), margin=0.25, square=False)['img'], IMG[6:14, 8:20])
    np.testing.assert_array_equal(crop((10, 6, 18, 14), margin=-0.25)['img'], IMG[8:12, 12:16])


@pytest.mark.parametrize('box', [(4.4, 5.2, 12.1, 12.9), (0.5, 0.5, 8.5, 8.5), (3.3, 4.7, 3.4, 4.8)])
def test_fractions_of_pixels_give_squares(box):
    results = crop(box)
    side = max(1, round(box[2] - box[0]))
    assert results['img'].shape == (side, side, 3)


@pytest.mark.parametrize(
    ('box', 'borders'), [((-3, 5, 5, 13), (0, 0, 3, 0)), ((26, 16, 34, 24), (0, 4, 0, 4)), ((-2, -5, 33, 24), None)]
)
def test_padding(box, borders):
    x1, y1, x2, y2 = box
    borders = borders or (5, 4, 2, 3)
    inside = IMG[max(y1, 0) : y2, max(x1, 0) : x2]
    edge, zero = (crop(box, pad=pad, square=False)['img'] for pad in ('edge', 'zero'))
    assert edge.shape == zero.shape == (y2 - y1, x2 - x1, 3)
    np.testing.assert_array_equal(edge, cv2.copyMakeBorder(inside, *borders, cv2.BORDER_REPLICATE))
    np.testing.assert_array_equal(zero, cv2.copyMakeBorder(inside, *borders, cv2.BORDER_CONSTANT))
    assert (zero == 0).all(axis=2).sum() == zero[..., 0].size - inside[..., 0].size


def test_sample_without_box():
    results = dict(img=IMG, img_shape=(20, 30), img_path='dir/a.jpg')
    assert CropFace()(dict(results)) == results
    with pytest.raises(ValueError, match=r'dir/a\.jpg has no face_box'):
        CropFace(required=True)(results)


@pytest.mark.parametrize(
    ('box', 'match'),
    [
        ((5, 5, 5, 9), 'must be four numbers'),
        ((40, 5, 48, 13), 'lies outside the image of 30 x 20'),
        ((0, 0, 1e9, 1e9), 'far larger than the image'),
    ],
)
def test_bad_boxes_name_the_image(box, match):
    with pytest.raises(ValueError, match=rf'dir/a\.jpg: face_box .*{match}'):
        crop(box)


@pytest.mark.parametrize('options', [dict(margin=-0.5), dict(margin='0.1'), dict(pad='reflect')])
def test_wrong_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        CropFace(**options)


@pytest.mark.parametrize('transform', [CropFace(), AlignFace(32)])
@pytest.mark.parametrize('before', [ImageResize((40, 60)), RandomFlip(prob=1.0)])
def test_the_box_is_that_of_the_image_as_it_was_loaded(transform, before):
    sample = dict(img=IMG, img_shape=(20, 30), ori_shape=(20, 30), face_box=(4, 5, 12, 9), img_path='a.jpg')
    with pytest.raises(ValueError, match='a.jpg: the image was resized, cropped or flipped before'):
        transform(before(sample))
