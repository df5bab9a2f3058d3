import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.utils.images import from_array, load_image


@pytest.fixture
def rgb():
    """Red on the left, blue on the right, a green row on top."""
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, :16, 0], image[:, 16:, 2] = 200, 120
    image[:3] = (0, 250, 0)
    return image


def is_close(image, rgb, tolerance=12):
    """JPEG bleeds at borders: away from them the colours are the same."""
    inner = np.ones(rgb.shape[:2], bool)
    inner[:8] = inner[:, 8:24] = False
    return np.abs(image[:, :, ::-1].astype(int) - rgb)[inner].max() <= tolerance


def encode(image, suffix, **options):
    data = io.BytesIO()
    image.save(data, suffix, **options)
    return data.getvalue()


KINDS = [(suffix, mode) for suffix in ('PNG', 'JPEG', 'TIFF', 'WEBP', 'BMP', 'GIF') for mode in ('RGB', 'RGBA', 'P')]
KINDS = [kind for kind in KINDS if kind not in (('JPEG', 'RGBA'), ('JPEG', 'P'))]  # of which there are none
KINDS += [('JPEG', 'CMYK'), ('TIFF', 'CMYK')]


@pytest.mark.parametrize(('suffix', 'mode'), KINDS)
def test_files_of_all_colours(suffix, mode, rgb, tmp_path):
    image = Image.fromarray(rgb)
    image = image.quantize() if mode == 'P' else image.convert(mode)
    data = encode(image, suffix, quality=95)
    path = tmp_path / f'ein bild ü.{suffix.lower()}'
    path.write_bytes(data)
    for found in (load_image(path), load_image(str(path)), load_image(data)):
        assert found.dtype == np.uint8
        assert is_close(found, rgb)
    assert is_close(load_image(image), rgb)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_turned_photos_stand_upright(orientation, rgb, tmp_path):
    names = ('FLIP_LEFT_RIGHT', 'ROTATE_180', 'FLIP_TOP_BOTTOM', 'TRANSPOSE', 'ROTATE_90', 'TRANSVERSE', 'ROTATE_270')
    stored = Image.fromarray(rgb)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[names[orientation - 2]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / 'a.jpg'
    stored.save(path, exif=exif, quality=95)
    with Image.open(path) as image:
        assert is_close(load_image(image), rgb)
    assert is_close(load_image(path), rgb)


def test_deep_and_grey_images(tmp_path):
    values = np.linspace(0, 65535, 24 * 32).reshape(24, 32).astype(np.uint16)
    path = tmp_path / 'deep.png'
    cv2.imwrite(str(path), values)
    expected = np.repeat((values >> 8).astype(np.uint8)[:, :, None], 3, 2)
    for source in (path, values, values[:, :, None], Image.fromarray(values)):
        found = load_image(source)
        assert np.abs(found.astype(int) - expected).max() <= 1
        assert found.shape == (24, 32, 3)
    np.testing.assert_array_equal(load_image(expected[:, :, 0]), expected)
    assert load_image(Image.new('1', (5, 4), 1)).tolist() == np.full((4, 5, 3), 255).tolist()


@pytest.mark.parametrize('bits', [10, 12, 16])
def test_deep_images_are_the_same_from_wherever_they_come(bits, tmp_path):
    values = np.random.RandomState(0).randint(0, 2**bits, (24, 32, 3), dtype=np.uint16)
    values[0, 0] = 2**bits - 1
    path = tmp_path / 'deep.png'
    cv2.imwrite(str(path), values)
    expected = (values >> (bits - 8)).astype(np.uint8)
    alpha = np.dstack([values, np.full((24, 32), 65535, np.uint16)])
    for found in (
        load_image(path),
        load_image(path.read_bytes()),
        load_image(values, 'bgr'),
        load_image(alpha, 'bgra'),
    ):
        np.testing.assert_array_equal(found, expected)
    grey = np.ascontiguousarray(values[:, :, 0])
    np.testing.assert_array_equal(load_image(Image.fromarray(grey))[:, :, 1], expected[:, :, 0])


@pytest.mark.parametrize('channels', ['rgb', 'bgr', 'rgba', 'bgra'])
def test_arrays_in_every_order(channels, rgb):
    image = rgb if channels[0] == 'r' else rgb[:, :, ::-1]
    if len(channels) == 4:
        image = np.dstack([image, np.full(image.shape[:2], 9, np.uint8)])
    found = load_image(image, channels)
    np.testing.assert_array_equal(found, rgb[:, :, ::-1])
    assert found.flags.c_contiguous
    assert from_array(np.zeros((1, 1, 3), np.uint8), 'bgr').shape == (1, 1, 3)


@pytest.mark.parametrize(
    ('image', 'channels', 'message'),
    [
        (np.zeros((4, 4, 3), np.uint8), None, "none is given: pass channels='rgb' or 'bgr'"),
        (np.zeros((4, 4, 4), np.uint8), 'rgb', "channels='rgb' names 3: pass channels='rgba' or 'bgra'"),
        (np.zeros((4, 4, 3), np.uint8), 'RGB', "channels='RGB'"),
        (np.zeros((4, 4, 3), np.float32), 'rgb', 'uint8 or uint16, not float32'),
        (np.zeros((4, 4, 2), np.uint8), 'rgb', r'not \(4, 4, 2\)'),
        (np.zeros((0, 4, 3), np.uint8), 'rgb', r'not \(0, 4, 3\)'),
        (np.zeros((2, 4, 4, 3), np.uint8), 'rgb', r'not \(2, 4, 4, 3\)'),
        (Image.new('F', (4, 4)), None, 'mode F'),
        (b'', None, 'empty'),
        (b'hello', None, 'no image'),
    ],
)
def test_what_is_no_image(image, channels, message):
    with pytest.raises(ValueError, match=message):
        load_image(image, channels)


def test_files_that_are_no_images(tmp_path, rgb):
    with pytest.raises(FileNotFoundError, match='no such image file: .*nothing.jpg'):
        load_image(tmp_path / 'nothing.jpg')
    with pytest.raises(ValueError, match='is a folder'):
        load_image(tmp_path)
    with pytest.raises(TypeError, match='dict is no image'):
        load_image({})
    path = tmp_path / 'big.png'
    Image.fromarray(rgb).save(path)
    with pytest.raises(ValueError, match='big.png has 32 x 24 pixels, more than the limit of 0.0005 million'):
        load_image(path, max_pixels=500)


def test_a_bomb_is_not_decoded(tmp_path):
    path = tmp_path / 'bomb.png'
    cv2.imwrite(str(path), np.zeros((1, 1), np.uint8))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack('>II', 60_000, 60_000)
    data[29:33] = struct.pack('>I', zlib.crc32(bytes(data[12:29])))
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match='bomb.png has 60000 x 60000 pixels, more than the limit of 150 million'):
        load_image(path)
    data[16:24] = struct.pack('>II', 12_600, 12_600)
    data[29:33] = struct.pack('>I', zlib.crc32(bytes(data[12:29])))
    with pytest.raises(ValueError, match='the image has 12600 x 12600 pixels'):
        load_image(bytes(data))


