import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.datasets import LoadImageFromFile
from mmfer.datasets.transforms.loading import read_image
from mmfer.registry import TRANSFORMS

IMG = np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8)


def write(path, img, params=()):
    path.write_bytes(cv2.imencode(path.suffix, img, params)[1].tobytes())
    return str(path)


def test_loads_bgr(tmp_path):
    results = TRANSFORMS.build(dict(type='mmfer.LoadImageFromFile'))(dict(img_path=write(tmp_path / 'a.png', IMG)))
    np.testing.assert_array_equal(results['img'], IMG)
    assert results['img_shape'] == results['ori_shape'] == (6, 8)


def test_path_with_non_ascii_characters_and_spaces(tmp_path):
    np.testing.assert_array_equal(read_image(write(tmp_path / 'Gesicht ä 顔.png', IMG)), IMG)


def test_grey_alpha_and_palette(tmp_path):
    grey = read_image(write(tmp_path / 'grey.png', IMG[..., 0]))
    np.testing.assert_array_equal(grey, np.repeat(IMG[..., :1], 3, axis=2))
    np.testing.assert_array_equal(read_image(write(tmp_path / 'alpha.png', np.dstack([IMG, IMG[..., 0]]))), IMG)
    Image.fromarray(IMG[..., 0]).convert('LA').save(tmp_path / 'la.png')
    np.testing.assert_array_equal(read_image(str(tmp_path / 'la.png'))[..., 1], IMG[..., 0])
    Image.fromarray(IMG[..., ::-1].copy()).quantize(16).save(tmp_path / 'palette.png')
    assert read_image(str(tmp_path / 'palette.png')).shape == IMG.shape


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_16_bits_are_scaled(tmp_path, suffix):
    deep = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)
    img = read_image(write(tmp_path / f'deep{suffix}', deep))
    assert img.dtype == np.uint8
    assert img.shape == (8, 8, 3)
    assert np.abs(img[..., 0].astype(float) - deep / 257).max() <= 1


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new('RGB', (8, 6), (200, 30, 10)).save(tmp_path / 'turned.jpg', exif=exif)
    assert read_image(str(tmp_path / 'turned.jpg')).shape == (8, 6, 3)


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


def test_errors_name_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'absent\.png'):
        read_image(str(tmp_path / 'absent.png'))
    (tmp_path / 'empty.jpg').touch()
    with pytest.raises(ValueError, match=r'empty image file: .*empty\.jpg'):
        read_image(str(tmp_path / 'empty.jpg'))
    (tmp_path / 'text.jpg').write_text('<html>not found</html>')
    with pytest.raises(ValueError, match=r'cannot decode .*text\.jpg'):
        read_image(str(tmp_path / 'text.jpg'))


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_truncated_file(tmp_path, suffix):
    data = cv2.imencode(suffix, np.random.RandomState(0).randint(0, 256, (48, 48, 3), dtype=np.uint8))[1].tobytes()
    (tmp_path / f'cut{suffix}').write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=f'cannot decode .*cut\\{suffix}'):
        read_image(str(tmp_path / f'cut{suffix}'))
