import math

import cv2
import numpy as np
import pytest

from mmfer.faces.alignment import ARCFACE_112, align_by_box, align_face, arcface_template, estimate_similarity
from mmfer.faces.cropping import crop_face

RNG = np.random.RandomState(0)


def smooth(height, width, seed=0):
    """A random image without fine structure, for comparisons after resampling."""
    small = np.random.RandomState(seed).randint(0, 256, (height // 16 + 2, width // 16 + 2, 3), dtype=np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def similarity(degrees, scale, shift):
    cos, sin = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]])


def moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def umeyama(src, dst):
    """Umeyama's solution by the singular value decomposition, as in his paper."""
    src_mean, dst_mean = src.mean(axis=0), dst.mean(axis=0)
    covariance = (dst - dst_mean).T @ (src - src_mean) / len(src)
    u, d, vt = np.linalg.svd(covariance)
    sign = np.ones(2)
    if np.linalg.det(u) * np.linalg.det(vt) < 0:
        sign[1] = -1
    rotation = u @ np.diag(sign) @ vt
    scale = (d * sign).sum() / ((src - src_mean) ** 2).sum(axis=1).mean()
    return np.column_stack([scale * rotation, dst_mean - scale * rotation @ src_mean])


# ---- the transform ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('seed', range(20))
def test_is_umeyamas(seed):
    rng = np.random.RandomState(seed)
    src = rng.normal(size=(5, 2)) * 50 + 300
    dst = moved(src, similarity(rng.uniform(-180, 180), rng.uniform(0.1, 5), rng.normal(size=2) * 100))
    dst += rng.normal(size=(5, 2)) * 5
    np.testing.assert_allclose(estimate_similarity(src, dst), umeyama(src, dst), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ('src', 'dst', 'message'),
    [
        (np.zeros((5, 2)), np.eye(5)[:, :2], 'points coincide'),
        (np.full((5, 2), 1e6), np.eye(5)[:, :2], 'points coincide'),
        (np.eye(5)[:, :2], np.zeros((5, 2)), 'determine no similarity'),
        ([[0, 0], [1, 0], [0, 1], [1, 1]], [[1, 0], [0, 0], [1, 1], [0, 1]], 'mirrored'),
        ([[0, 0], [1, math.nan]], [[0, 0], [1, 1]], 'finite'),
        ([[0, 0]], [[0, 0]], 'N >= 2'),
        (np.zeros((5, 3)), np.zeros((5, 3)), 'N >= 2'),
    ],
)
def test_points_without_a_transform(src, dst, message):
    with pytest.raises(ValueError, match=message):
        estimate_similarity(src, dst)


# ---- the template ----------------------------------------------------------------------------------------------------
def test_template_at_its_own_size_is_arcfaces():
    np.testing.assert_allclose(arcface_template(112), ARCFACE_112, atol=1e-12)


def test_template_scales_about_the_centre_of_the_image():
    for size in (48, 224, 225):
        scaled = (arcface_template(size) + 0.5) / size
        np.testing.assert_allclose(scaled, (np.asarray(ARCFACE_112) + 0.5) / 112, atol=1e-12)
    inner = arcface_template(224, margin=0.5) - 56
    np.testing.assert_allclose(inner, arcface_template(112), atol=1e-12)
    np.testing.assert_allclose(arcface_template((112, 140)), arcface_template(112) + [14, 0], atol=1e-12)


# ---- aligned faces ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('size', [112, 64, 225])
def test_landmarks_on_the_template_leave_the_image(size):
    img = RNG.randint(0, 256, (size, size, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align_face(img, arcface_template(size), size), img)


@pytest.mark.parametrize('degrees', [0, 20, 90, 180, 270, 333])
@pytest.mark.parametrize(('scale', 'size', 'margin'), [(0.2, 112, 0), (1.7, 112, 0.3), (3.1, (96, 128), 0), (9, 64, 0)])
def test_marks_on_the_landmarks_come_to_the_template(degrees, scale, size, margin):
    matrix = similarity(degrees, scale, (0, 0))
    points = moved(np.asarray(ARCFACE_112) - 55.5, matrix)
    points += 80 * scale
    side = math.ceil(160 * scale)
    template = arcface_template(size, margin)
    rows, columns = np.mgrid[:side, :side]
    for point, place in zip(points, template):
        mark = np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * (4 * scale) ** 2))
        img = np.repeat((255 * mark).round().astype(np.uint8)[..., None], 3, axis=2)
        aligned = align_face(img, points, size, margin).astype(np.float64)[..., 0]
        weights = np.mgrid[: aligned.shape[0], : aligned.shape[1]]
        centre = (weights * aligned).sum(axis=(1, 2))[::-1] / aligned.sum()
        np.testing.assert_allclose(centre, place, atol=0.1)


