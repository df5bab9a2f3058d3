import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mmfer.faces.yunet import _TURNS, YuNet, _shrunk, _turned_back, _without_parts, default_model

PHOTOS = (('single_face.jpg', 1), ('multi_face.jpg', 5), ('astronaut.png', 1))


@pytest.fixture(scope='module')
def yunet(yunet_file):
    return YuNet(yunet_file)


def boxes(faces):
    return np.array([face.box for face in faces]).reshape(-1, 4)


def overlap(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = sides.clip(min=0).prod()
    return common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


# ---- real photographs ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(('name', 'count'), PHOTOS)
def test_photos(name, count, photo, yunet):
    img = photo(name)
    faces = yunet(img)
    assert len(faces) == count
    assert [face.area for face in faces] == sorted((face.area for face in faces), reverse=True)
    for face in faces:
        x1, y1, x2, y2 = face.box
        assert 0.9 < face.score < 1
        assert face.landmarks.shape == (5, 2)
        assert face.landmarks.dtype == np.float32
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert x1 < left_eye[0] < nose[0] < right_eye[0] < x2
        assert left_mouth[0] < right_mouth[0]
        assert y1 < max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1]) < y2
    if name == 'astronaut.png':
        assert overlap(np.array(faces[0].box), np.array([180, 65, 270, 175])) > 0.8


def test_every_frame_of_the_video(yunet_file, shared):
    detector = YuNet(yunet_file, max_size=320)  # a quarter of the time
    capture = cv2.VideoCapture(str(shared('photos/single_face.mp4')))
    counts = []
    while True:
        whole, frame = capture.read()
        if not whole:
            break
        counts.append(len(detector(frame)))
    assert counts == [1] * 72


@pytest.mark.parametrize('turn', [90, 180, 270])
@pytest.mark.parametrize(('name', 'count'), PHOTOS)
def test_photos_on_their_side(name, count, turn, photo, yunet_file, yunet):
    """A turned picture shows fewer, and false, faces, whose scores add up to more than that of one face."""
    img = photo(name)
    turned = cv2.rotate(img, _TURNS[turn])
    faces = YuNet(yunet_file, rotations=(0, 90, 180, 270))(turned)
    assert len(faces) == count
    found, upright = (
        np.column_stack([boxes(some), [face.landmarks.ravel() for face in some], np.ones(count)])
        for some in (faces, yunet(img))
    )
    for row in _turned_back(upright, 360 - turn, turned.shape[:2]):
        nearest = found[np.abs(found[:, :4] - row[:4]).sum(axis=1).argmin()]
        np.testing.assert_allclose(nearest, row, atol=0.1 * (row[2] - row[0]))


@pytest.mark.parametrize('degrees', [-40, 40])
def test_heads_that_are_tilted(degrees, photo, yunet):
    img = photo('single_face.jpg')
    face = yunet(img)[0]
    centre = face.landmarks.mean(axis=0)
    matrix = cv2.getRotationMatrix2D(tuple(map(float, centre)), degrees, 1)
    faces = yunet(cv2.warpAffine(img, matrix, img.shape[1::-1], borderMode=cv2.BORDER_REPLICATE))
    assert len(faces) == 1
    wanted = face.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(faces[0].landmarks - wanted).max() < 0.2 * (face.box[2] - face.box[0])


@pytest.mark.parametrize('scale', [0.1, 0.5, 8])
def test_tiny_and_huge_ones(scale, photo, yunet):
    """The face of 90 pixels at 9, 22, 45, 270 and 720."""
    img = photo('astronaut.png')
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    faces = yunet(cv2.resize(img, None, fx=scale, fy=scale, interpolation=method))
    assert len(faces) == 1
    assert overlap(np.array(faces[0].box) / scale, np.array(yunet(img)[0].box)) > 0.75


