"""Perceptual hashes of images, and the pairs among many that look alike."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np

SIZE = 32
"""Side of the thumbnails in pixels."""
BITS = 64
MAX_DISTANCE = 12
_BITS_SET = np.array([bin(value).count('1') for value in range(1 << 16)], dtype=np.uint8)
# The 64 lowest frequencies but the constant one, which holds the brightness.
_FREQUENCIES = sorted(((u, v) for u in range(SIZE) for v in range(SIZE)), key=lambda uv: (sum(uv), uv[0]))[1 : BITS + 1]
_ROWS, _COLUMNS = (np.array(axis) for axis in zip(*_FREQUENCIES))


def thumbnail(image: np.ndarray) -> np.ndarray:
    """The image, uint8 (H, W) grey or (H, W, 3) BGR, in grey at 32 x 32: uint8 (32, 32).

    Each pixel is the mean of its area; the aspect ratio is not kept.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    return cv2.resize(grey, (SIZE, SIZE), interpolation=cv2.INTER_AREA)


def perceptual_hash(thumb: np.ndarray) -> np.uint64:
    """The 64-bit pHash: signs of the 64 lowest frequencies (without the constant) of the discrete cosine transform.

    The widespread variant compares the coefficients with their median, which makes all distances between hashes even
    and lets a change of one coefficient flip the bits of others; the sign does neither.
    http://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It.html

    Brightness does not change the hash, contrast and size hardly do; flips and rotations do.

    Args:
        thumb: (32, 32) of :func:`thumbnail`.
    """
    coefficients = cv2.dct(thumb.astype(np.float32))
    return np.packbits(coefficients[_ROWS, _COLUMNS] > 0).view(np.uint64)[0]


def hamming_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of different bits of two arrays of uint64 (N,): uint8 (N,).

    >>> hamming_distance(np.array([0, 7], np.uint64), np.array([0, 2], np.uint64)).tolist()
    [0, 2]
    """
    different = np.ascontiguousarray(a ^ b).view(np.uint16).reshape(-1, 4)
    return _BITS_SET[different].sum(axis=1, dtype=np.uint8)


def find_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """All pairs of hashes that differ in at most ``distance`` bits; exact.

    The bits are cut into ``distance + 3`` bands. By the pigeonhole principle, two such hashes agree in at least three
    of them, so they meet when the hashes are sorted by those three; every choice of three is tried. Up to a distance
    of 3 the three bands hold 32 bits or more, so chance rarely lets others meet: 280,000 hashes take a few seconds.

    Args:
        hashes: uint64 (N,).
        distance: 0 to 12.

    Returns:
        int64 (P, 2), in each row i < j; rows in ascending order.

    Raises:
        ValueError: ``distance`` is out of range.
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f'find_pairs: distance={distance} must be in 0..{MAX_DISTANCE}')
    edges = np.linspace(0, BITS, distance + 4).round().astype(int).tolist()
    bands = [(1 << high) - (1 << low) for low, high in zip(edges[:-1], edges[1:])]
    count = len(hashes)
    found = [np.empty(0, np.int64)]
    for chosen in combinations(bands, 3):
        keys = hashes & np.uint64(sum(chosen))
        order = np.argsort(keys, kind='stable')
        keys = keys[order]
        first, step = np.flatnonzero(keys[1:] == keys[:-1]), 1
        while first.size:  # neighbours in the order, then the next but one, ... as far as runs of equal keys go
            a, b = order[first], order[first + step]
            near = hamming_distance(hashes[a], hashes[b]) <= distance
            a, b = a[near], b[near]
            found.append(np.minimum(a, b) * count + np.maximum(a, b))
            step += 1
            first = first[first + step < count]
            first = first[keys[first + step] == keys[first]]
    pairs = np.unique(np.concatenate(found))
    return np.stack([pairs // max(count, 1), pairs % max(count, 1)], axis=1)


def detail(thumbs: np.ndarray) -> np.ndarray:
    """Standard deviation of thumbnails (N, 32, 32) without the means of their rows and columns, in grey levels: (N,).

    Flat images, plain gradients and stripes have next to none, so their hashes are noise, or equal by chance.
    """
    thumbs = thumbs.astype(np.float32)
    rest = thumbs - thumbs.mean(axis=1, keepdims=True) - thumbs.mean(axis=2, keepdims=True)
    return rest.std(axis=(1, 2))


def thumbnail_difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Root mean square differences (N,) of thumbnails (N, 32, 32), normalised to mean 0 and standard deviation 1.

    With the correlation r of the pixels it is sqrt(2 - 2 r): 0 for the same picture, about 1.4 for unrelated ones.
    """
    return np.sqrt(np.square(_normalised(a) - _normalised(b)).mean(axis=(1, 2)))


def _normalised(thumbs: np.ndarray) -> np.ndarray:
    thumbs = thumbs.astype(np.float32)
    centred = thumbs - thumbs.mean(axis=(1, 2), keepdims=True)
    return centred / np.maximum(centred.std(axis=(1, 2), keepdims=True), 1e-6)