@pytest.mark.parametrize(('degrees', 'scale'), [(0, 1.5), (15, 1), (90, 1), (180, 2.5), (-75, 0.8)])
def test_a_moved_picture_gives_the_same_face(degrees, scale):
    img = smooth(200, 240)
    points = moved(np.asarray(ARCFACE_112), similarity(8, 0.9, (60, 40))) + RNG.normal(size=(5, 2))
    matrix = similarity(degrees, scale, (0, 0))
    matrix[:, 2] = [300, 300] - matrix[:, :2] @ [120, 100]
    other = cv2.warpAffine(img, matrix, (600, 600), flags=cv2.INTER_CUBIC)
    face = align_face(img, points, 96).astype(int)
    difference = np.abs(align_face(other, moved(points, matrix), 96) - face)
    assert difference.mean() < 1.5
    assert face.std() > 30


@pytest.mark.parametrize('turn', [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE])
def test_a_picture_on_its_side_gives_the_very_pixels(turn):
    img = RNG.randint(0, 256, (150, 180, 3), dtype=np.uint8)
    points = arcface_template(112) + [30, 20]
    height, width = img.shape[:2]
    x, y = points.T
    turned = {
        cv2.ROTATE_90_CLOCKWISE: (height - 1 - y, x),
        cv2.ROTATE_180: (width - 1 - x, height - 1 - y),
        cv2.ROTATE_90_COUNTERCLOCKWISE: (y, width - 1 - x),
    }[turn]
    face = align_face(cv2.rotate(img, turn), np.column_stack(turned), 112)
    np.testing.assert_array_equal(face, img[20:132, 30:142])


@pytest.mark.parametrize('scale', [2, 5.3, 16])
def test_large_faces_are_averaged(scale):
    """Of a chessboard of single pixels, interpolation alone would show a false pattern."""
    side = round(112 * scale)
    board = (np.indices((side, side)).sum(axis=0) % 2 * 255).astype(np.uint8)
    face = align_face(np.repeat(board[..., None], 3, axis=2), arcface_template(side), 112)
    assert np.abs(face.astype(int) - 127.5).max() < 40
    assert face.std() < 8


def test_only_the_part_that_is_shown_is_worked_on():
    """A small face in a large picture, as alone."""
    img = np.zeros((3000, 4000, 3), np.uint8)
    patch = smooth(300, 300)
    img[1000:1300, 2000:2300] = patch
    points = np.asarray(ARCFACE_112) * 1.3 + 80
    np.testing.assert_allclose(
        align_face(img, points + [2000, 1000], 112).astype(int), align_face(patch, points, 112).astype(int), atol=1
    )


def test_beyond_the_edge_of_the_picture():
    img = np.full((112, 112, 3), 200, np.uint8)
    points = arcface_template(112) + [56, 0]  # half of the face is outside
    assert (align_face(img, points, 112) == 200).all()
    face = align_face(img, points, 112, pad='zero')
    assert (face[:, :55] == 200).all()
    assert (face[:, 57:] == 0).all()


def test_tiny_pictures():
    for shape in ((1, 1), (1, 40), (2, 2)):
        img = np.full((*shape, 3), 77, np.uint8)
        assert (align_face(img, arcface_template(4), 32) == 77).all()


