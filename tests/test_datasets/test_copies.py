import cv2
import numpy as np
import pytest

from mmfer.datasets.copies import SIZE, agreement, find_copies, normalise

RNG = np.random.default_rng


def pictures(count, seed):
    """Faces are alike in the large and differ in the small: one smooth shape, and structure of its own."""
    rng = RNG(seed)
    shape = cv2.resize(RNG(0).normal(128, 60, (4, 4)).astype(np.float32), (64, 64), interpolation=cv2.INTER_CUBIC)
    own = rng.normal(0, 45, (count, 12, 12)).astype(np.float32)
    images = [shape + cv2.resize(one, (64, 64), interpolation=cv2.INTER_CUBIC) for one in own]
    return np.clip(images, 0, 255).astype(np.uint8)


def thumbs(images):
    return np.stack([cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) for image in images])


def turned(image, rng):
    centre = ((image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2)
    matrix = cv2.getRotationMatrix2D(centre, rng.uniform(4, 12) * rng.choice([-1, 1]), 1)
    return cv2.warpAffine(image, matrix, image.shape[::-1], borderMode=cv2.BORDER_REPLICATE)


def cropped(image, rng):
    side = round(64 * rng.uniform(0.86, 0.97))
    x, y = rng.integers(0, 64 - side + 1, 2)
    return cv2.resize(image[y : y + side, x : x + side], (64, 64))


CHANGES = dict(
    mirrored=lambda image, rng: image[:, ::-1].copy(),
    brightened=lambda image, rng: np.clip(255 * (image / 255) ** rng.uniform(0.6, 1.6) + 20, 0, 255).astype(np.uint8),
    turned=turned,
    cropped=cropped,
    encoded=lambda image, rng: cv2.imdecode(cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0),
    mirrored_and_turned=lambda image, rng: turned(image[:, ::-1].copy(), rng),
)


@pytest.mark.parametrize('change', CHANGES)
@pytest.mark.parametrize('which', ['a', 'b'])
def test_changed_copies_are_found_and_nothing_else(change, which):
    rng = RNG(1)
    a, b = pictures(150, 2), pictures(120, 3)
    copies = [CHANGES[change](image, rng) for image in a[:20]]
    b = np.concatenate([b, copies])
    expected = [[i, 120 + i] for i in range(20)]
    found = find_copies(thumbs(a), thumbs(b)) if which == 'a' else find_copies(thumbs(b), thumbs(a))[:, ::-1]
    assert sorted(found.tolist()) == expected


def test_no_copies_and_several_threads():
    a, b = thumbs(pictures(40, 4)), thumbs(pictures(30, 5))
    assert find_copies(a, b).shape == (0, 2)
    np.testing.assert_array_equal(find_copies(a, a[5:10, :, ::-1], workers=3), [[i + 5, i] for i in range(5)])


def test_a_map_that_leaves_the_picture_is_no_agreement():
    thumb = normalise(thumbs(pictures(1, 7))[0])
    identity = np.eye(2, 3, dtype=np.float32)
    assert agreement(thumb, thumb, identity) == pytest.approx(1, abs=1e-3)
    away = np.array([[1, 0, 25], [0, 1, 0]], np.float32)
    assert agreement(thumb, normalise(thumbs(pictures(1, 8))[0]), away) < 0.8
    assert agreement(np.zeros_like(thumb), thumb, identity) == 0
