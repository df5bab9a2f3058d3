import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import RandomFlip, Resize
from torchvision_recipe import torchvision_recipe

from mmfer.datasets import ColorJitter, LoadImageFromFile, PackInputs
from mmfer.datasets.transforms.crop import ImageRandomCrop
from mmfer.datasets.transforms.random_erasing import ImageRandomErasing
from mmfer.datasets.transforms.rotation import ImageRandomRotation
from mmfer.faces.cropping import CropFace
from mmfer.faces.resizing import ImageCenterCrop, ImageResize

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'a.png'
    file.write_bytes(cv2.imencode('.png', np.random.RandomState(0).randint(0, 256, (30, 26, 3), dtype=np.uint8))[1])
    return str(file)


def test_both_sides_give_the_same_tensor(path):
    """Every step is there, with ranges of a single value; the crop is as large as the padded image."""
    steps = [
        LoadImageFromFile(),
        CropFace(),
        ImageResize(40, interpolation='nearest'),
        RandomFlip(prob=1.0),
        ImageRandomRotation((8, 8), fill=(10, 20, 30)),
        ImageRandomCrop((48, 44), padding=(2, 1), fill=(1, 2, 3)),
        ImageCenterCrop((36, 36)),
        ColorJitter(brightness=(1.1, 1.1)),
        ImageRandomErasing(p=0),
        PackInputs(),
    ]
    results = dict(img_path=path)
    for step in steps:
        results = step(results)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    expected = (results['inputs'].flip(0) - mean) / std
    assert (torchvision_recipe(steps, MEAN, STD)(path) - expected).abs().max() < 1e-5


def test_erasing_comes_after_the_normalisation(path):
    steps = [LoadImageFromFile(), ImageRandomErasing(p=1, scale=(0.3, 0.3), ratio=(1, 1)), PackInputs()]
    out = torchvision_recipe(steps, MEAN, STD)(path)
    assert 0.2 < (out == 0).float().mean() < 0.4


@pytest.mark.parametrize(
    ('steps', 'message'),
    [
        ([], 'begin with LoadImageFromFile'),
        ([PackInputs()], 'begin with LoadImageFromFile'),
        ([LoadImageFromFile(), Resize(scale=(8, 8))], 'Resize has no counterpart .* ImageResize'),
        ([LoadImageFromFile(), CropFace(required=True)], 'CropFace has no counterpart'),
        ([LoadImageFromFile(), RandomFlip(prob=0.5, direction='vertical')], 'RandomFlip has a counterpart .* only'),
        ([LoadImageFromFile(), ImageRandomErasing(), ImageCenterCrop(8)], 'ImageCenterCrop after ImageRandomErasing'),
    ],
)
def test_steps_without_a_counterpart_are_named(steps, message):
    with pytest.raises(ValueError, match=message):
        torchvision_recipe(steps, MEAN, STD)