@pytest.mark.parametrize(
    ('landmarks', 'message'),
    [
        (np.zeros((4, 2)), r'of shape \(5, 2\), not \(4, 2\)'),
        (np.zeros((5, 2)), 'points coincide'),
        (np.full((5, 2), np.nan), 'finite'),
        (arcface_template() + 5000, 'lies outside the image of 112 x 112'),
        (arcface_template() - 5000, 'lies outside'),
        (arcface_template() * 1e9 + 1e12, 'lies outside'),
        (arcface_template()[[1, 0, 2, 4, 3]], 'not those of a face: .* on the left of the upright picture'),
        (arcface_template()[[2, 2, 0, 2, 2]], 'not those of a face'),
    ],
)
def test_landmarks_that_are_none(landmarks, message):
    with pytest.raises(ValueError, match=message):
        align_face(np.zeros((112, 112, 3), np.uint8), landmarks)


@pytest.mark.parametrize('part', [0.0, 0.3, 1.0])
def test_landmarks_of_profiles_are_those_of_a_face(part):
    points = arcface_template()
    points[:, 0] = points[:, 0].mean() + part * (points[:, 0] - points[:, 0].mean())
    align_face(np.zeros((112, 112, 3), np.uint8), points)


@pytest.mark.parametrize(
    ('img', 'options', 'message'),
    [
        (np.zeros((112, 112), np.uint8), {}, 'uint8 array'),
        (np.zeros((112, 112, 3), np.float32), {}, 'float32'),
        (np.zeros((0, 0, 3), np.uint8), {}, 'outside the image of 0 x 0'),
        (np.zeros((112, 112, 3), np.uint8), dict(size=0), 'size'),
        (np.zeros((112, 112, 3), np.uint8), dict(margin=-0.5), 'margin'),
        (np.zeros((112, 112, 3), np.uint8), dict(pad='wrap'), 'pad'),
    ],
)
def test_mistakes(img, options, message):
    with pytest.raises(ValueError, match=message):
        align_face(img, arcface_template(), **options)


# ---- without landmarks -----------------------------------------------------------------------------------------------
def test_by_box_is_the_crop_resized():
    img = RNG.randint(0, 256, (60, 80, 3), dtype=np.uint8)
    box = (10, 20, 34, 50)
    crop = crop_face(img, box, margin=0.1)
    assert crop.shape == (36, 36, 3)
    np.testing.assert_array_equal(align_by_box(img, box, 36, 0.1), crop)
    large = align_by_box(img, box, 72, 0.1).astype(int)
    linear = cv2.resize(crop, (72, 72), interpolation=cv2.INTER_LINEAR).astype(int)
    assert np.abs(large - linear)[1:-1, 1:-1].max() <= 2  # beside the crop, there is more of the picture to mix in
    halved = align_by_box(img, box, 18, 0.1).astype(int)
    assert np.abs(halved - cv2.resize(crop, (18, 18), interpolation=cv2.INTER_AREA)).mean() < 6
    wide = align_by_box(img, box, (36, 46), 0.1)
    np.testing.assert_array_equal(wide[:, 5:41], crop)


def test_by_box_pads_like_the_crop():
    img = RNG.randint(1, 256, (40, 40, 3), dtype=np.uint8)
    for pad in ('edge', 'zero'):
        np.testing.assert_array_equal(
            align_by_box(img, (-10, -5, 20, 25), 30, pad=pad), crop_face(img, (-10, -5, 20, 25), pad=pad)
        )


@pytest.mark.parametrize(
    ('box', 'options', 'message'),
    [
        ((1, 1, 1, 1), {}, 'must be four numbers'),
        ((90, 90, 99, 99), {}, 'outside'),
        ((0, 0, 4, 4), dict(size=-3), 'size'),
        ((0, 0, 4, 4), dict(pad=None), 'pad'),
    ],
)
def test_by_box_mistakes(box, options, message):
    with pytest.raises(ValueError, match=message):
        align_by_box(np.zeros((40, 40, 3), np.uint8), box, **options)


def test_both_give_faces_of_about_the_same_size(photo, yunet_file):
    from mmfer.faces.yunet import YuNet

    for name in ('single_face.jpg', 'astronaut.png'):
        img = photo(name)
        face = YuNet(yunet_file)(img)[0]
        eyes = np.linalg.norm(face.landmarks[1] - face.landmarks[0])
        x1, y1, x2, y2 = face.box
        by_box = eyes / max(x2 - x1, y2 - y1)
        template = arcface_template(1000)
        assert 0.8 < by_box * 1000 / np.linalg.norm(template[1] - template[0]) < 1.3
