import cv2
import numpy as np
import pytest

from mmfer.utils.perceptual_hash import (
    detail,
    find_pairs,
    hamming_distance,
    perceptual_hash,
    thumbnail,
    thumbnail_difference,
)


def picture(seed, size=64):
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)


def jpeg(img, quality=60):
    return cv2.imdecode(cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def bits(img):
    return np.array([perceptual_hash(thumbnail(img))])


def compare(a, b):
    """Bits that differ, and the difference of the thumbnails."""
    difference = thumbnail_difference(thumbnail(a)[None], thumbnail(b)[None])
    return int(hamming_distance(bits(a), bits(b))[0]), float(difference[0])


def test_thumbnail_is_grey_and_takes_all_sizes():
    assert thumbnail(np.full((5, 90, 3), 7, np.uint8)).tolist() == np.full((32, 32), 7).tolist()
    grey = np.arange(64 * 64, dtype=np.uint32).reshape(64, 64).astype(np.uint8)
    assert thumbnail(grey).shape == (32, 32)


def test_hash_is_the_signs_of_the_lowest_frequencies():
    thumb = thumbnail(picture(0))
    spectrum = cv2.dct(thumb.astype(np.float32))
    places = sorted(((u, v) for u in range(32) for v in range(32)), key=lambda uv: (sum(uv), uv[0]))[1:65]
    expected = np.packbits([spectrum[place] > 0 for place in places]).view(np.uint64)[0]
    assert perceptual_hash(thumb) == expected
    assert perceptual_hash(thumb).dtype == np.uint64
    brighter = np.clip(thumb.astype(int) // 2 + 60, 0, 255).astype(np.uint8)
    assert hamming_distance(bits(thumb), bits(brighter))[0] <= 3


@pytest.mark.parametrize('seed', range(5))
def test_changes_that_leave_the_picture_and_changes_that_do_not(seed):
    img = picture(seed)
    for same in (jpeg(img), cv2.resize(img, (48, 48), interpolation=cv2.INTER_AREA), cv2.resize(img, (150, 150))):
        distance, difference = compare(img, same)
        assert distance <= 3
        assert difference < 0.15
    for other in (img[:, ::-1], img[::-1], picture(seed + 100)):
        distance, difference = compare(img, np.ascontiguousarray(other))
        assert distance > 10
        assert difference > 0.5


def brute_force(hashes, distance):
    return [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if bin(int(hashes[i]) ^ int(hashes[j])).count('1') <= distance
    ]


@pytest.mark.parametrize('distance', [0, 1, 2, 3, 5, 8, 12])
def test_pairs_are_those_of_brute_force(distance):
    rng = np.random.default_rng(distance)
    hashes = rng.integers(0, 2**64, 40, dtype=np.uint64)
    near = []
    for value in np.repeat(hashes, 4):  # families around each, with 0 to 14 bits flipped
        for bit in rng.choice(64, rng.integers(0, 15), replace=False):
            value ^= np.uint64(1) << np.uint64(bit)
        near.append(value)
    hashes = rng.permutation(np.concatenate([hashes, near, hashes[:5]]).astype(np.uint64))
    pairs = find_pairs(hashes, distance)
    assert pairs.dtype == np.int64
    assert pairs.tolist() == brute_force(hashes, distance)
    assert len(pairs) >= 5


def test_few_and_equal_hashes():
    assert find_pairs(np.empty(0, np.uint64), 3).shape == (0, 2)
    assert find_pairs(np.zeros(1, np.uint64), 3).shape == (0, 2)
    assert len(find_pairs(np.zeros(50, np.uint64), 3)) == 50 * 49 // 2


@pytest.mark.parametrize('distance', [-1, 13])
def test_distance_out_of_range(distance):
    with pytest.raises(ValueError, match=f'distance={distance}'):
        find_pairs(np.zeros(2, np.uint64), distance)


def test_detail_tells_pictures_from_flat_images_gradients_and_stripes():
    ramp = np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))
    stripes = np.tile(np.uint8([0, 255]).repeat(4), (32, 4))
    plain = np.stack([np.full((32, 32), 200, np.uint8), ramp, ramp.T, ramp // 2 + ramp.T // 2, stripes])
    assert detail(plain).max() < 1
    assert detail(np.stack([thumbnail(picture(seed)) for seed in range(5)])).min() > 10


def test_thumbnail_difference_ignores_brightness_and_contrast():
    a, b = thumbnail(picture(0)), thumbnail(picture(1))
    half = (a // 2 + 100).astype(np.uint8)
    difference = thumbnail_difference(np.stack([a, a, a]), np.stack([a, half, b]))
    assert difference[0] == 0
    assert difference[1] < 0.02
    correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert difference[2] == pytest.approx(np.sqrt(2 - 2 * correlation), abs=1e-4)
    flat = np.full((1, 32, 32), 9, np.uint8)
    assert thumbnail_difference(flat, flat)[0] == 0