@pytest.mark.parametrize('enlarged', [1, 4, 12])
def test_a_face_that_fills_a_large_picture_is_one_face(enlarged, photo, yunet):
    """In faces of a thousand pixels the network sees smaller ones."""
    x1, y1, x2, y2 = map(int, yunet(photo('single_face.jpg'))[0].box)
    img = cv2.resize(photo('single_face.jpg')[y1:y2, x1:x2], None, fx=enlarged / 2, fy=enlarged / 2)
    faces = yunet(img)
    assert len(faces) == 1
    assert faces[0].area > 0.8 * img.shape[0] * img.shape[1]


def test_a_crowd_has_no_invented_faces(photo, yunet):
    """In a coarse image of it, the network takes hands and shoulders for faces."""
    faces = yunet(np.tile(photo('multi_face.jpg'), (3, 3, 1)))
    assert len(faces) == 45
    assert min(face.score for face in faces) > 0.9


def test_a_small_face_in_twenty_megapixels(photo, yunet):
    img = np.full((4000, 5000, 3), 120, np.uint8)
    img[3000:3512, 700:1212] = photo('astronaut.png')
    faces = yunet(img)
    assert len(faces) == 1
    assert overlap(boxes(faces)[0] - [700, 3000, 700, 3000], boxes(yunet(photo('astronaut.png')))[0]) > 0.7


@pytest.mark.parametrize('side', ['left', 'right', 'top', 'bottom'])
def test_half_a_face(side, photo, yunet):
    img = photo('astronaut.png')
    x1, y1, x2, y2 = boxes(yunet(img))[0]
    x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
    half = dict(left=img[:, :x], right=img[:, x:], top=img[:y], bottom=img[y:])[side]
    faces = yunet(half)
    assert len(faces) == 1
    centre = (boxes(faces)[0, :2] + boxes(faces)[0, 2:]) / 2
    assert (centre > 0).all()
    assert (centre < half.shape[1::-1]).all()


def test_dark_and_bright_borders_hide_no_face(photo, yunet):
    """The network's own padding to multiples of 32 is black."""
    face = photo('astronaut.png')[40:200, 150:300]
    for left in (0, 1, 31, 50):
        img = cv2.copyMakeBorder(face, 3, 0, left, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        assert len(yunet(img)) == 1


def test_pickled_and_in_threads(photo, yunet):
    images = [photo(name) for name, _ in PHOTOS] * 2
    wanted = [boxes(yunet(img)) for img in images]
    copy = pickle.loads(pickle.dumps(yunet))
    assert repr(copy) == repr(yunet)
    with ThreadPoolExecutor(3) as pool:
        for faces, expected in zip(pool.map(copy, images), wanted):
            np.testing.assert_array_equal(boxes(faces), expected)


def test_the_order_of_images_does_not_matter(photo, yunet_file, yunet):
    """The network is set up anew for each size."""
    small = cv2.resize(photo('astronaut.png'), (333, 201))
    first = boxes(YuNet(yunet_file)(small))
    yunet(photo('multi_face.jpg'))
    np.testing.assert_array_equal(boxes(yunet(small)), first)


# ---- no faces --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('shape', [(0, 0), (1, 1), (1, 5000), (7, 300), (8, 8), (33, 65), (9, 4000)])
def test_nothing_to_find(shape, yunet):
    assert yunet(np.full((*shape, 3), 128, np.uint8)) == []


@pytest.mark.parametrize('img', [np.zeros((64, 64), np.uint8), np.zeros((64, 64, 3)), None])
def test_no_image(img, yunet):
    with pytest.raises(ValueError, match='YuNet: the image must be a uint8 array'):
        yunet(img)


# ---- the parts -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('turn', [0, 90, 180, 270])
def test_places_in_turned_images(turn):
    img = np.zeros((7, 11, 3), np.uint8)
    img[2, 8] = 255  # its centre is (8.5, 2.5)
    turned = img if turn == 0 else cv2.rotate(img, _TURNS[turn])
    y, x = np.argwhere(turned[..., 0])[0] + 0.5
    row = np.array([[x - 0.5, y - 0.5, x + 0.5, y + 0.5, *[x, y] * 5, 0.9]])
    np.testing.assert_allclose(_turned_back(row, turn, (7, 11)), [[8, 2, 9, 3, *[8.5, 2.5] * 5, 0.9]])


@pytest.mark.parametrize('scale', [1.5, 0.7, 0.5, 0.31, 0.24, 0.1])
@pytest.mark.parametrize('shape', [(201, 240), (97, 131), (160, 96)])
def test_places_in_shrunk_images(shape, scale):
    ramps = np.zeros((*shape, 2), np.float32)  # the place of each pixel: x and y
    ramps[..., 0], ramps[..., 1] = np.arange(shape[1]), np.arange(shape[0])[:, None]
    small, shown = _shrunk(ramps, scale)
    assert all(full - 1 / scale < length <= full for length, full in zip(shown, shape))
    assert np.allclose(small.shape[:2], np.multiply(shown, scale), atol=1)
    for axis in (0, 1):
        length = small.shape[axis]
        places = (np.arange(length) + 0.5) * shown[axis] / length - 0.5
        found = small.mean(axis=1 - axis)[:, 1 - axis]
        assert np.abs(found - places)[1:-1].max() < 0.1 / scale  # a tenth of a pixel of the small image


def test_parts_of_faces_are_left_out():
    def face(x1, y1, x2, y2, score):
        return [x1, y1, x2, y2, *[0.0] * 10, score]

    whole, part, beside = face(0, 0, 100, 100, 0.9), face(60, 10, 110, 60, 0.7), face(80, 0, 140, 60, 0.7)
    sure = face(20, 20, 60, 60, 0.95)
    rows = np.array([whole, part, beside, sure])
    np.testing.assert_array_equal(_without_parts(rows), [whole, beside, sure])
    np.testing.assert_array_equal(_without_parts(rows[:0]), rows[:0])


# ---- the file --------------------------------------------------------------------------------------------------------
def test_file_not_fetched_yet(tmp_path, monkeypatch):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path))
    assert default_model() == tmp_path / 'face_detection_yunet_2023mar.onnx'
    with pytest.raises(FileNotFoundError, match=r'not there: .*2023mar\.onnx.*mmfer download yunet'):
        YuNet()
    with pytest.raises(FileNotFoundError, match=r'elsewhere\.onnx'):
        YuNet(tmp_path / 'elsewhere.onnx')


