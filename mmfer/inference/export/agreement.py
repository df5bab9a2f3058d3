"""Compares the outputs of an exported model with those of the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmfer.datasets import SynthFER
from mmfer.inference.sources import NetworkView, open_sources

from .export_model import predictions

TOLERANCE = 1e-4
BATCHES = (1, 3, 16)  # other sizes than the one that exporters see
_DRAWN_SIZE = 128  # of faces, before the pipeline brings them to the model's

_FIXED = (
    'Networks export where they compute with x.shape[0], and not where len(x) or int(x.shape[0]) makes a fixed number '
    'of it'
)


@dataclass(frozen=True)
class Batch:
    """Images for a comparison.

    Attributes:
        name: What they are, for people.
        images: As the network takes them, float32 (B, 3, H, W).
        pixels: The uint8 BGR images (B, 3, H, W) that these were, where they were any.
    """

    name: str
    images: Tensor
    pixels: np.ndarray | None = None


def make_batches(model: nn.Module, description: Mapping[str, Any], folder: str | Path | None = None) -> list[Batch]:
    """Random numbers, drawn faces (SynthFER) and, where a folder is given, its images, in batches of all ``BATCHES``.

    Faces and images are prepared by the pipeline and normalised by the model's own data preprocessor.

    Raises:
        ValueError: If the folder has no image that can be read.
    """
    height, width = description['input']['size']
    most, generator = max(BATCHES), torch.Generator().manual_seed(0)
    batches = []
    for size in BATCHES:  # each channel of an image with a mean of its own, which averages over the image would hide
        tint, noise = (torch.randn(size, 3, *shape, generator=generator) for shape in ((1, 1), (height, width)))
        batches.append(Batch('random numbers', tint + noise))
    view, sources = NetworkView(description['pipeline']), {'drawn faces': _draw_faces(most)}
    if folder is not None:
        sources['images of the folder'] = _read_images(folder, most)
    for name, images in sources.items():
        pixels = np.stack([view(image).transpose(2, 0, 1) for image in images])
        for size in BATCHES:
            part = np.resize(pixels, (size, *pixels.shape[1:]))  # repeated where there are fewer
            data = model.data_preprocessor(dict(inputs=torch.from_numpy(part), data_samples=None))
            batches.append(Batch(name, data['inputs'].float(), part))
    return batches


@lru_cache(1)
def _draw_faces(count: int) -> list[np.ndarray]:
    drawn = SynthFER(split='test', num_samples=count + 50, size=_DRAWN_SIZE)  # so many show all classes
    return [drawn[i]['img'] for i in range(count)]


def _read_images(folder: str | Path, most: int) -> list[np.ndarray]:
    """The first images of a folder, uint8 BGR (H, W, 3)."""
    if not Path(folder).exists():
        raise FileNotFoundError(f'no such folder of images: {folder}')
    found = []
    for source in open_sources(folder):
        if source.image is not None:
            found.append(source.image)
        if len(found) == most:
            break
    if not found:
        raise ValueError(f'{folder} has no image that can be read')
    return found


def compare(
    model: nn.Module,
    run: Callable[[Batch], Mapping[str, np.ndarray]],
    batches: Sequence[Batch],
    path: str | Path,
    runtime: str,
) -> list[dict[str, Any]]:
    """How far an exported model is from its original.

    Args:
        model: The original.
        run: Gives the outputs of the exported model by name.
        batches: Of :func:`make_batches`.
        path: Of the file, for messages.
        runtime: What runs it, likewise.

    Returns:
        A dict a batch: ``inputs``, ``batch`` (B) and ``differences``, by output the largest absolute difference, of
        numbers beyond 1 in units of them. Where something is not finite that is infinite.

    Raises:
        ValueError: If the exported model does not run, gives other outputs, or differs by more than ``TOLERANCE``.
    """
    rows: list[dict[str, Any]] = []
    for batch in batches:
        expected = predictions(model, batch.images)
        size = len(batch.images)
        try:
            found = run(batch)
        except Exception as error:  # of the runtimes' own kinds, which have no common base
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise ValueError(f'the exported model does not take a batch of {size} ({reason}). {_FIXED}') from None
        differences = {}
        for name, value in expected.items():
            theirs, own = np.asarray(found[name], np.float64), value.double().numpy()
            if theirs.shape != own.shape:
                raise ValueError(f'{name} of a batch of {size} has shape {theirs.shape}, not {own.shape}. {_FIXED}')
            with np.errstate(invalid='ignore'):
                distance = np.abs(theirs - own) / np.maximum(1, np.abs(own))
            differences[name] = float(distance.max()) if np.isfinite(distance).all() else float('inf')
        rows.append(dict(inputs=batch.name, batch=size, differences=differences))
    name, difference, row = max(
        ((name, difference, row) for row in rows for name, difference in row['differences'].items()),
        key=lambda item: item[1],
    )
    if not difference <= TOLERANCE:
        raise ValueError(
            f'{path} is not written: {runtime} and PyTorch differ by {difference:.2g} in {name} ({row["inputs"]}, '
            f'batch of {row["batch"]}), and {TOLERANCE:g} is allowed'
        )
    return rows
