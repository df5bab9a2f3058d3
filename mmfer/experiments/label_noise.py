"""Label noise in the training data of a comparison: put in, and read again from what a training leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from mmfer.datasets import NoisyLabels
from mmfer.datasets.wrappers.base import is_own
from mmfer.utils.nesting import inside, walk

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

    The noise goes around mmfer's own wrappers (subsets, mapped classes, joined data sets), and into those of MMEngine.
    At a rate of 0 nothing is changed.

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
    if any(_name(each.get('type')) == NoisyLabels.__name__ for each in walk(place['dataset'])):
        raise ValueError('the training labels are noisy already: set rate and seed of its NoisyLabels instead')
    _make_noisy(place, 'dataset', noise)


def _make_noisy(place: Any, key: Any, noise: LabelNoise) -> None:
    data = place[key]
    if is_own(data):
        place[key] = dict(type=TYPE, dataset=data, rate=noise.rate, seed=noise.seed)
    elif not inside(data):
        raise ValueError(f'label noise is for data sets of mmfer, not {_name(data.get("type"))}')
    elif 'dataset' in data:
        _make_noisy(data, 'dataset', noise)
    else:
        for i in range(len(data['datasets'])):
            _make_noisy(data['datasets'], i, noise)


def noise_of(settings: Mapping[str, Any]) -> LabelNoise:
    """The label noise that a training had, from the ``settings`` in its ``finished.json``.

    Raises:
        ValueError: If it is none that one rate describes: class-dependent, noise upon noise, or in a part of the data.
    """
    found = set(_noises(settings, 'train_dataloader.dataset'))
    if len(found) > 1 or 'other' in found:
        raise ValueError('its label noise is not symmetric, or there is more than one: it has no rate to compare')
    return found.pop() or LabelNoise(0.0)


def _noises(settings: Mapping[str, Any], name: str) -> Iterator[LabelNoise | str | None]:
    """The noise of each data set at ``name``, None without; 'other' where no rate describes it."""
    inner = [f'{name}.dataset'] if f'{name}.dataset.type' in settings else []
    while f'{name}.datasets.{len(inner)}.type' in settings:
        inner.append(f'{name}.datasets.{len(inner)}')
    found = [noise for part in inner for noise in _noises(settings, part)] or [None]
    if _name(settings.get(f'{name}.type')) != NoisyLabels.__name__:
        yield from found
        return
    rate, seed, kind = (settings.get(f'{name}.{key}') for key in ('rate', 'seed', 'kind'))
    plain = set(found) == {None} and kind in (None, 'symmetric') and rate is not None
    yield LabelNoise(float(rate), int(seed or 0)) if plain else 'other'


def _name(kind: Any) -> str:
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', str(kind))
