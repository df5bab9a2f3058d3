import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mmfer.faces.haar import Haar


def test_a_drawn_face(drawn_face):
    faces = Haar()(drawn_face)
    assert len(faces) == 1
    x1, y1, x2, y2 = faces[0].box
    assert 0 <= x1 < 112 < x2 <= 224
    assert 0 <= y1 < 112 < y2 <= 224
    assert (faces[0].score, faces[0].landmarks) == (None, None)
    assert all(type(value) is float for value in faces[0].box)


def test_large_and_small_ones_in_pixels_of_the_image(drawn_face):
    large = Haar()(cv2.resize(drawn_face, None, fx=12, fy=12))
    assert len(large) == 1
    np.testing.assert_allclose(np.array(large[0].box) / 12, Haar()(drawn_face)[0].box, atol=12)
    small = cv2.resize(drawn_face, (112, 112), interpolation=cv2.INTER_AREA)
    faces = Haar()(np.hstack([cv2.copyMakeBorder(small, 56, 56, 56, 56, cv2.BORDER_REPLICATE), drawn_face]))
    assert len(faces) == 2
    assert faces[0].area > 2 * faces[1].area
    assert faces[0].box[0] > 224 > faces[1].box[2]


def test_grey_pictures_are_as_good(drawn_face):
    grey = cv2.cvtColor(cv2.cvtColor(drawn_face, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert len(Haar()(grey)) == 1


@pytest.mark.parametrize('shape', [(0, 0), (0, 10), (1, 1), (19, 19), (1, 5000), (20, 4000), (64, 64)])
def test_nothing_to_find(shape):
    assert Haar()(np.full((*shape, 3), 128, np.uint8)) == []


@pytest.mark.parametrize('img', [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3)), 'photo.jpg'])
def test_no_image(img):
    with pytest.raises(ValueError, match='Haar: the image must be a uint8 array'):
        Haar()(img)


def test_pickled_and_in_threads(drawn_face):
    detector = pickle.loads(pickle.dumps(Haar(min_neighbors=4)))
    assert detector.min_neighbors == 4
    wanted = [face.box for face in detector(drawn_face)]
    with ThreadPoolExecutor(3) as pool:
        for faces in pool.map(detector, [drawn_face] * 9):
            assert [face.box for face in faces] == wanted


@pytest.mark.parametrize(
    'options',
    [dict(scale_factor=1), dict(min_neighbors=-1), dict(min_size=1), dict(max_size=10)],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'{next(iter(options))}='):
        Haar(**options)


def test_opencv_without_cascades(monkeypatch):
    monkeypatch.delattr(cv2, 'CascadeClassifier')
    with pytest.raises(RuntimeError, match=r'comes without haarcascade_.* install opencv-python .* or use .*yunet'):
        Haar()


def test_real_photos(photo):
    for name in ('single_face.jpg', 'astronaut.png'):
        assert len(Haar()(photo(name))) == 1
    assert 3 <= len(Haar()(photo('multi_face.jpg'))) <= 5