def test_file_in_the_cache(tmp_path, monkeypatch, yunet_file):
    monkeypatch.setenv('MMFER_CACHE', str(tmp_path / 'wörk ünit'))
    default_model().parent.mkdir()
    shutil.copy(yunet_file, default_model())
    assert YuNet()(np.zeros((64, 64, 3), np.uint8)) == []


@pytest.mark.parametrize('content', [b'', b'\0', b'no network\n' * 99, bytes(range(256)) * 40])
def test_another_file(tmp_path, content):
    path = tmp_path / 'model.onnx'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf'model\.onnx \({len(content)} bytes\) is not the ONNX file of YuNet'):
        YuNet(path)


@pytest.mark.parametrize('part', [0.3, 0.9, 0.999])
def test_a_file_that_is_cut_off(tmp_path, part, yunet_file, capfd):
    content = yunet_file.read_bytes()
    path = tmp_path / 'model.onnx'
    path.write_bytes(content[: int(len(content) * part)])
    with pytest.raises(ValueError, match='cut off'):
        YuNet(path)
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(
    'options',
    [
        dict(score_threshold=0),
        dict(score_threshold=1.5),
        dict(nms_threshold=1),
        dict(top_k=0),
        dict(max_size=10),
        dict(rotations=()),
        dict(rotations=90),
        dict(rotations=(45,)),
        dict(rotations='90'),
    ],
)
def test_wrong_options(options):
    with pytest.raises(ValueError, match=f'YuNet: .*{next(iter(options))}='):
        YuNet('model.onnx', **options)


def test_score_threshold_and_repr(yunet_file, photo):
    strict = YuNet(yunet_file, score_threshold=0.99)
    assert strict(photo('multi_face.jpg')) == []
    assert 'score_threshold=0.99' in repr(strict)
