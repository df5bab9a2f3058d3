import numpy as np
import pytest

from mmfer.datasets.transforms import CropFace
from mmfer.faces.cropping import crop_face, crop_region

IMG = np.random.RandomState(0).randint(1, 256, (20, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize('box', [(4, 5, 12, 9), (-3.2, 5, 5, 13.7), (26, 16, 34, 24), (0, 0, 30, 20)])
@pytest.mark.parametrize('options', [{}, dict(margin=0.3), dict(square=False, pad='zero'), dict(margin=-0.2)])
def test_equals_the_transform(box, options):
    sample = CropFace(**options)(dict(img=IMG, img_shape=(20, 30), face_box=box))
    np.testing.assert_array_equal(crop_face(IMG, box, **options), sample['img'])
    margins = {key: value for key, value in options.items() if key != 'pad'}
    assert crop_region(box, (20, 30), **margins) == sample['crop_box']


@pytest.mark.parametrize('turns', range(4))
@pytest.mark.parametrize('tilt', [-40, 0, 40])
@pytest.mark.parametrize('options', [{}, dict(margin=0.25), dict(square=False)])
def test_a_face_on_its_side_is_turned_upright(turns, tilt, options):
    """All turns of a picture give the same crop, that of a tilted face with its tilt."""
    landmarks = np.array([(-3, -2), (3, -2), (0, 0), (-2, 3), (2, 3)], float)
    angle = np.deg2rad(tilt)
    landmarks = landmarks @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + [14, 10]
    box, shape = np.array([[8.0, 4.0], [20.0, 16.0]]), (20, 30)
    upright = CropFace(**options)(dict(img=IMG, face_box=box.ravel()))['img']
    img = IMG
    for _ in range(turns):  # counterclockwise, as np.rot90 turns
        landmarks, box = (np.stack([points[:, 1], shape[1] - points[:, 0]], 1) for points in (landmarks, box))
        box = np.stack([box.min(0), box.max(0)])
        img, shape = np.rot90(img), shape[::-1]
    sample = CropFace(**options)(dict(img=img, face_box=box.ravel(), face_landmarks=landmarks))
    np.testing.assert_array_equal(sample['img'], upright)
    assert sample['img_shape'] == upright.shape[:2]
    assert 'face_landmarks' not in sample


def test_grey_and_one_pixel():
    np.testing.assert_array_equal(crop_face(IMG[..., 0], (4, 5, 12, 13)), IMG[5:13, 4:12, 0])
    assert crop_face(IMG[:1, :1], (0, 0, 1, 1), margin=1).shape == (3, 3, 3)
    assert (crop_face(IMG[:1, :1], (0, 0, 1, 1), margin=1) == IMG[0, 0]).all()


def test_is_a_copy():
    crop = crop_face(IMG, (0, 0, 30, 20), square=False)
    np.testing.assert_array_equal(crop, IMG)
    assert not np.shares_memory(crop, IMG)


@pytest.mark.parametrize(
    ('box', 'options', 'message'),
    [
        ((5, 5, 5, 9), {}, 'must be four numbers'),
        ((1, 2, 3), {}, 'must be four numbers'),
        (('a', 2, 3, 4), {}, 'must be four numbers'),
        ((1, 2, 3, float('nan')), {}, 'must be four numbers'),
        ((5, -9, 9, -2), {}, 'lies outside'),
        (None, {}, 'must be four numbers'),
        ((0, 0, float('inf'), 4), {}, 'must be four numbers'),
        ((40, 5, 48, 13), {}, 'lies outside the image of 30 x 20'),
        ((0, 0, 1e9, 1e9), {}, 'far larger'),
        ((0, 0, 4, 4), dict(margin=float('nan')), 'margin'),
        ((0, 0, 4, 4), dict(margin=True), 'margin'),
        ((0, 0, 4, 4), dict(pad='wrap'), "'edge' or 'zero'"),
        ((0, 0, 4, 4), dict(pad=['edge']), "'edge' or 'zero'"),
    ],
)
def test_mistakes(box, options, message):
    with pytest.raises(ValueError, match=message):
        crop_face(IMG, box, **options)


def test_nothing_of_an_empty_image():
    with pytest.raises(ValueError, match='of 0 x 0'):
        crop_face(np.zeros((0, 0, 3), np.uint8), (0, 0, 1, 1))
