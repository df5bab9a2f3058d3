"""Opens the model of a config, and images as the input of its network, for pictures such as heat maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config

from mmfer.datasets.config_classes import config_classes
from mmfer.faces.detectors import build_detector
from mmfer.models.build import init_model
from mmfer.utils.config_options import load_config
from mmfer.utils.progress import track

from .sources import NetworkView, Source, folder_files, open_sources
from .torch_classifier import find_device, test_steps


def open_model(
    config: str | Path | Config, checkpoint: str | Path, device: Any = None, cfg_options: Mapping | None = None
) -> tuple[Config, torch.nn.Module]:
    """Open a config with its options, and its model with the checkpoint; ``classes`` are names if they are known.

    Args:
        config: Config file or object of the model.
        checkpoint: A checkpoint that mmfer trained or converted.
        device: A GPU where there is one, by default.
        cfg_options: Dotted names to values, set in the config.
    """
    config = load_config(config, cfg_options)
    model = init_model(config, checkpoint, find_device(device))
    model.classes = model.classes or config_classes(config)
    return config, model


def config_view(config: Config, detector: Any = None) -> Callable[[np.ndarray, str], np.ndarray]:
    """A function that prepares images as the tests of a config do; it takes uint8 (H, W, 3) BGR and a name.

    Args:
        config: With a test_dataloader.
        detector: What :func:`mmfer.faces.detectors.build_detector` takes: of each image the largest face is cut out as
            the config says. None takes each image for one face that is cut out already.

    Raises:
        ValueError: If the config has no pipeline for test images; in calls, if no face is found.
    """
    crop, steps = test_steps(config)
    view = NetworkView(steps, crop)
    detect = None if detector is None else build_detector(detector)

    def look(img: np.ndarray, name: str = 'image') -> np.ndarray:
        faces = [None] if detect is None else detect(img)
        if not faces:
            raise ValueError(f'{name}: no face was found')
        return view(img, faces[0], name)

    return look


def normalised(model: torch.nn.Module, images: list[np.ndarray]) -> torch.Tensor:
    """BGR images (H, W, 3) of one size as the input of a model, (B, 3, H, W), through its data preprocessor."""
    inputs = [torch.from_numpy(img).permute(2, 0, 1).contiguous() for img in images]
    return model.data_preprocessor(dict(inputs=inputs, data_samples=None))['inputs']


def open_images(images: Iterable[str | Path], description: str) -> Iterator[Source]:
    """Yield the images of files and folders, and the first frame of each video, with the progress on stderr."""
    files: list[Any] = []
    for image in map(Path, images):
        files += list(folder_files(image)) if image.is_dir() else [image]
    for file in track(files, len(files), description):
        yield from [file] if isinstance(file, Source) else open_sources(str(file), max_frames=1)


def run_name(config: Config, checkpoint: str | Path) -> str:
    """Config and checkpoint for a title, with as much of their paths as is needed to distinguish them."""
    path = Path(str(config.filename or 'config'))
    return f'{"/".join(path.parts[-2:])}, {Path(checkpoint).name}'