def test_a_large_file_that_is_no_image_is_not_read(tmp_path):
    path = tmp_path / 'big.jpg'
    with open(path, 'wb') as file:
        file.truncate(2**34)  # takes no place on most disks
    with pytest.raises(ValueError, match=r'big.jpg \(17180 MB\) begins like no image that is known'):
        load_image(path)


@pytest.mark.parametrize(('suffix', 'options'), [('PNG', {}), ('WEBP', dict(lossless=True)), ('TIFF', {})])
def test_turned_images_of_other_formats(suffix, options, rgb):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(np.ascontiguousarray(np.rot90(rgb))), suffix, exif=exif, **options)
    np.testing.assert_array_equal(load_image(data), rgb[:, :, ::-1])
    np.testing.assert_array_equal(load_image(Image.open(io.BytesIO(data))), rgb[:, :, ::-1])


def test_of_an_animation_the_first_picture_counts(rgb):
    frames = [Image.fromarray(rgb), Image.new('RGB', (32, 24), (9, 9, 9))]
    for suffix in ('GIF', 'WEBP', 'PNG', 'TIFF'):
        options = dict(lossless=True) if suffix == 'WEBP' else {}
        data = encode(frames[0], suffix, save_all=True, append_images=frames[1:], **options)
        assert is_close(load_image(data), rgb), suffix


def test_damaged_exif_does_not_matter(rgb):
    entries = b'II*\0\x08\0\0\0\xff\xff' + b'\x12\x01\x03\0\xff\xff\xff\x7f\x99\x99' * 5
    data = encode(Image.fromarray(rgb), 'JPEG', exif=b'Exif\0\0' + entries, quality=95)
    assert is_close(load_image(data), rgb)
    assert is_close(load_image(Image.open(io.BytesIO(data))), rgb)
