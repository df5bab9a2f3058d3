import numpy as np
import pytest
from mmcv.transforms.utils import cache_random_params

from mmfer.registry import TRANSFORMS

IMG = np.random.RandomState(0).randint(0, 256, (30, 30, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    'config',
    [
        dict(type='ColorJitter', brightness=0.2, contrast=0.2, saturation=0.2, hue=0.1),
        dict(type='ImageGaussianNoise', std=3),
        dict(type='ImageRandomCrop', size=20, padding=8),
        dict(type='ImageRandomErasing', p=1),
        dict(type='ImageRandomRotation', degrees=20),
        dict(type='RandomAffine', degrees=20),
        dict(type='RandomCamera', brightness=30, noise=2),
    ],
    ids=lambda config: config['type'],
)
def test_seed_reproduces_and_draws_can_be_cached(config):
    transform, outs = TRANSFORMS.build(dict(config, type=f'mmfer.{config["type"]}')), []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        outs.append(transform(dict(img=IMG))['img'])
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()
    with cache_random_params(transform):
        a, b = (transform(dict(img=IMG))['img'] for _ in range(2))
    np.testing.assert_array_equal(a, b)
