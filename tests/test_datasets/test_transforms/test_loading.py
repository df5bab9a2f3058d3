import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.datasets import LoadImageFromFile
from mmfer.registry import TRANSFORMS
from mmfer.utils.images import read_image

IMG = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)


def write(path, img, params=()):
    path.write_bytes(cv2.imencode(path.suffix, img, params)[1].tobytes())
    return str(path)


def test_loads_bgr(tmp_path):
    results = TRANSFORMS.build(dict(type='mmfer.LoadImageFromFile'))(dict(img_path=write(tmp_path / 'a.png', IMG)))
    np.testing.assert_array_equal(results['img'], IMG)
    assert results['img_shape'] == results['ori_shape'] == (6, 8)


@pytest.mark.parametrize('suffix', ['.png', '.tiff', '.pgm', '.ppm'])
@pytest.mark.parametrize('bits', [8, 10, 12, 14])
def test_fewer_bits_in_files_of_16_are_scaled_as_well(tmp_path, suffix, bits):
    """Cameras leave the upper bits empty; the values 0 to 255 are 8 bits, whatever the file is called."""
    deep = np.linspace(0, 2**bits - 1, 64).astype(np.uint16).reshape(8, 8)
    deep = np.dstack([deep, deep // 2, deep // 3]) if suffix == '.ppm' else deep
    img = read_image(write(tmp_path / f'deep{suffix}', deep))
    expected = (deep >> (bits - 8)).astype(np.uint8)
    np.testing.assert_array_equal(img, np.repeat(expected[..., None], 3, 2) if deep.ndim == 2 else expected)


@pytest.mark.parametrize('suffix', ['.png', '.tiff', '.ppm', '.jp2'])
def test_files_that_use_all_16_bits_are_read_as_opencv_does(tmp_path, suffix):
    deep = np.random.RandomState(0).randint(0, 65536, (64, 96, 3), dtype=np.uint16)
    path = write(tmp_path / f'deep{suffix}', deep)
    np.testing.assert_array_equal(read_image(path), cv2.imread(path))


@pytest.mark.parametrize('shape', [(5, 4), (5, 4, 1), (5, 4, 3)])
def test_images_in_memory(shape):
    img = np.full(shape, 7, np.uint8)
    results = LoadImageFromFile()(dict(img=img))
    assert results['img'].shape == (5, 4, 3)
    assert (results['img'] == 7).all()
    assert results['img_shape'] == results['ori_shape'] == (5, 4)


@pytest.mark.parametrize(
    'img', [np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8)]
)
def test_wrong_arrays_in_memory_name_the_sample(img):
    with pytest.raises(ValueError, match='sample 12: img must be uint8'):
        LoadImageFromFile()(dict(img=img, sample_idx=12))


def encoded(suffix, *params, size=48):
    noise = np.random.RandomState(0).randint(0, 256, (12, 12, 3), dtype=np.uint8)
    return cv2.imencode(suffix, cv2.resize(noise, (size, size)), params)[1].tobytes()


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
@pytest.mark.parametrize('kept', [0.1, 0.5, 0.99])
@pytest.mark.parametrize('padding', [b'', bytes(4096)])
def test_truncated_file(tmp_path, suffix, kept, padding):
    data = encoded(suffix)
    path = tmp_path / f'cut{suffix}'
    path.write_bytes(data[: int(kept * len(data))] + padding)  # zeros: space that was reserved, but never written
    with pytest.raises(ValueError, match=f'cannot decode .*cut\\{suffix}'):
        read_image(str(path))


@pytest.mark.parametrize('params', [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_RST_INTERVAL, 2)])
def test_kinds_of_jpeg_and_bytes_after_the_end(tmp_path, params):
    data = encoded('.jpg', *params)
    whole = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    for trailer in (b'', b'\0', b'\r\n', b'trailer of a camera' * 500):
        (tmp_path / 'a.jpg').write_bytes(data + trailer)
        np.testing.assert_array_equal(read_image(str(tmp_path / 'a.jpg')), whole)
    cut = data[: int(0.8 * len(data))]
    (tmp_path / 'a.jpg').write_bytes(cut + b'\0')
    with pytest.raises(ValueError, match='cut off'):
        read_image(str(tmp_path / 'a.jpg'))


