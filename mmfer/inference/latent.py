from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from mmfer.datasets import SynthFER
from mmfer.datasets.synth.annotators import label_distribution
from mmfer.registry import DATASETS
from mmfer.structures.expressions import find_class
from mmfer.structures.results import score_interval
from mmfer.utils.nesting import leaves
from mmfer.visualization.curves import check_picture, save_figure
from mmfer.visualization.latent import MOST, LatentFace, draw_latent

from .inputs import config_view, normalised, open_images, open_model, run_name

HEADS = ('VICHead', 'HeteroscedasticHead', 'EnsembleHead', 'MCDropoutHead', 'SNGPHead')
"""Heads whose predictions carry ``pred_mean`` and ``pred_std``."""
LEVEL = 0.9
SHOWN = 160  # pixels of the faces in the picture


def draw_latents(
    config: str | Path | Config,
    checkpoint: str | Path,
    out: str | Path,
    images: Iterable[str | Path] = (),
    compound: Sequence[str] | None = None,
    steps: int = 7,
    strength: float = 0.8,
    person: int | None = None,
    detector: Any = None,
    device: str | torch.device | None = None,
    cfg_options: Mapping | None = None,
) -> list[str]:
    """Draw the latent Gaussians of faces: of images, or of a synthetic face that changes between two expressions.

    The synthetic face begins with the first expression alone, then shows both, and ends with the second one alone. The
    true label distributions are those of SynthFER's simulated annotators.

    Args:
        config, checkpoint, device, cfg_options: See :func:`mmfer.inference.inputs.open_model`.
        out: The picture: .png, .svg or .pdf.
        images: Files and folders, each one face that is cut out already; () draws the way.
        compound: Two expressions. By default happiness and surprise, or of images the two with the highest means.
        steps: Faces of the way, from 2.
        strength: Intensity of an expression alone, in (0, 1].
        person: Number of the face in SynthFER's test split whose person is drawn; the first one that nothing covers by
            default.
        detector: See :func:`mmfer.inference.inputs.config_view`; of images alone.

    Returns:
        Notes on what to keep in mind.

    Raises:
        ValueError: If the head has no latent Gaussian, an argument is wrong, or an image cannot be read. Nothing is
            written then.
    """
    out = check_picture(out)
    if not 2 <= steps <= MOST or not 0 < strength <= 1:
        raise ValueError(f'steps={steps} must lie in 2..{MOST}, strength={strength} in (0, 1]')
    config, model = open_model(config, checkpoint, device, cfg_options)
    classes = model.classes
    if not classes:
        raise ValueError(f'neither {checkpoint} nor the config names the classes')
    pair = None if compound is None else tuple(_class(name, classes) for name in compound)
    if pair is not None and len(set(pair)) != 2:
        raise ValueError(f'compound={tuple(compound or ())}: two different expressions')
    notes: list[str] = []
    if images:
        shown, seen, names = _photos(config_view(config, detector), images)
        truths = [None] * len(seen)
    else:
        pair = pair or (_class('happiness', classes), _class('surprise', classes))
        dataset = _synth(config, classes, pair, notes)
        shown, seen, names, truths = _way(dataset, config_view(config), classes, pair, steps, strength, person)
    faces = look(model, seen, shown, names, truths)
    if pair is None:
        highest = np.argsort(-np.max([face.mean for face in faces], axis=0), kind='stable')[:2]
        pair = tuple(classes[k] for k in highest)
    first, second = pair
    what = 'images' if images else f'a drawn face from {first} over both to {second}'
    title = f'{run_name(config, checkpoint)}: {what}'
    save_figure(draw_latent(faces, classes, (first, second), title, is_path=not images, level=LEVEL), out)
    return notes


