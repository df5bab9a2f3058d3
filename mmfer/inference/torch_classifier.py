"""The model of a config with its checkpoint, run by PyTorch. Its predictions are NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmfer.datasets.config_classes import config_classes
from mmfer.models.build import init_model
from mmfer.registry import TRANSFORMS
from mmfer.structures.label_sets import check_sets
from mmfer.utils.config_options import load_config
from mmfer.utils.nesting import shared_pipeline

CROPS = ('CropFace', 'AlignFace')
NOT_PREPARING = ('LoadImageFromFile', 'PackInputs')
FIELDS = ('pred_score', 'pred_mean', 'pred_std', 'uncertainty', 'aleatoric', 'epistemic', 'pred_factor')
FIELDS += ('pred_concentration', 'pred_samples')


class TorchClassifier:
    """A model of a config with its checkpoint; see :class:`mmfer.inference.inferencer.Classifier`.

    Args:
        config: Config file or object.
        checkpoint: A checkpoint that mmfer trained or converted; None leaves random weights, with a warning.
        device: Where the model goes; a GPU where there is one, by default.

    Raises:
        FileNotFoundError: If the config or the checkpoint does not exist.
        ValueError: If they do not fit, nothing names the classes, the head is none of mmfer's, or there is no such
            device.
    """

    def __init__(self, config: Any, checkpoint: str | Path | None = None, device: Any = None) -> None:
        config = config if hasattr(config, 'merge_from_dict') else load_config(config)
        self.face_crop: Mapping | None
        self.face_crop, self.pipeline = test_steps(config)
        self.model = init_model(config, checkpoint, find_device(device))
        self.source = str(checkpoint or config.filename)
        head = self.model.head
        if not hasattr(head, 'predictions'):
            raise ValueError(f'{type(head).__name__} is no head of mmfer (BaseHead), and does not say how sure it is')
        classes = self.model.classes or config_classes(config)
        if not classes:
            raise ValueError(
                f'neither {checkpoint or "a checkpoint"} nor {config.filename} names the classes: train with mmfer, or '
                'set classes=(...) in the data set of the config'
            )
        if len(classes) != head.num_classes:
            raise ValueError(
                f'{self.source}: {len(classes)} names ({", ".join(classes)}) for {head.num_classes} classes'
            )
        self.classes = tuple(map(str, classes))
        own = head.calibration
        self.calibration: tuple[np.ndarray, ...] | None
        self.calibration = None if own is None else (own.weight.cpu().numpy(), own.bias.cpu().numpy())
        self.abstention = self.model.abstention
        self.votes = bool(getattr(self.model.head, 'uses_votes', False))
        self.sets = check_sets(self.model.sets, len(self.classes))

    def __call__(self, images: np.ndarray) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            data = dict(inputs=torch.from_numpy(images), data_samples=None)
            inputs = self.model.data_preprocessor(data)['inputs']
            head = self.model.head
            outputs = head.predictions(head.pre_logits(self.model.extract_feat(inputs)))
            return {name: outputs[name].float().cpu().numpy() for name in FIELDS if name in outputs}


def find_device(device: Any = None) -> torch.device:
    """The torch device of this name; by default a GPU if there is one.

    Raises:
        ValueError: If there is no such device.
    """
    try:
        device = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
        torch.empty(0, device=device)
    except Exception as error:  # of many kinds: unknown names, missing builds, missing hardware
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(f'device={str(device)!r} cannot be used here: {reason}') from None
    return device


def test_steps(config: Any) -> tuple[dict | None, list[dict]]:
    """How the test data of a config are prepared.

    Returns:
        How faces are cut out of photos: ``face_crop`` of the config, or the step of its pipeline that does it, or None.
        The transforms between the face that is cut out and the batch.

    Raises:
        ValueError: If the config has no pipeline for test images, several, or one that cannot be used for a photo.
    """
    loader = config.get('test_dataloader') or config.get('val_dataloader') or {}
    steps = shared_pipeline(loader.get('dataset') or {}, f'{config.filename}: test_dataloader')
    if not steps:
        raise ValueError(f'{config.filename} has no test_dataloader with a pipeline: how are images prepared?')
    crop: dict | None = None
    found: list[dict] = []
    for step in steps:
        cls = TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type']
        if cls is None:
            raise ValueError(f'{config.filename}: the transform {step["type"]} of the test data is not registered')
        if cls.__name__ == 'TestTimeAug':
            raise ValueError(
                f"{config.filename}: TestTimeAug makes views of test images, not one. Take it out, and use tta='flip' "
                'for predictions (--tta flip)'
            )
        if cls.__name__ in CROPS:
            if found or crop:
                other = crop or found[-1]
                raise ValueError(
                    f'{config.filename}: {cls.__name__} must come right after the loading of test images, not behind '
                    f'{getattr(other["type"], "__name__", other["type"])}: boxes refer to the whole image'
                )
            crop = step
        elif cls.__name__ not in NOT_PREPARING:
            found.append(dict(step))
    crop = config.get('face_crop') or crop
    return (None if crop is None else dict(crop)), found


test_steps.__test__ = False  # type: ignore[attr-defined]
