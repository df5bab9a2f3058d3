"""Chooses and checks the images of a calibration."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.datasets.same_images import image_ids
from mmfer.engine.evaluate import borrow_test_data
from mmfer.registry import DATASETS
from mmfer.structures.expressions import class_indices, class_key
from mmfer.utils.config_options import load_config
from mmfer.utils.nesting import leaves

STRAY = 0.01  # share of images that may look like others by their name and size alone


def choose_data(config: Config, data: str | Path | Config | None, test: bool) -> dict:
    """The loader of the images for the fit, whole and in order."""
    other = config if data is None else data if isinstance(data, Config) else load_config(data)
    name = 'test_dataloader' if test or not other.get('val_dataloader') else 'val_dataloader'
    if not other.get(name):
        raise ValueError(f'{_name(other)} has neither val_dataloader nor test_dataloader: name a config with --data')
    if data is None:
        loader = copy.deepcopy(config[name])
    else:
        theirs, own = copy.deepcopy(other), copy.deepcopy(config)
        theirs.test_dataloader = theirs[name]
        if own.get('test_dataloader') is None:
            raise ValueError(f'{_name(config)} has no test_dataloader, whose preprocessing --data needs')
        borrow_test_data(own, theirs)
        loader = own.test_dataloader
    sampler = dict(type='DefaultSampler', shuffle=False)
    kept = {key: value for key, value in loader.items() if key not in ('batch_sampler', 'drop_last')}
    return dict(kept, sampler=sampler)


def _name(config: Config) -> str:
    return str(config.filename or 'the config')


def list_images(dataset: Mapping) -> np.ndarray:
    """Identification numbers (N,) of the images of a data set, without drawing or reading the images."""
    settings = copy.deepcopy(dataset)
    for each in leaves(settings):
        if 'cache' in each:
            each['cache'] = False
    with DefaultScope.overwrite_default_scope('mmfer'):
        return image_ids(DATASETS.build(settings))


def _in_common(config: Config, part: str, ids: np.ndarray, notes: list[str]) -> int:
    """How many of the images are of a part of the config, 0 where that is no more than look alike by chance."""
    settings = config.get(f'{part}_dataloader')
    if not settings:
        return 0
    try:
        count = int(np.isin(ids, list_images(settings['dataset'])).sum())
    except FileNotFoundError:
        what = 'training' if part == 'train' else part
        notes.append(f'the {what} images are not here, so nobody checked that the images of the fit are others')
        return 0
    return count if count > STRAY * len(ids) else 0


def refuse_training_images(config: Config, ids: np.ndarray, notes: list[str]) -> None:
    """Raise a ValueError if these images are training images; add a note if that cannot be checked."""
    count = _in_common(config, 'train', ids, notes)
    if count:
        raise ValueError(
            f'{count} of the {len(ids)} images are training images of {_name(config)}, of which the model is far '
            'surer than of new ones: calibrate on images that it has not seen (--data CONFIG, or --holdout SHARE). '
            '(mmfer explain calibration-images)'
        )


def refuse_test_images(config: Config, ids: np.ndarray, allowed: bool, notes: list[str]) -> None:
    """Raise a ValueError if these images are test images; if that is ``allowed``, add a note."""
    count = _in_common(config, 'test', ids, notes)
    text = f'{count} of the {len(ids)} images are test images of {_name(config)}'
    if count and allowed:
        notes.append(f'{text}: NLL, Brier score and ECE of a test on them are better than on new images')
    elif count:
        raise ValueError(
            f'{text}, so a test would be on what was fitted. Use\n'
            '  --holdout 0.5     to fit on a half of them, drawn by a seed, and report on the other half,\n'
            '  --data CONFIG     for the validation images of another config,\n'
            '  --cfg-options val_dataloader.dataset.split=val     where the data set has such a part, or\n'
            '  --allow-test      if the test on them is not to be believed. (mmfer explain calibration-images)'
        )


def to_model_labels(target: np.ndarray, theirs: Any, own: Any, num_classes: int) -> np.ndarray:
    """Labels (N,) of data in the order of the model's classes.

    Args:
        target: The labels.
        theirs: Names of the classes of the data; None where they do not tell.
        own: Names of the classes of the model, likewise.
        num_classes: K, of the model.

    Raises:
        ValueError: If the data show a class that the model does not have.
    """
    if not theirs or not own:
        if target.max() >= num_classes:
            raise ValueError(f'the data have label {target.max()}, the model {num_classes} classes')
        return target
    theirs, own = ([class_key(str(name)) for name in names] for names in (theirs, own))
    lost = [name for i, name in enumerate(theirs) if name not in own and (target == i).any()]
    if lost:
        raise ValueError(
            f'the data show {", ".join(lost)}, which the model does not have ({", ".join(own)}): leave these images '
            'out, or let them count as something else, with the wrapper MapClasses in the config of the data'
        )
    indices = [-1 if index is None else index for index in class_indices(theirs, own)]
    return np.array(indices)[target]
