"""From an image to what a network sees: one way for predictions, checks of exported files and heat maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from mmfer.structures.results import Face

DEFAULT_CROP = dict(type='CropFace', margin=0.1)
# Transforms that need neither PyTorch nor MMEngine, and their modules in mmfer.faces; those in use are imported.
_OWN = dict(AlignFace='alignment', CropFace='cropping', ImageCenterCrop='resizing', ImageResize='resizing')


def build_step(step: Mapping[str, Any]) -> Callable[[dict], dict]:
    """The transform of a config. Those of :mod:`mmfer.faces` need nothing, others the registry of transforms.

    Raises:
        ImportError: If the transform is another one, and what training needs is not installed.
    """
    kind = step['type']
    name = kind.removeprefix('mmfer.') if isinstance(kind, str) else None
    if name in _OWN:
        cls = getattr(import_module(f'mmfer.faces.{_OWN[name]}'), name)
        return cls(**{key: value for key, value in step.items() if key != 'type'})
    from mmfer.utils.optional import require_training

    require_training(f'the transform {kind} of the test images is none of {", ".join(_OWN)}')
    from mmengine.registry import DefaultScope

    from mmfer.registry import TRANSFORMS

    with DefaultScope.overwrite_default_scope('mmfer'):
        return TRANSFORMS.build(dict(step))


class NetworkView:
    """Prepares images as the tests of a model do.

    Args:
        pipeline: Transforms between the face that is cut out and the batch, as configs and exported files have them.
        crop: How faces are cut out of photos, as a transform's config; None is ``DEFAULT_CROP``.
    """

    def __init__(self, pipeline: Sequence[Mapping], crop: Mapping | None = None) -> None:
        self._steps = [build_step(step) for step in pipeline]
        self._crop = build_step(crop or DEFAULT_CROP)

    def __call__(self, img: np.ndarray, face: Face | None = None, name: str = 'image') -> np.ndarray:
        """What the network sees, uint8 (H, W, 3) BGR to uint8 (h, w, 3) BGR.

        Args:
            img: The image.
            face: The face in it; None takes the image for one face that is cut out already.
            name: Of the image, for messages.

        Raises:
            ValueError: If a transform refuses or drops the image.
        """
        sample = dict(img=img, img_path=name, img_shape=img.shape[:2], ori_shape=img.shape[:2])
        steps = self._steps
        if face is not None:
            sample.update(face_box=face.box, face_landmarks=face.landmarks)
            steps = [self._crop, *steps]
        for step in steps:
            sample = step(sample)
            if sample is None:
                raise ValueError(f'{name}: {type(step).__name__} dropped the image')
        return np.ascontiguousarray(sample['img'])