@torch.no_grad()
def look(
    model: nn.Module,
    seen: Sequence[np.ndarray],
    shown: Sequence[np.ndarray],
    names: Sequence[str],
    truths: Sequence[np.ndarray | None],
) -> list[LatentFace]:
    """The predictions of a model for faces.

    Args:
        model: A classifier in eval mode, with a head of ``HEADS``.
        seen: Its inputs, uint8 BGR (h, w, 3).
        shown: The faces to show, in any size.
        names: A few words on each.
        truths: True label distribution (K,) of each, or None.

    Raises:
        ValueError: If the head has no latent Gaussian.
    """
    faces = []
    for i, img in enumerate(seen):
        answer = model(normalised(model, [img]), mode='predict')[0]
        if 'pred_mean' not in answer or 'pred_std' not in answer:
            raise ValueError(
                f'{type(model.head).__name__} has no latent Gaussian (pred_mean, pred_std) to draw; heads that have '
                f'one: {", ".join(HEADS)}'
            )
        mean, std, score = (answer.get(name).double().cpu().numpy() for name in ('pred_mean', 'pred_std', 'pred_score'))
        own = getattr(model.head, 'calibration', None)
        weight, bias = (None, None) if own is None else (own.weight.cpu().numpy(), own.bias.cpu().numpy())
        factor = answer.pred_factor.double().cpu().numpy() if 'pred_factor' in answer else None
        low, high = score_interval(mean, std, LEVEL, weight, bias, factor=factor)
        faces.append(LatentFace(shown[i], names[i], mean, std, score, low, high, truths[i]))
    return faces


def _class(name: str, classes: Sequence[str]) -> str:
    found = find_class(name, classes)
    if found is not None:
        return found
    raise ValueError(f'{name!r} is not a class of the model, which has {", ".join(classes)}')


def _photos(view: Callable, images: Iterable[str | Path]) -> tuple[list, list, list]:
    shown: list[np.ndarray] = []
    names, problems = [], []
    for source in open_images(images, 'Reading'):
        if len(shown) == MOST:
            raise ValueError(f'more than {MOST} images do not fit into a picture')
        try:
            if source.image is None:
                raise ValueError(source.error)
            shown.append(view(source.image, source.name))
            name = Path(source.name).name
            names.append(name if len(name) <= 18 else f'{name[:10]}…{name[-7:]}')
        except ValueError as error:
            problems.append(str(error))
    if problems or not shown:
        raise ValueError('\n'.join(problems) or 'there are no images')
    return shown, shown, names


def _synth(config: Config, classes: Sequence[str], pair: Sequence[str], notes: list[str]) -> SynthFER:
    """Where the faces of the way come from: the config's own SynthFER, or else its defaults."""
    data = (config.get('test_dataloader') or config.get('val_dataloader') or {}).get('dataset') or {}
    settings = dict(type=SynthFER, num_classes=8 if 'contempt' in classes else 7, size=112)
    kinds = [(each, each.get('type')) for each in leaves(data)]
    kinds = [(each, DATASETS.get(kind) if isinstance(kind, str) else kind) for each, kind in kinds]
    inner = next((each for each, kind in kinds if kind is SynthFER), None)
    if inner is not None:
        settings.update({key: inner[key] for key in ('size', 'seed', 'temperature', 'num_classes') if key in inner})
    else:
        notes.append('the model was not trained on drawn faces, so they are out of distribution')
    with DefaultScope.overwrite_default_scope('mmfer'):
        dataset = DATASETS.build(dict(settings, split='test'))
    foreign = [name for name in pair if name not in dataset.METAINFO['classes'][1:]]  # neutral is the rest
    if foreign:
        raise ValueError(f'SynthFER cannot draw {", ".join(foreign)}: name faces with --images')
    return dataset


def _way(
    dataset: Any, view: Callable, classes: Sequence[str], pair: tuple, steps: int, strength: float, person: Any
) -> tuple[list, list, list, list]:
    """Faces, inputs, names and true label distributions from one expression over both to the other."""
    own = list(dataset.METAINFO['classes'])
    if person is None:
        person = next(i for i in range(1000) if dataset.person(i).occlusion == 'none')
    shown, seen, names, truths = [], [], [], []
    for part in np.linspace(0, 1, steps):
        intensities = np.zeros(len(own))
        first, second = strength * min(1, 2 - 2 * part), strength * min(1, 2 * part)
        intensities[own.index(pair[0])], intensities[own.index(pair[1])] = first, second
        intensities[0] = max(0.0, 1 - first - second)
        shown.append(dataset.render(person, intensities, SHOWN))
        seen.append(view(dataset.render(person, intensities), 'a drawn face'))
        names.append(f'{pair[0]} {first:.2f}\n{pair[1]} {second:.2f}')
        distribution = label_distribution(intensities, dataset.temperature)
        places = [own.index(name) if name in own else None for name in classes]
        truths.append(np.array([0.0 if place is None else distribution[place] for place in places]))
    return shown, seen, names, truths
