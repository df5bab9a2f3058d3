"""The pipelines of DAN, DDAMFN, SCN, EAC and RUL on an image, with every random step applied."""

from pathlib import Path

import numpy as np
import pytest
from mmcv.transforms import RandomApply
from mmengine.registry import DefaultScope

from mmfer.apis import load_config
from mmfer.registry import TRANSFORMS

ROOT = Path(__file__).resolve().parents[2]
SIZES = {
    'dan/raf': 224,
    'dan/affectnet7': 224,
    'ddamfn/raf': 112,
    'ddamfn/raf_pp': 112,
    'ddamfn/affectnet7_pp': 112,
    'ddamfn/ferplus': 112,
    'scn/raf': 224,
    'scn/affectnet7': 224,
    'scn/ferplus': 224,
    'eac/raf': 224,
    'eac/affectnet7': 224,
    'eac/ferplus': 224,
    'rul/raf': 224,
}


@pytest.mark.parametrize('name', list(SIZES))
@pytest.mark.parametrize('part', ['train', 'test'])
def test_pipelines_end_at_the_size_of_the_network(name, part):
    config = load_config(ROOT / f'configs/{name}.py')
    steps = [
        step
        for step in config[f'{part}_dataloader'].dataset.pipeline
        if step.type.__name__ not in ('LoadImageFromFile', 'CropFace')
    ]
    with DefaultScope.overwrite_default_scope('mmfer'):
        steps = [TRANSFORMS.build(step) for step in steps]
    random = [step for step in steps if isinstance(step, RandomApply)]
    assert len(random) == (part == 'train')
    for step in random:
        step.prob = 1.0
    for seed in range(4):
        np.random.seed(seed)
        image = np.random.default_rng(seed).integers(0, 256, (100, 90, 3), dtype=np.uint8)
        results = dict(img=image, img_path='face.png', gt_label=1, gt_score=np.full(8, 0.125, np.float32))
        for step in steps:
            results = step(results)
        assert results['inputs'].shape == (3, SIZES[name], SIZES[name])
        assert results['inputs'].any()
