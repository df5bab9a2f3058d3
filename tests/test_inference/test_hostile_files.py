"""Folders as they come: every good image is answered, every other file reported, and memory stays bounded."""

import io
import os
import struct
import weakref
import zlib
from contextlib import suppress
from itertools import product

import cv2
import numpy as np
import pytest
from face_results import ColourClassifier
from PIL import Image

from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.sources import open_sources
from mmfer.utils.images import load_image

COLOURS = dict(red=(200, 30, 30), green=(30, 200, 30), blue=(30, 30, 200), grey=(99, 99, 99))
SUFFIXES = dict(PNG='png', JPEG='jpg', TIFF='tif', WEBP='webp', BMP='bmp', GIF='gif')
MODES = dict(RGB='red', P='green', CMYK='blue', L='grey', LA='grey')


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def good_files():
    """Name, content and label of an image in each format and mode that goes together, some of them turned by EXIF."""
    for number, ((kind, suffix), (mode, label)) in enumerate(product(SUFFIXES.items(), MODES.items())):
        image = Image.new('RGB', (1 + 37 * number % 90, 1 + 53 * number % 70), COLOURS[label])
        exif = Image.Exif()
        exif[0x0112] = 1 + number % 8
        options = dict(exif=exif) if suffix in ('png', 'jpg', 'webp') else {}
        with suppress(OSError, ValueError):  # there is no such kind
            image = image.quantize() if mode == 'P' else image.convert(mode)
            yield f'good {number:03d} ü {mode}.{suffix}', encode(image, kind, **options), label


def bad_files(image):
    """Names and contents that are no images; ``image`` is a whole one."""
    rng = np.random.default_rng(1)
    huge = bytearray(encode(Image.new('L', (1, 1)), 'PNG'))  # says that it has 3.6 billion pixels
    huge[16:24] = struct.pack('>II', 60_000, 60_000)
    huge[29:33] = struct.pack('>I', zlib.crc32(bytes(huge[12:29])))
    contents = (
        b'',
        rng.bytes(900),
        b'this is a text\n' * 9,
        image[: len(image) // 2],
        b'\x89PNG\r\n\x1a\n' + rng.bytes(300),
        b'\xff\xd8\xff\xe0' + rng.bytes(300) + b'\xff\xd9',
        b'GIF89a' + rng.bytes(100),
        b'RIFF' + struct.pack('<I', 2**32 - 1) + b'WEBPVP8 ' + rng.bytes(90),
        b'II*\0' + rng.bytes(200),
        b'%PDF-1.7\n' + rng.bytes(200),
        bytes(huge),
    )
    for number, (content, suffix) in enumerate(product(contents, ('jpg', 'png', 'txt'))):
        yield f'bad {number:03d}.{suffix}', content


def fill(folder, photos=8):
    """Write the files; their labels, None for bad ones. Photos have 20 megapixels."""
    (folder / 'sub folder ü').mkdir(parents=True)
    files = list(good_files())
    turned = Image.Exif()
    turned[0x0112] = 6
    large = encode(Image.new('RGB', (5472, 3648), COLOURS['red']), 'JPEG', exif=turned)
    files += [(f'photo {i}.jpg', large, 'red') for i in range(photos)]
    files += [(name, content, None) for name, content in bad_files(large)]
    labels = {}
    for i, (name, content, label) in enumerate(files):
        path = folder / ('sub folder ü' if i % 3 == 0 else '') / name
        path.write_bytes(content)
        labels[str(path)] = label
    os.mkfifo(folder / 'bad pipe.jpg')
    (folder / 'bad link.png').symlink_to('bad link.png')
    (folder / 'bad link.jpg').symlink_to('nowhere.jpg')
    with open(folder / 'bad large.bin', 'wb') as file:
        file.truncate(2**33)
    names = ('bad pipe.jpg', 'bad link.png', 'bad link.jpg', 'bad large.bin')
    labels.update((str(folder / name), None) for name in names)
    (folder / 'sub folder ü/up').symlink_to(folder, target_is_directory=True)
    return labels


def peak_memory(reset=False):
    """Most bytes that this process held at once since the last reset; None where the system does not tell."""
    try:
        if reset:
            with open('/proc/self/clear_refs', 'w') as file:
                file.write('5')
        with open('/proc/self/status') as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith('VmHWM'))
    except OSError:
        return None


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='there are no pipes with names here')
def test_a_folder_of_good_and_hostile_files(tmp_path):
    expected = fill(tmp_path / 'files')
    infer = ExpressionInferencer(ColourClassifier(), detector=None, batch_size=16)
    before = peak_memory(reset=True)
    labels, errors = {}, {}
    for result in infer.stream(tmp_path / 'files'):
        if result.error is None:
            labels[result.source] = result.faces[0].label
        else:
            errors[result.source] = result.error
            assert result.faces == ()
    after = peak_memory()
    assert labels == {path: label for path, label in expected.items() if label is not None}
    assert errors.keys() == {path for path, label in expected.items() if label is None}
    assert min(len(labels), len(errors)) > 30
    for path, error in errors.items():
        assert path in error
        assert '\n' not in error
        assert len(error) < len(path) + 200
    if before is not None:  # a photo of 20 megapixels has 60 MB, and twice while it is turned
        assert after - before < 300e6


def test_images_are_let_go(tmp_path, monkeypatch):
    """While faces wait for a batch, the images that they come from are not kept."""
    for i in range(6):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.zeros((9, 9, 3), np.uint8))
    loaded = []

    def load(*args):
        assert sum(image() is not None for image in loaded) <= 1
        image = load_image(*args)
        loaded.append(weakref.ref(image))
        return image

    monkeypatch.setattr('mmfer.inference.sources.load_image', load)
    infer = ExpressionInferencer(ColourClassifier(), detector=None, batch_size=100)
    assert len(infer(tmp_path)) == len(loaded) == 6


def photo(seed=0, size=(60, 80)):
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.integers(0, 256, (8, 9, 3), dtype=np.uint8), size[::-1], interpolation=cv2.INTER_CUBIC)
    return Image.fromarray(image)


WHOLE = {
    'png': encode(photo(), 'PNG'),
    'png16': cv2.imencode('.png', np.random.default_rng(0).integers(0, 65536, (40, 50, 3), np.uint16))[1].tobytes(),
    'jpg': encode(photo(), 'JPEG'),
    'progressive jpg': encode(photo(), 'JPEG', progressive=True),
    'cmyk jpg': encode(photo().convert('CMYK'), 'JPEG'),
    'gif': encode(photo(), 'GIF'),
    'webp': encode(photo(), 'WEBP'),
    'lossless webp': encode(photo(), 'WEBP', lossless=True),
    'bmp': encode(photo(), 'BMP'),
    'tif': encode(photo(), 'TIFF'),
    'lzw tif': encode(photo(), 'TIFF', compression='tiff_lzw'),
    'ppm': encode(photo(), 'PPM'),
}


@pytest.mark.parametrize('kind', WHOLE)
def test_images_that_are_cut_off(kind):
    """Half an image is no image: it is reported, unless what is missing tells nothing."""
    content = WHOLE[kind]
    (whole,) = open_sources([content])
    for length in np.random.default_rng(len(content)).integers(0, len(content), 40):
        (source,) = open_sources([content[:length]])
        assert source.error is not None or np.array_equal(source.image, whole.image)
        assert (source.error is None) != (source.image is None)
        assert source.error is None or ('image' in source.error and '\n' not in source.error)