def with_thumbnail(data, thumbnail):
    """The JPEG with another one in a segment of its headers, as cameras store previews."""
    segment = b'Exif\0\0' + thumbnail
    return data[:2] + b'\xff\xe1' + (len(segment) + 2).to_bytes(2, 'big') + segment + b'\xff' + data[2:]


def test_end_of_an_embedded_thumbnail_does_not_count(tmp_path):
    data = with_thumbnail(encoded('.jpg'), encoded('.jpg', size=16))
    path = tmp_path / 'camera.jpg'
    path.write_bytes(data + b'\0')
    assert read_image(str(path)).shape == (48, 48, 3)
    path.write_bytes(data[:-300] + bytes(300))
    with pytest.raises(ValueError, match=r'camera\.jpg .*cut off'):
        read_image(str(path))


def test_png_with_bytes_after_the_end(tmp_path):
    (tmp_path / 'a.png').write_bytes(encoded('.png') + b'\0\0')
    assert read_image(str(tmp_path / 'a.png')).shape == (48, 48, 3)
    (tmp_path / 'a.png').write_bytes(encoded('.png')[:-12])
    with pytest.raises(ValueError, match=r'a\.png .*cut off'):
        read_image(str(tmp_path / 'a.png'))


@pytest.mark.parametrize(('min_side', 'factor'), [(None, 1), (41, 1), (40, 2), (21, 2), (20, 4), (10, 8), (1, 8)])
def test_large_jpeg_files_can_be_decoded_smaller(tmp_path, min_side, factor):
    img = cv2.GaussianBlur(np.random.RandomState(0).randint(0, 256, (80, 120, 3), dtype=np.uint8), (0, 0), 6)
    path = write(tmp_path / 'a.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, 95])
    results = LoadImageFromFile(min_side=min_side)(dict(img_path=path))
    assert results['img'].shape == (80 // factor, 120 // factor, 3)
    assert results['img_shape'] == results['ori_shape'] == results['img'].shape[:2]
    means = img.reshape(80 // factor, factor, 120 // factor, factor, 3).mean((1, 3))
    assert np.abs(results['img'] - means).max() < 8  # about what it should look like
    assert read_image(write(tmp_path / 'a.png', img), min_side=min_side).shape == img.shape


def test_images_with_places_in_them_keep_their_size(tmp_path):
    path = write(tmp_path / 'a.jpg', np.zeros((64, 64, 3), np.uint8))
    load = LoadImageFromFile(min_side=8)
    assert load(dict(img_path=path))['img'].shape == (8, 8, 3)
    for place in (dict(face_box=(1, 2, 30, 40)), dict(face_landmarks=np.ones((5, 2)))):
        assert load(dict(img_path=path, **place))['img'].shape == (64, 64, 3)
    assert load(dict(img_path=path, face_box=None))['img'].shape == (8, 8, 3)


def test_the_size_is_that_of_the_image_not_of_its_thumbnail(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    content = Image.new('RGB', (64, 32), (200, 30, 10))
    content.save(tmp_path / 'turned.jpg', exif=exif, progressive=True)
    data = bytearray((tmp_path / 'turned.jpg').read_bytes())
    thumbnail = cv2.imencode('.jpg', np.zeros((160, 160, 3), np.uint8))[1].tobytes()
    data[2:2] = b'\xff\xe2' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    (tmp_path / 'turned.jpg').write_bytes(data)
    assert read_image(str(tmp_path / 'turned.jpg'), min_side=16).shape == (32, 16, 3)


@pytest.mark.parametrize('min_side', [0, 1.5, True, '64'])
def test_min_side_must_be_a_size(min_side):
    with pytest.raises(ValueError, match='min_side='):
        LoadImageFromFile(min_side=min_side)
