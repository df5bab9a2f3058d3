from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmfer.structures.expressions import find_class
from mmfer.visualization.curves import save_figure
from mmfer.visualization.heat_map import METHODS, UNCERTAINTY, attention_rollout, grad_cam
from mmfer.visualization.heat_map_panel import draw_heat_map

from .drawing import free_name
from .inputs import config_view, normalised, open_images, open_model


@dataclass
class HeatMapFiles:
    """The result of :func:`heat_maps`.

    Attributes:
        files: The pictures, in the order of the images.
        errors: One sentence for each image that has none.
        notes: What to know about single pictures.
    """

    files: list[Path] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [*map(str, self.files), *(f'note: {note}' for note in self.notes)]
        if self.errors:
            lines += [f'{len(self.errors)} images were left out:', *(f'  {error}' for error in self.errors)]
        return '\n'.join(lines)


def heat_maps(
    config: str | Path | Config,
    checkpoint: str | Path,
    images: Iterable[str | Path],
    out: str | Path,
    method: str = 'gradcam',
    layer: str | None = None,
    target: str | None = None,
    detector: Any = None,
    device: str | torch.device | None = None,
    cfg_options: Mapping | None = None,
) -> HeatMapFiles:
    """Write a heat map of each image, ``<out>/<name>_<method>.png``.

    Images pass the test pipeline of the config, so each map is aligned with the input of the network. Images that
    cannot be read are reported, and the others are drawn.

    Args:
        config, checkpoint, device, cfg_options: See :func:`mmfer.inference.inputs.open_model`.
        images: Files and folders; of videos the first frame is drawn.
        out: Folder of the pictures; made if it is not there.
        method: One of ``mmfer.visualization.heat_map.METHODS``.
        layer: Module that Grad-CAM looks at, see ``find_layer``.
        target: Name of a class, whose logit is explained, or ``'uncertainty'``; the predicted class by default.
        detector: See :func:`mmfer.inference.inputs.config_view`.

    Raises:
        ValueError: If an argument is wrong. Nothing is written then.
    """
    out = Path(out)
    if method not in METHODS:
        raise ValueError(f'method={method!r}: one of {", ".join(METHODS)}')
    if method == 'rollout' and (target is not None or layer is not None):
        raise ValueError('rollout shows the attention of the encoder, whatever is answered: no target and no layer')
    if out.exists() and not out.is_dir():
        raise ValueError(f'out={out} is a file, not a folder for pictures')
    config, model = open_model(config, checkpoint, device, cfg_options)
    view, wanted = config_view(config, detector), _target(target, model.classes)
    done = HeatMapFiles()
    taken: set[str] = set()
    for source in open_images(images, 'Heat maps'):
        if source.image is None:
            done.errors.append(str(source.error))
            continue
        try:
            seen = view(source.image, source.name)
        except ValueError as error:
            done.errors.append(str(error))
            continue
        inputs = normalised(model, [seen])
        if method == 'rollout':
            heat = attention_rollout(model, inputs)[0]
        else:
            heat = grad_cam(model, inputs, wanted, layer, method)[0]
        with torch.no_grad():
            answer = model(inputs, mode='predict')[0]
        figure = draw_heat_map(seen, heat, Path(source.name).name, _describe(answer, model.classes))
        stem = f'{Path(source.name).stem or "image"}_{method.replace("+", "p")}'
        done.files.append(out / f'{free_name(stem, taken)}.png')
        save_figure(figure, done.files[-1])
        if source.frame is not None:
            done.notes.append(f'{source.name}: the first frame of the video')
        if heat.empty:
            done.notes.append(f'{source.name}: nothing in the map speaks for {heat.target}')
    return done


def _target(target: str | None, classes: tuple[str, ...] | None) -> int | str | None:
    if target is None or target == UNCERTAINTY:
        return target
    names = list(classes or ())
    found = find_class(target, names)
    if found is not None:
        return names.index(found)
    raise ValueError(f'target={target!r}: {UNCERTAINTY!r}, or a class of the model: {", ".join(names) or "unknown"}')


def _describe(answer: Any, classes: tuple[str, ...] | None) -> str:
    label = int(answer.pred_label)
    text = f'predicted: {classes[label] if classes else f"class {label}"} {float(answer.pred_score[label]):.2f}'
    if 'uncertainty' in answer:
        text += f', uncertainty {float(answer.uncertainty):.2f} nats'
    return text
