import io
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from mmfer.datasets.prepare.align_faces import align_faces
from mmfer.utils import heif
from mmfer.utils.images import heif_format, load_image, read_image

TURNS = ('FLIP_LEFT_RIGHT', 'ROTATE_180', 'FLIP_TOP_BOTTOM', 'TRANSPOSE', 'ROTATE_90', 'TRANSVERSE', 'ROTATE_270')
HEIC = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(200)


def encoded(kind, rgb, orientation=1):
    """A file of a picture that stands upright as ``rgb``."""
    stored = Image.fromarray(rgb)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose[TURNS[orientation - 2]])
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    options = dict(subsampling='4:4:4') if kind == 'AVIF' else dict(chroma=444)
    stored.save(data, dict(HEIC='HEIF').get(kind, kind), exif=exif.tobytes(), quality=95, **options)
    return data.getvalue()


@pytest.fixture
def rgb():
    image = np.zeros((40, 64, 3), np.uint8)
    image[:20, :32], image[:20, 32:], image[20:, :32] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    return image


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('kind', ['AVIF', 'HEIC'])
def test_pictures_stand_upright_from_wherever_they_come(kind, orientation, rgb, tmp_path):
    if kind not in heif.readable_formats():
        pytest.skip(f'needs a package that reads {kind}')
    data = encoded(kind, rgb, orientation)
    path = tmp_path / f'a.{kind.lower()}'
    path.write_bytes(data)
    assert heif_format(data) == kind
    assert np.abs(read_image(str(path))[:, :, ::-1].astype(int) - rgb).max() <= 3
    for source in (path, data, Image.open(io.BytesIO(data))):
        np.testing.assert_array_equal(load_image(source), read_image(str(path)))
    with pytest.raises(ValueError, match='has 64 x 40 pixels|has 40 x 64 pixels'):
        load_image(path, max_pixels=100)


@pytest.fixture
def without_plugins(monkeypatch):
    """As where neither Pillow nor a plugin knows these formats."""
    heif.readable_formats.cache_clear()
    for name in ('pillow_heif', 'pillow_avif'):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr('PIL.features.check', lambda feature: False)
    yield
    heif.readable_formats.cache_clear()


def test_the_message_names_the_format_and_the_remedy(without_plugins, tmp_path):
    (tmp_path / 'a.heic').write_bytes(HEIC)
    assert heif.readable_formats() == frozenset()
    message = r'HEIC .* nothing installed can read: pip install pillow-heif \(mmfer explain unreadable-image\)$'
    for read, source in ((read_image, str(tmp_path / 'a.heic')), (load_image, tmp_path / 'a.heic'), (load_image, HEIC)):
        with pytest.raises(ValueError, match=message):
            read(source)


def test_opencv_reads_only_avif_files_that_are_upright(without_plugins, rgb, tmp_path):
    Image.init()
    data = encoded('AVIF', rgb) if 'AVIF' in Image.SAVE else b'\0'
    if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) is None:
        pytest.skip('needs an OpenCV and a Pillow that know AVIF')
    assert np.abs(load_image(data)[:, :, ::-1].astype(int) - rgb).max() <= 3
    with pytest.raises(ValueError, match=r'is an AVIF picture, .*: pip install "pillow>=11.3"'):
        load_image(encoded('AVIF', rgb, orientation=6))


@pytest.mark.parametrize('keep', [30, 200, 300])
def test_damaged_files(keep, rgb):
    if 'AVIF' not in heif.readable_formats():
        pytest.skip('needs a Pillow that reads AVIF')
    data = encoded('AVIF', rgb)
    with pytest.raises(ValueError, match='cannot decode the AVIF file the image: damaged'):
        load_image(data[:keep])


def test_faces_of_such_photos_are_written_as_png(rgb, tmp_path):
    if 'AVIF' not in heif.readable_formats():
        pytest.skip('needs a Pillow that reads AVIF')
    (tmp_path / 'raw').mkdir()
    (tmp_path / 'raw/a.avif').write_bytes(encoded('AVIF', rgb))
    options = dict(detector='haar', crop='box', size=32, missing='keep', say=lambda text: None)
    align_faces(str(tmp_path / 'raw'), str(tmp_path / 'out'), **options)
    assert read_image(str(tmp_path / 'out/a.avif.png')).shape == (32, 32, 3)
    assert not (tmp_path / 'out/a.avif').exists()
