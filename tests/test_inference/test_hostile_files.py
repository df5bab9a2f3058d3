"""Folders as they come: every good image is answered, every other file reported, and memory stays bounded."""

import io
import os
import struct
import zlib
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
FORMATS = (('PNG', 'png'), ('JPEG', 'jpg'), ('TIFF', 'tif'), ('WEBP', 'webp'), ('BMP', 'bmp'), ('GIF', 'gif'))
MODES = ('RGB', 'RGBA', 'LA', 'L', 'P', 'CMYK', '1')
KINDS = tuple((*kind, mode) for kind, mode in product(FORMATS, MODES))


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def good_files():
    """Names, contents and labels, without end."""
    number = 0
    while True:
        for kind, suffix, mode in KINDS:
            label = list(COLOURS)[number % 3] if mode in ('RGB', 'RGBA', 'P', 'CMYK') else 'grey'
            size = (1 + 37 * number % 90, 1 + 53 * number % 70)
            image = Image.new('RGB', size, COLOURS[label])
            image = image.quantize() if mode == 'P' else image.convert(mode)
            exif = Image.Exif()
            if number % 5 == 0:
                exif[0x0112] = 1 + number % 8
            try:
                content = encode(image, kind, **(dict(exif=exif) if suffix in ('png', 'jpg', 'webp') else {}))
            except (OSError, ValueError):  # there is no such kind
                continue
            yield f'good {number:03d} ü {mode}.{suffix}', content, label
            number += 1


def bad_files(good):
    """Names and contents that are no images, without end."""
    rng = np.random.default_rng(1)
    whole = [content for _, content, _ in good if len(content) > 200]
    number = 0
    while True:
        image = whole[int(rng.integers(len(whole)))]
        for content in (
            b'',
            b'\0',
            rng.bytes(int(rng.integers(1, 5000))),
            b'this is a text\n' * 9,
            image[: int(rng.integers(1, len(image) * 2 // 3))],
            b'\x89PNG\r\n\x1a\n' + rng.bytes(300),
            b'\xff\xd8\xff\xe0' + rng.bytes(300) + b'\xff\xd9',
            b'GIF89a' + rng.bytes(100),
            b'RIFF' + struct.pack('<I', 2**32 - 1) + b'WEBPVP8 ' + rng.bytes(90),
            b'II*\0' + rng.bytes(200),
            b'BM' + rng.bytes(120),
            b'%PDF-1.7\n' + rng.bytes(200),
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            huge_png(),
        ):
            yield f'bad {number:03d}.{("jpg", "png", "bmp", "txt", "mp4")[number % 5]}', content
            number += 1


def huge_png():
    """Says that it has 3.6 billion pixels."""
    data = bytearray(encode(Image.new('L', (1, 1)), 'PNG'))
    data[16:24] = struct.pack('>II', 60_000, 60_000)
    data[29:33] = struct.pack('>I', zlib.crc32(bytes(data[12:29])))
    return bytes(data)


def fill(folder, number=200, photos=8):
    """Write the files; their labels, None for bad ones. Photos have 20 megapixels."""
    (folder / 'sub folder ü').mkdir(parents=True)
    labels, good = {}, good_files()
    half = [next(good) for _ in range(number // 2)]
    large = encode(Image.new('RGB', (5472, 3648), COLOURS['red']), 'JPEG')
    turned = Image.Exif()
    turned[0x0112] = 6
    large_turned = encode(Image.new('RGB', (5472, 3648), COLOURS['blue']), 'JPEG', exif=turned)
    half[-photos:] = [
        (f'photo {i}.jpg', large_turned if i % 2 else large, 'blue' if i % 2 else 'red') for i in range(photos)
    ]
    bad = bad_files(half[:-photos])
    files = [*half, *((*next(bad), None) for _ in range(number - len(half) - 4))]
    for i, (name, content, label) in enumerate(files):
        path = folder / ('sub folder ü' if i % 3 == 0 else '') / name
        path.write_bytes(content)
        labels[str(path)] = label
    os.mkfifo(folder / 'bad pipe.jpg')
    (folder / 'bad link.png').symlink_to('bad link.png')
    (folder / 'bad link.jpg').symlink_to('nowhere.jpg')
    with open(folder / 'bad large.bin', 'wb') as file:
        file.truncate(2**33)
    labels.update(
        (str(folder / name), None) for name in ('bad pipe.jpg', 'bad link.png', 'bad link.jpg', 'bad large.bin')
    )
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
def test_a_folder_of_200_good_and_hostile_files(tmp_path):
    expected = fill(tmp_path / 'files')
    assert len(expected) == 200
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
    assert len(labels) == 100
    for path, error in errors.items():
        assert path in error
        assert '\n' not in error
        assert len(error) < len(path) + 200
    if before is not None:  # a photo of 20 megapixels has 60 MB, and twice while it is turned
        assert after - before < 300e6


def test_images_are_let_go(tmp_path, monkeypatch):
    """While faces wait for a batch, the images that they come from are not kept."""
    import weakref

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


def read(content, name='x.jpg'):
    """The image, or None where one clear error says what is wrong."""
    (source,) = open_sources([content])
    if source.error is not None:
        assert source.image is None
        assert 'image' in source.error
        assert '\n' not in source.error
        assert len(source.error) < 300
        return None
    assert source.image.dtype == np.uint8
    assert source.image.ndim == 3
    assert source.image.shape[2] == 3
    assert source.image.size
    return source.image


def test_random_bytes():
    rng = np.random.default_rng(0)
    heads = [b'', *(content[: int(rng.integers(2, 40))] for content in WHOLE.values())]
    for i in range(300):
        content = heads[i % len(heads)] + rng.bytes(int(rng.integers(0, 4000)))
        image = read(content)
        assert image is None or len(content) > 10


@pytest.mark.parametrize('kind', WHOLE)
def test_images_that_are_cut_off(kind):
    """Half an image is no image: it is reported, unless what is missing tells nothing."""
    content = WHOLE[kind]
    whole = read(content)
    assert whole is not None
    for length in np.random.default_rng(len(content)).integers(0, len(content), 40):
        image = read(content[:length])
        assert image is None or np.array_equal(image, whole)


@pytest.mark.parametrize('kind', WHOLE)
def test_images_with_wrong_bytes(kind):
    """Which may be taken for another image, but nothing else happens."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        content = bytearray(WHOLE[kind])
        for place in rng.integers(0, len(content), int(rng.integers(1, 12))):
            content[place] = int(rng.integers(256))
        read(bytes(content))
