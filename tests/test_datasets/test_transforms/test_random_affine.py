import cv2
import numpy as np
import pytest

from mmfer.datasets import RandomAffine


def test_without_ranges_nothing_changes():
    img = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    np.testing.assert_array_equal(RandomAffine()(dict(img=img))['img'], img)
    with pytest.raises(ValueError, match='scale=-1 is out of range'):
        RandomAffine(scale=-1)


def test_the_map_keeps_its_ranges():
    np.random.seed(0)
    transform = RandomAffine(degrees=15, scale=0.2, stretch=0.1, shift=0.12)
    centre = np.array([(24 - 1) / 2, (20 - 1) / 2, 1])
    angles, sizes, stretches, shifts = [], [], [], []
    for _ in range(300):
        matrix = transform.matrix(20, 24)
        columns = np.linalg.norm(matrix[:, :2], axis=0)
        angles.append(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))
        sizes.append(np.sqrt(columns[0] * columns[1]))
        stretches.append(columns[0] / columns[1])
        shifts.append((matrix @ centre - centre[:2]) / (24, 20))
        assert matrix[:, 0] @ matrix[:, 1] == pytest.approx(0, abs=1e-9)  # no shear
    for values, low, high in ((angles, -15, 15), (sizes, 0.8, 1.2), (stretches, 0.9, 1.1), (shifts, -0.12, 0.12)):
        width = 0.1 * (high - low)
        assert low - 1e-6 <= np.min(values) < low + width
        assert high - width < np.max(values) <= high + 1e-6


def test_pixels_move_as_the_map_says_and_borders_are_replicated():
    np.random.seed(3)
    transform = RandomAffine(degrees=10, scale=0.1, shift=0.1)
    matrix = transform.matrix(40, 40)
    y, x = np.mgrid[:40, :40].astype(np.float32)
    img = np.stack([4 * x, 4 * y, np.full_like(x, 90)], -1).astype(np.uint8)
    np.random.seed(3)
    out = transform(dict(img=img))['img'].astype(float)
    back = cv2.invertAffineTransform(matrix) @ np.array([20, 18, 1.0])
    np.testing.assert_allclose(out[18, 20, :2] / 4, back, atol=0.3)
    assert (out[..., 2] == 90).all()
