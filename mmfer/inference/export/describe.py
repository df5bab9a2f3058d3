"""The metadata of an exported file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.datasets.config_classes import config_classes
from mmfer.inference.onnx import check_steps
from mmfer.inference.sources import NetworkView
from mmfer.inference.torch_classifier import test_steps
from mmfer.registry import TRANSFORMS
from mmfer.utils.files import sha256
from mmfer.version import __version__


def describe(
    config: Config, checkpoint: str | Path, model: nn.Module, classes: Sequence[str] | None = None
) -> dict[str, Any]:
    """All that is needed to use a model without its config and checkpoint, as values of JSON.

    Args:
        config: Of the model.
        checkpoint: Its file.
        model: Of :func:`mmfer.init_model`, with the checkpoint's weights and a head of mmfer.
        classes: Names of the classes, instead of the checkpoint's or the data set's.

    Returns:
        ``mmfer`` (version), ``task``, ``input`` (``name``, ``size`` (H, W), ``mean`` and ``std`` in the channel order
        of the network and units of 0..255, ``channel_order``: that of the network), ``images`` (what users hand over),
        ``classes``, ``pipeline`` and ``face_crop`` (see ``OnnxClassifier``), ``head``, ``calibration`` (``weight`` and
        ``bias`` of K numbers, or None), ``abstention``, ``sets``, ``votes`` (whether the head learned from
        votes), ``precision``, ``comparison`` (with float32, or None), ``config``, ``checkpoint``,
        ``checkpoint_sha256``.

    Raises:
        ValueError: If nothing names the classes, ``classes`` are in another order than in the checkpoint, or test
            images are not prepared in a way that a file can hold.
    """
    known = tuple(model.classes or ())
    classes = tuple(map(str, classes or known or config_classes(config) or ()))
    if sorted(classes) == sorted(known) and classes != known:
        raise ValueError(f'{checkpoint} has the classes in the order {" ".join(known)}. Leave out --classes.')
    if not classes:
        raise ValueError(
            f'neither {checkpoint} nor {config.filename} names the classes: give their names in label order '
            '(--classes NAME NAME ...)'
        )
    if len(classes) != model.head.num_classes or len(set(classes)) != len(classes):
        raise ValueError(
            f'{len(classes)} names of classes ({", ".join(classes)}) for a model of {model.head.num_classes}: each '
            'class needs one name of its own'
        )
    crop, steps = test_steps(config)
    pipeline = [_plain_step(step) for step in steps]
    calibration = model.head.calibration
    if calibration is not None:
        calibration = dict(weight=_numbers(calibration.weight), bias=_numbers(calibration.bias))
    return dict(
        mmfer=__version__,
        task='facial expression recognition',
        input=dict(name='images', size=list(input_size(pipeline, config)), **read_normalisation(model)),
        images='uint8, BGR, (B, 3, H, W): to channel_order, less mean, divided by std',
        classes=list(classes),
        pipeline=pipeline,
        face_crop=None if crop is None else _plain_step(crop),
        head=type(model.head).__name__,
        calibration=calibration,
        abstention=_plain_record(model.abstention),
        sets=_plain_record(model.sets),
        votes=bool(model.head.uses_votes),
        precision='float32',
        comparison=None,
        config=Path(config.filename).name if config.filename else None,
        checkpoint=Path(checkpoint).name,
        checkpoint_sha256=sha256(checkpoint),
    )


def _plain_step(step: Mapping) -> dict[str, Any]:
    """A transform's config in JSON's values, with a name that ``TRANSFORMS`` finds."""

    def plain(value: Any) -> Any:
        if isinstance(value, type):
            return value.__name__
        if isinstance(value, Mapping):
            return {
                str(key): plain(item).rpartition('.')[2] if key == 'type' else plain(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, (np.ndarray, np.generic)):
            return value.tolist()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise ValueError(f'the step {step["type"]} of the test data has {value!r}, which a file cannot hold')

    found = plain(step)
    check_steps(found)
    with DefaultScope.overwrite_default_scope('mmfer'):
        cls = TRANSFORMS.get(found['type'])
    if cls is None or (isinstance(step['type'], type) and cls is not step['type']):
        raise ValueError(
            f'the step {step["type"]} of the test data is not registered under the name {found["type"]}: users of the '
            'file could not build it'
        )
    return found


def input_size(pipeline: Sequence[Mapping], config: Config) -> tuple[int, int]:
    """(H, W) of the images behind a pipeline.

    Raises:
        ValueError: If it depends on the image, or they are no uint8 images any more.
    """
    sizes: set[tuple[int, int]] = set()
    view = NetworkView(pipeline)
    for height, width in ((300, 400), (500, 330)):
        image = view(np.zeros((height, width, 3), np.uint8))
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                f'the test pipeline of {config.filename} gives {image.dtype} images of shape {image.shape}: leave '
                'normalisation to the data preprocessor'
            )
        sizes.add((int(image.shape[0]), int(image.shape[1])))
    if len(sizes) > 1:
        raise ValueError(
            f'the test pipeline of {config.filename} gives images of no fixed size: end it with '
            'dict(type=ImageResize, size=(H, W)), at the size of the training'
        )
    return sizes.pop()


def read_normalisation(model: nn.Module) -> dict[str, Any]:
    """``mean``, ``std`` and ``channel_order`` of a data preprocessor, for which OpenCV's images are BGR.

    Raises:
        ValueError: If that is not all that it does.
    """
    preprocessor = model.data_preprocessor
    rgb = bool(getattr(preprocessor, 'rgb', getattr(preprocessor, 'to_rgb', False)))
    values = [getattr(preprocessor, name, default) for name, default in (('mean', (0.0,) * 3), ('std', (1.0,) * 3))]
    mean, std = (torch.as_tensor(value, dtype=torch.float32).flatten().cpu() for value in values)
    images = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = preprocessor(dict(inputs=images.clone(), data_samples=None))['inputs']
    said = ((images.flip(1) if rgb else images) - mean.view(-1, 1, 1)) / std.view(-1, 1, 1)
    if seen.shape != said.shape or not torch.allclose(seen.cpu().float(), said, rtol=0, atol=1e-5):
        raise ValueError(
            f'{type(preprocessor).__name__} does more than normalise images and turn their channels round, which an '
            'exported file could not do: use FERDataPreprocessor'
        )
    mean, std = (_numbers(value.expand(3)) for value in (mean, std))
    return dict(mean=mean, std=std, channel_order='RGB' if rgb else 'BGR')


def _numbers(values: torch.Tensor) -> list[float]:
    """The shortest numbers that are these in single precision: 123.675, not 123.67500305175781."""
    return [float(str(value)) for value in values.cpu().float().numpy()]


def _plain_record(record: Any) -> dict[str, Any] | None:
    """What JSON can hold of a record in a checkpoint: no tensors, and None for numbers that are not finite."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(item) for key, item in value.items() if not isinstance(item, torch.Tensor)}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if isinstance(value, float) and not math.isfinite(value):
            return None
        return value if value is None or isinstance(value, (bool, int, float)) else str(value)

    return plain(record) if isinstance(record, Mapping) else None


def to_json(description: Mapping[str, Any]) -> str:
    """A description as exported files hold it."""
    return json.dumps(description, ensure_ascii=False, allow_nan=False)
