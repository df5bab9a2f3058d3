import base64
import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from face_results import make_face
from PIL import Image

from mmfer.structures.results import ImageResult
from mmfer.visualization.faces import draw_faces
from mmfer.web.pictures import Limits, PictureError, check_picture, overlay, png_url, shown_picture, thumbnails


def decode(url):
    kind, data = url.split(';base64,')
    return kind, cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)


def encoded(width, height, kind='PNG'):
    file = io.BytesIO()
    Image.new('1', (width, height)).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'The file is empty.'),
        (b'not a picture', 'This is no picture that can be read here'),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'This is no picture that can be read here'),
        (bytes(1001), r'The file has 0.0 MB and the limit is 0.001 MB: make the picture smaller.'),
        (encoded(101, 100), r'The picture has 101 x 100 pixels and the limit is 0.01 million: make it smaller.'),
    ],
)
def test_what_is_refused(data, message):
    with pytest.raises(PictureError, match=message):
        check_picture(data, Limits(max_bytes=1000, max_pixels=10_000))


def test_a_bomb_is_refused_by_its_header():
    size = struct.pack('>2I5B', 30_000, 30_000, 8, 2, 0, 0, 0)
    header = b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + size
    with pytest.raises(PictureError, match='900000000 pixels and the limit is 40 million'):
        check_picture(header + struct.pack('>2I', zlib.crc32(b'IHDR' + size), 4) + b'IDAT', Limits())


def test_pictures_within_the_limits_are_taken():
    check_picture(encoded(100, 100), Limits(max_bytes=1000, max_pixels=10_000))


def test_large_pictures_are_shown_smaller_and_small_ones_as_they_are():
    kind, image = decode(shown_picture(np.zeros((300, 2560, 3), np.uint8)))
    assert kind == 'data:image/jpeg'
    assert image.shape == (150, 1280, 3)
    assert decode(shown_picture(np.zeros((3, 5, 3), np.uint8)))[1].shape == (3, 5, 3)


def test_thumbnails_show_the_faces():
    image = np.zeros((100, 200, 3), np.uint8)
    image[20:60, 120:160] = 255
    result = ImageResult('a', 200, 100, (make_face(box=(120, 20, 160, 60)), make_face(box=(10, 10, 50, 50))))
    bright, dark = (decode(url)[1] for url in thumbnails(image, result))
    assert bright.mean() > 120
    assert dark.mean() < 5


def test_the_overlay_over_a_picture_is_the_drawing():
    faces = (make_face(box=(200, 300, 500, 700)), make_face(box=(500, 100, 900, 400), abstain=True))
    result = ImageResult('a', 960, 800, faces)
    image = np.random.default_rng(0).integers(0, 256, (800, 960, 3), dtype=np.uint8)
    above = overlay(result)
    assert above.shape == (800, 960, 4)
    weight = above[..., 3:] / 255
    blended = weight * above[..., :3] + (1 - weight) * image
    drawn = draw_faces(image, result, numbers=True, size=24)
    assert np.abs(blended - drawn).max() <= 2
    assert (above[..., 3] == 0).mean() > 0.5
    assert np.array_equal(decode(png_url(above))[1], above)


@pytest.mark.parametrize(('width', 'height'), [(1, 1), (1, 20_000), (12_000, 3)])
def test_overlays_of_odd_pictures(width, height):
    face = make_face(box=(0, 0, width, height), landmarks=np.zeros((5, 2)))
    above = overlay(ImageResult('a', width, height, (face,)))
    assert max(above.shape) == 960
    assert min(above.shape[:2]) >= 1
    assert not overlay(ImageResult('a', width, height)).any()
