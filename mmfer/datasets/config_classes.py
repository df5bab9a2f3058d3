"""The classes that a config's data have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.registry import DATASETS
from mmfer.structures.expressions import own_classes
from mmfer.utils.nesting import inside

from .wrappers.base import is_own
from .wrappers.concat import joint_classes


def config_classes(config: Config) -> tuple[str, ...] | None:
    """Class names, in label order, that a model trained with ``config`` has; None where its data set cannot tell.

    A data set that refuses its own arguments (``CustomDataset`` of mmpretrain without any path) cannot tell either, and
    a warning says why.

    Raises:
        ValueError: If data sets are joined that do not have the same classes.
    """
    data = (config.get('train_dataloader') or config.get('test_dataloader') or {}).get('dataset') or {}
    return _data_classes(data, str(config.filename))


def _data_classes(data: Mapping, file: str) -> tuple[str, ...] | None:
    parts = inside(data)
    if data.get('classes'):  # of a data set, or of MapClasses
        names = tuple(data['classes'])
        return own_classes(names) if is_own(data) and not parts else names
    if parts:
        lists = [_data_classes(part, file) for part in parts]
        if None in lists:
            return None
        if len(set(lists)) > 1 and not is_own(data):
            raise ValueError(
                f'{file}: the data sets of a ConcatDataset of MMEngine have different classes: '
                f'{"; ".join(", ".join(own) for own in lists)}. Join them with mmfer.datasets.ConcatDataset'
            )
        return joint_classes(lists)
    with DefaultScope.overwrite_default_scope('mmfer'):
        try:
            settings = {key: value for key, value in data.items() if key != 'pipeline'}
            classes = DATASETS.build(dict(settings, lazy_init=True)).metainfo.get('classes')
        except (FileNotFoundError, KeyError, TypeError):
            return None
        except AssertionError as error:
            warnings.warn(
                f'{file}: the data set cannot tell its classes ({error}); complete its paths, or set '
                'classes=(...) in train_dataloader.dataset',
                stacklevel=3,
            )
            return None
    return tuple(map(str, classes)) if classes else None
