"""The recipe of a config's pipeline in torchvision's transforms on PIL images, for comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from mmcv.transforms import RandomFlip
from PIL import Image
from torchvision import transforms

from mmfer.datasets.transforms.color_jitter import ColorJitter
from mmfer.datasets.transforms.crop import ImageRandomCrop
from mmfer.datasets.transforms.formatting import PackInputs
from mmfer.datasets.transforms.loading import LoadImageFromFile
from mmfer.datasets.transforms.random_erasing import ImageRandomErasing
from mmfer.datasets.transforms.rotation import ImageRandomRotation
from mmfer.faces.cropping import CropFace
from mmfer.faces.resizing import ImageCenterCrop, ImageResize

_MODES = transforms.InterpolationMode


def open_rgb(path: str) -> Image.Image:
    """An image file as torchvision's data sets open it."""
    with Image.open(path) as image:
        return image.convert('RGB')


def _flip(step: RandomFlip) -> Callable:
    if step.direction != 'horizontal' or not isinstance(step.prob, (int, float)):
        raise ValueError('RandomFlip has a counterpart in torchvision only with one prob and direction="horizontal"')
    return transforms.RandomHorizontalFlip(step.prob)


def _crop(step: ImageRandomCrop) -> Callable:
    return transforms.RandomCrop(step.size, padding=list(step.padding), fill=step.fill[::-1])


def _jitter(step: ColorJitter) -> Callable:
    ranges = dict(brightness=step.brightness, contrast=step.contrast, saturation=step.saturation, hue=step.hue)
    return transforms.ColorJitter(**{name: value or 0 for name, value in ranges.items()})


def _erasing(step: ImageRandomErasing) -> Callable:
    return transforms.RandomErasing(step.p, step.scale, step.ratio, 'random' if step.value == 'random' else 0)


_COUNTERPARTS = {
    ImageResize: lambda step: transforms.Resize(step.size, _MODES(step.interpolation)),
    RandomFlip: _flip,
    ImageRandomRotation: lambda step: transforms.RandomRotation(step.degrees, fill=step.fill[::-1]),
    ImageRandomCrop: _crop,
    ImageCenterCrop: lambda step: transforms.CenterCrop(step.size),
    ColorJitter: _jitter,
}


def torchvision_recipe(steps: Sequence, mean: Sequence[float], std: Sequence[float]) -> Callable[[str], torch.Tensor]:
    """Translate a pipeline step by step.

    Args:
        steps: Built transforms, from ``LoadImageFromFile`` to ``PackInputs``.
        mean: Of the data preprocessor, RGB, on the scale of 0..255.
        std: The same.

    Returns:
        A function from the path of an image to the normalised RGB tensor (3, H, W). Erasing comes after the
        normalisation and, unless it is by noise, sets 0, as in the published recipes.

    Raises:
        ValueError: A step has no counterpart in torchvision, or comes after erasing; the message names it.
    """
    steps = list(steps)
    if not steps or not isinstance(steps[0], LoadImageFromFile):
        raise ValueError('the pipeline must begin with LoadImageFromFile to be compared with torchvision')
    on_images, on_tensors = [], []
    for step in steps[1:]:
        if isinstance(step, PackInputs) or (isinstance(step, CropFace) and not step.required):
            continue  # files alone bring no face boxes: nothing is cropped
        if isinstance(step, ImageRandomErasing):
            on_tensors.append(_erasing(step))
        elif type(step) not in _COUNTERPARTS:
            known = ', '.join(kind.__name__ for kind in (*_COUNTERPARTS, ImageRandomErasing))
            raise ValueError(f'{type(step).__name__} has no counterpart in torchvision here; these have: {known}')
        elif on_tensors:
            raise ValueError(f'{type(step).__name__} after ImageRandomErasing: torchvision erases last, on the tensor')
        else:
            on_images.append(_COUNTERPARTS[type(step)](step))
    normalize = transforms.Normalize([v / 255 for v in mean], [v / 255 for v in std])
    recipe = transforms.Compose([*on_images, transforms.ToTensor(), normalize, *on_tensors])
    return lambda path: recipe(open_rgb(path))
