import numpy as np
import pytest

from mmfer.datasets import RandomCamera

IMG = np.random.default_rng(0).integers(0, 256, (24, 20, 3), dtype=np.uint8)


def draws(count, img=IMG, **options):
    np.random.seed(0)
    transform = RandomCamera(**options)
    return np.stack([transform(dict(img=img))['img'] for _ in range(count)]).astype(float)


def test_without_ranges_nothing_changes():
    np.testing.assert_array_equal(draws(3), np.stack([IMG] * 3))


def test_each_range_is_kept():
    grey = np.full((24, 20, 3), 100, np.uint8)
    levels = draws(200, grey, brightness=30)[:, 0, 0, 0]
    assert (levels.min(), levels.max()) == (pytest.approx(70, abs=2), pytest.approx(130, abs=2))
    halves = np.where(np.arange(20)[:, None] < 10, 80, 120) + np.zeros((24, 20, 3))
    spread = np.ptp(draws(200, halves.astype(np.uint8), contrast=0.5), axis=(1, 2, 3))
    assert (spread.min(), spread.max()) == (pytest.approx(20, abs=2), pytest.approx(60, abs=2))
    expected = 255 * (100 / 255) ** np.exp([-0.4, 0.4])
    levels = draws(300, grey, gamma=0.4)[:, 0, 0, 0]
    np.testing.assert_allclose([levels.max(), levels.min()], expected, atol=2)
    light = draws(200, grey, side_light=50)
    assert 45 < np.ptp(light, axis=(1, 2, 3)).max() <= 72  # a diagonal ramp is longer
    np.testing.assert_allclose(light.mean((1, 2, 3)), 100, atol=0.6)
    noise = draws(200, grey, noise=8) - 100
    assert 7 < noise.std((1, 2, 3)).max() < 8.6
    assert (noise[..., 0] == noise[..., 2]).all()


def test_fewer_pixels_blur_and_come_as_often_as_asked():
    noise = draws(400, resolution=0.3, resolution_prob=0.25)
    same = (noise == IMG).all((1, 2, 3)).mean()
    assert same == pytest.approx(0.75, abs=0.07)
    assert noise.std((1, 2, 3)).min() < 0.6 * IMG.std()


def test_grey_stays_grey():
    grey = np.repeat(IMG[..., :1], 3, axis=2)
    options = dict(resolution=0.5, side_light=60, contrast=0.3, brightness=30, gamma=0.3, noise=6)
    out = draws(20, grey, **options)
    assert (out[..., 0] == out[..., 1]).all()
    with pytest.raises(ValueError, match='resolution=0 is out of range'):
        RandomCamera(resolution=0)
