"""Conditions under which methods are compared: wrong labels in training, occluded faces or other data in tests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.datasets import AlignFace, CropFace, LoadImageFromFile, Occlude
from mmfer.datasets.transforms.occlude import REGIONS
from mmfer.registry import TRANSFORMS
from mmfer.utils.config_options import load_config
from mmfer.utils.files import write_text
from mmfer.utils.nesting import leaves

from .label_noise import LabelNoise, noise_of

PREDICTIONS = 'predictions.json'
CLEAN = 'clean'
KINDS = ('label noise', 'occlusion', 'ood')
FACE_STEPS = (LoadImageFromFile, CropFace, AlignFace, Occlude)
"""Steps of a pipeline after which there is a face as the data set has it."""


@dataclass(frozen=True)
class Condition:
    """A condition of training (label noise, also none of it) or of a test.

    Args:
        kind: One of ``KINDS``.
        name: For tables.
        share: How much of it, a fraction; None where it has no measure.
        file: Name of its predictions in the folder of a run.
        options: Arguments of ``Occlude``; for ``'ood'`` the ``config`` with the test data.
    """

    kind: str
    name: str
    share: float | None = None
    file: str = PREDICTIONS
    options: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def order(self) -> tuple:
        region = self.options.get('region', 'block')
        place = list(REGIONS).index(region) if region in REGIONS else -1
        return KINDS.index(self.kind), self.share is None, self.share or 0, place, self.name


def label_noise(noise: LabelNoise) -> Condition:
    """
    >>> label_noise(LabelNoise(0.2)).name, label_noise(LabelNoise(0.2, 1)).name, label_noise(LabelNoise(0)).name
    ('noise 20 %', 'noise 20 % (seed 1)', 'clean')
    """
    seed = f' (seed {noise.seed})' if noise.seed else ''
    return Condition('label noise', f'noise {100 * noise.rate:g} %{seed}' if noise.rate else CLEAN, noise.rate)


def training_condition(settings: Mapping[str, Any]) -> Condition:
    """The condition of a training with these ``settings``, those in its ``finished.json``."""
    try:
        return label_noise(noise_of(settings))
    except ValueError:
        return Condition('label noise', 'other label noise')


def occlusion(region: str, share: float | None = None, seed: int = 0) -> Condition:
    """Faces of which a region is covered, or a block of a share.

    >>> occlusion('block', 0.2).file, occlusion('eyes').file
    ('occluded_block_20.json', 'occluded_eyes.json')

    Raises:
        ValueError: If the region is unknown, or the share out of range.
    """
    if share is None:
        Occlude(region)  # refuses what is wrong
        return Condition('occlusion', region, None, f'occluded_{region}.json', dict(region=region))
    options = dict(region=region, share=float(share), seed=seed)
    Occlude(**options)
    if share == 0:
        raise ValueError('a block of 0 % covers nothing: the test without it is always in the report')
    percent, other = f'{100 * share:g}', seed > 0
    file = f'occluded_{region}_{percent}{f"_seed_{seed}" * other}.json'
    return Condition('occlusion', f'{region} {percent} %{f" (seed {seed})" * other}', float(share), file, options)


def ood(name: str, config: str | Path = '') -> Condition:
    """The test images of another config, out of distribution."""
    return Condition('ood', name, None, f'ood_{name}.json', dict(config=config))


def condition_of_file(name: str) -> Condition | None:
    """The condition of a test by the name of its predictions; None for other files and the plain test."""
    if match := re.fullmatch(r'ood_(.+)\.json', name):
        return ood(match[1])
    match = re.fullmatch(r'occluded_([a-z]+)(?:_([\d.]+))?(?:_seed_(\d+))?\.json', name)
    return match and occlusion(match[1], match[2] and float(match[2]) / 100, int(match[3] or 0))


def wanted_conditions(
    shares: Sequence[float] = (), regions: Sequence[str] = (), seed: int = 0, data: Mapping[str, Path] | None = None
) -> list[Condition]:
    """Conditions of tests: a block of each share, each region, each of the ``data`` (name -> config).

    Raises:
        FileNotFoundError: If a config is not there.
        ValueError: If one of them is unknown, out of range, there twice, or a config without test data.
    """
    found = [occlusion('block', share, seed) for share in shares] + [occlusion(region) for region in regions]
    for name, config in (data or {}).items():
        settings = load_config(config)
        if not settings.get('test_dataloader'):
            raise ValueError(f'{config} has no test_dataloader: it names no images to test on')
        found.append(ood(name, settings.filename))
    for condition in found:
        if found.count(condition) > 1:
            raise ValueError(f'{condition.name} is there twice')
    return found


def occlude_test(config: Config, options: Mapping[str, Any]) -> None:
    """Cover a part of each test face of ``config``, in place: after loading and cropping, before all else."""
    occlude = dict(type='mmfer.datasets.Occlude', **options)  # a class cannot be written into a file
    for each in leaves(config.test_dataloader.dataset):
        steps = each['pipeline']
        with DefaultScope.overwrite_default_scope('mmfer'):
            kinds = [TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type'] for step in steps]
        place = max((i + 1 for i, kind in enumerate(kinds) if kind in FACE_STEPS), default=0)
        each['pipeline'] = [*steps[:place], occlude, *steps[place:]]


def write_occluded(config: str | Path, options: Mapping[str, Any], file: Path) -> Path:
    """Write ``config`` with the occlusion in its test to ``file``."""
    settings = load_config(config)
    occlude_test(settings, options)
    file.parent.mkdir(parents=True, exist_ok=True)
    note = f'{config} with other test faces: {Occlude(**options).describe()}.'
    write_text(file, f'"""{note}"""\n\n{settings.pretty_text}')
    return file
