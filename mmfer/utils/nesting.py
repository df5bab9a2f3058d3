"""What is inside wrappers of data sets, built or as configs: one under ``dataset``, several under ``datasets``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

PLACE = 'concat_place'
"""Key of an entry of ``ConcatDataset``: which of its data sets the sample is from, and its index there."""


def inside(data: Any) -> list:
    """What a wrapper is around, in order; empty for a data set itself.

    Args:
        data: A data set or a wrapper of mmfer, MMEngine, mmpretrain or PyTorch, or the config of one.

    Examples:
        >>> inside(dict(type='ConcatDataset', datasets=[dict(type='JAFFE'), dict(type='KDEF')]))
        [{'type': 'JAFFE'}, {'type': 'KDEF'}]
    """
    is_config = isinstance(data, Mapping)
    one, several = (data.get(name) if is_config else getattr(data, name, None) for name in ('dataset', 'datasets'))
    if one is not None:
        return [one]
    return list(several) if several is not None else []


def walk(data: Any) -> Iterator:
    """``data`` and all that is inside it, each wrapper before what it is around."""
    yield data
    for part in inside(data):
        yield from walk(part)


def leaves(data: Any) -> list:
    """The data sets inside all wrappers, in order; ``data`` itself where it is none.

    Examples:
        >>> leaves(dict(type='KFold', dataset=dict(type='KDEF')))
        [{'type': 'KDEF'}]
    """
    return [each for each in walk(data) if not inside(each)]


def shared_pipeline(data: Mapping, where: str) -> list | None:
    """The pipeline of the data sets in a config; None where they have none.

    Args:
        data: Config of a data set.
        where: Names the config in the message.

    Raises:
        ValueError: They have different ones.
    """
    first, *others = _pipelines(data)
    if any(steps != first for steps in others):
        raise ValueError(f'{where}: its {len(others) + 1} data sets have different pipelines. Give them the same one')
    return first


def _pipelines(data: Mapping) -> list:
    parts = inside(data)
    if data.get('pipeline') is not None or not parts:
        return [data.get('pipeline')]
    return [steps for part in parts for steps in _pipelines(part)]


def source(dataset: Any, index: int) -> tuple[Any, int]:
    """The data set that sample ``index`` of wrappers of mmfer comes from, and the index that it has there."""
    while parts := inside(dataset):
        which = 0
        if hasattr(dataset, 'datasets'):
            which, index = dataset.entry(index)[PLACE]
        dataset = parts[which]
    return dataset, index


def protocol_of(dataset: Any) -> str:
    """The protocol of a built data set, also where it is in wrappers of MMEngine, which do not tell it."""
    parts = inside(dataset)
    if parts and not hasattr(dataset, 'protocol'):
        text = ' + '.join(map(protocol_of, parts))
        same = len(dataset) == sum(map(len, parts))
        return text if same else f'{text}, {type(dataset).__name__} of {len(dataset)} samples'
    return str((getattr(dataset, 'metainfo', None) or {}).get('protocol') or type(dataset).__name__)


def own_copy(dataset: Any) -> Any:
    """A data set that can be cut and relabelled in place while ``dataset`` stays; images in memory are shared."""
    if not dataset._fully_initialized:
        return copy.deepcopy(dataset)
    own = copy.copy(dataset)
    if hasattr(own, 'dataset'):
        own.dataset = own_copy(own.dataset)
    elif hasattr(own, 'datasets'):
        own.datasets = [own_copy(part) for part in own.datasets]
    return own
