"""Label noise in the training data of a comparison: put in, and read again from what a training leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.datasets import FERDataset, NoisyLabels
from mmfer.datasets.wrappers import DatasetWrapper
from mmfer.registry import DATASETS

TYPE = 'mmfer.datasets.NoisyLabels'  # a class itself cannot be written into the config of a run


class LabelNoise(NamedTuple):
    """Symmetric label noise.

    rate: Share of the training labels that are replaced, each by one of the other classes.
    seed: Of the choice; it is not that of the training, so that all methods and seeds learn from the same labels.
    """

    rate: float
    seed: int = 0

    def __str__(self) -> str:
        return f'{100 * self.rate:g} % symmetric label noise (seed {self.seed})'


def add_label_noise(config: Config, noise: LabelNoise) -> None:
    """Replace labels of the training data of ``config``, in place; validation and test stay as they are.

    The noise goes around mmfer's own wrappers (subsets, mapped classes), and into those of MMEngine. At a rate of 0
    nothing is changed.

    Raises:
        ValueError: If the rate is no share, the training data already have noisy labels, or are no data set of mmfer.
    """
    if not 0 <= noise.rate < 1:
        raise ValueError(f'label noise of {noise.rate}: expected a share from 0 to below 1, e.g. 0.2 for 20 %')
    if noise.rate == 0:
        return
    place = config.get('train_dataloader') or {}
    if not isinstance(place.get('dataset'), Mapping):
        raise ValueError(f'{config.filename} has no train_dataloader with a dataset to put label noise in')
    while not _is_own(place['dataset']):
        place = place['dataset']
        if not isinstance(place.get('dataset'), Mapping):
            raise ValueError(f'label noise is for data sets of mmfer, not {_name(place.get("type"))}')
    inner = place['dataset']
    while isinstance(inner, Mapping):
        if _resolve(inner.get('type')) is NoisyLabels:
            raise ValueError('the training labels are noisy already: set rate and seed of its NoisyLabels instead')
        inner = inner.get('dataset')
    place['dataset'] = dict(type=TYPE, dataset=place['dataset'], rate=noise.rate, seed=noise.seed)


def noise_of(settings: Mapping[str, Any]) -> LabelNoise:
    """The label noise that a training had, from the ``settings`` in its ``finished.json``.

    Raises:
        ValueError: If it is none that one rate describes: class-dependent, or noise upon noise.
    """
    found = [
        name.rpartition('.')[0]
        for name, value in settings.items()
        if name.startswith('train_dataloader.') and name.endswith('.type') and _name(value) == NoisyLabels.__name__
    ]
    if not found:
        return LabelNoise(0.0)
    own = {name: settings.get(f'{found[0]}.{name}') for name in ('rate', 'seed', 'kind')}
    if len(found) > 1 or own['kind'] not in (None, 'symmetric'):
        raise ValueError('its label noise is not symmetric, or there is more than one: it has no rate to compare')
    return LabelNoise(float(own['rate']), int(own['seed'] or 0))


def _name(kind: Any) -> str:
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', str(kind))


def _resolve(kind: Any) -> Any:
    if not isinstance(kind, str):
        return kind
    with DefaultScope.overwrite_default_scope('mmfer'):
        return DATASETS.get(kind)


def _is_own(dataset: Mapping) -> bool:
    kind = _resolve(dataset.get('type'))
    return isinstance(kind, type) and issubclass(kind, (FERDataset, DatasetWrapper))
