"""Images as a model's network sees them: through the test pipeline of its config."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.inference.classifiers import test_steps
from mmfer.inference.inferencer import DEFAULT_CROP
from mmfer.inference.sources import Source, folder_files, open_sources
from mmfer.registry import TRANSFORMS
from mmfer.utils.progress import track


class NetworkView:
    """Prepares images as the tests of a config do.

    Args:
        config: With a test_dataloader.
        detector: What :func:`mmfer.faces.build_detector` takes: of each image the largest face is cut out as the
            config says. None takes each image for one face that is cut out already.

    Raises:
        ValueError: If the config has no pipeline for test images.
    """

    def __init__(self, config: Config, detector: Any = None) -> None:
        crop, steps = test_steps(config)
        self.detector = None
        if detector is not None:
            from mmfer.faces import build_detector

            self.detector = build_detector(detector)
            steps = [crop or DEFAULT_CROP, *steps]
        with DefaultScope.overwrite_default_scope('mmfer'):
            self.steps = [TRANSFORMS.build(dict(step)) for step in steps]

    def __call__(self, img: np.ndarray, name: str = 'image') -> np.ndarray:
        """What the network sees of an image, uint8 (H, W, 3) BGR to uint8 (h, w, 3) BGR.

        Raises:
            ValueError: If no face is found.
        """
        sample: Mapping | None = dict(img=img, img_path=name, img_shape=img.shape[:2], ori_shape=img.shape[:2])
        if self.detector is not None:
            faces = self.detector(img)
            if not faces:
                raise ValueError(f'{name}: no face was found')
            sample.update(face_box=faces[0].box, face_landmarks=faces[0].landmarks)
        for step in self.steps:
            sample = step(sample)
            if sample is None:
                raise ValueError(f'{name}: {type(step).__name__} dropped the image')
        return np.ascontiguousarray(sample['img'])


def normalised(model: torch.nn.Module, images: list[np.ndarray]) -> torch.Tensor:
    """BGR images (H, W, 3) of one size as the input of a model, (B, 3, H, W), through its data preprocessor."""
    inputs = [torch.from_numpy(img).permute(2, 0, 1).contiguous() for img in images]
    return model.data_preprocessor(dict(inputs=inputs, data_samples=None))['inputs']


def open_images(images: Iterable[str | Path], description: str) -> Iterator[Source]:
    """Images of files and folders one after the other, with the progress on stderr; of a video its first frame."""
    files: list[Any] = []
    for image in map(Path, images):
        files += list(folder_files(image)) if image.is_dir() else [image]
    for file in track(files, len(files), description):
        yield from [file] if isinstance(file, Source) else open_sources(str(file), max_frames=1)


def run_name(config: Config, checkpoint: str | Path) -> str:
    """Config and checkpoint for a title, with as much of their paths as tells them apart."""
    path = Path(str(config.filename or 'config'))
    return f'{"/".join(path.parts[-2:])}, {Path(checkpoint).name}'
