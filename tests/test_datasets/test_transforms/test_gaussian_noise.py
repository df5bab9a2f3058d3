import numpy as np
import pytest

from mmfer.datasets import ImageGaussianNoise


def test_moments_and_independence_of_channels():
    np.random.seed(0)
    img = np.full((200, 200, 3), 100, np.uint8)
    out = ImageGaussianNoise()(dict(img=img))['img']
    assert out.dtype == np.uint8
    assert (img == 100).all()
    noise = out.astype(float) - 100
    assert noise.mean() == pytest.approx(-0.5, abs=0.05)  # fractions are cut down
    assert noise.var() == pytest.approx(30 + 1 / 12, rel=0.02)
    assert np.abs(np.corrcoef(noise.reshape(-1, 3).T) - np.eye(3)).max() < 0.02


def test_the_ends_of_the_scale_and_no_noise():
    np.random.seed(0)
    img = np.stack([np.zeros((9, 9)), np.full((9, 9), 255), np.full((9, 9), 7)], -1).astype(np.uint8)
    out = ImageGaussianNoise(std=80)(dict(img=img))['img']
    assert (out[..., 0] < 200).all()
    assert (out[..., 1] > 20).all()
    np.testing.assert_array_equal(ImageGaussianNoise(std=0)(dict(img=img))['img'], img)


@pytest.mark.parametrize(('std', 'error'), [('5', TypeError), (True, TypeError), (-1, ValueError), (1e999, ValueError)])
def test_wrong_deviations(std, error):
    with pytest.raises(error, match='std='):
        ImageGaussianNoise(std=std)
