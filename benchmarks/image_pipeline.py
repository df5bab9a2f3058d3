"""How fast one core loads, decodes and augments images, beside torchvision with PIL."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import PIL
import torch
from machine import seeded
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch import nn
from torchvision_recipe import torchvision_recipe

from mmfer.apis import load_config
from mmfer.datasets import stack_images
from mmfer.registry import MODELS
from mmfer.structures.run_record import versions
from mmfer.utils.image_files import list_images
from mmfer.utils.nesting import shared_pipeline
from mmfer.utils.progress import track

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp')


@contextmanager
def one_thread() -> Iterator[None]:
    """PyTorch and OpenCV on one thread; as before at the end."""
    threads, cv_threads = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(1)
        cv2.setNumThreads(0)
        yield
    finally:
        torch.set_num_threads(threads)
        cv2.setNumThreads(cv_threads)


def write_smooth_images(folder: str | Path, num: int, size: int, seed: int = 0) -> list[str]:
    """Write ``num`` JPEG files (quality 95) of size x size pixels, smooth random colours with a little noise."""
    rng = np.random.RandomState(seed)
    paths = []
    for i in range(num):
        img = cv2.resize(rng.randint(0, 256, (8, 8, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
        img = cv2.add(img, rng.randint(0, 6, img.shape, dtype=np.uint8))
        paths.append(str(Path(folder, f'{i:06d}.jpg')))
        Path(paths[-1]).write_bytes(cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return paths


def find_images(folder: str | Path, num: int) -> list[str]:
    """The first ``num`` image files under a folder, by name.

    Raises:
        ValueError: It holds no images, or is no folder.
    """
    if not Path(folder).is_dir():
        raise NotADirectoryError(f'no such folder of images: {folder}')
    paths = sorted(list_images(folder, _SUFFIXES).images)
    if not paths:
        raise ValueError(f'{folder} holds no images ({", ".join(_SUFFIXES)})')
    return paths[:num]


def train_pipeline(config: Config) -> Compose:
    """The training pipeline of a config; dataset wrappers are looked into.

    Raises:
        ValueError: The config has none, or several.
    """
    data = (config.get('train_dataloader') or {}).get('dataset') or {}
    steps = shared_pipeline(data, f'{config.filename}: train_dataloader')
    if not steps:
        raise ValueError(f'{config.filename}: train_dataloader.dataset has no pipeline')
    with DefaultScope.overwrite_default_scope('mmfer'):
        return Compose(steps)


def data_preprocessor(config: Config) -> nn.Module:
    """The data preprocessor of a config's model.

    Raises:
        ValueError: There is none with mean and std.
    """
    settings = (config.get('model') or {}).get('data_preprocessor') or config.get('data_preprocessor')
    with DefaultScope.overwrite_default_scope('mmfer'):
        preprocess = MODELS.build(settings) if settings else None
    if not hasattr(preprocess, 'mean'):
        raise ValueError(f'{config.filename}: model.data_preprocessor must have mean and std, it normalises the images')
    return preprocess


def _samples(paths: Sequence[str]) -> list[dict]:
    score = np.eye(1, 7, dtype=np.float32)[0]
    return [dict(img_path=path, sample_idx=i, gt_label=0, gt_score=score) for i, path in enumerate(paths)]


def _seconds(run: Callable, *args) -> float:
    start = time.perf_counter()
    run(*args)
    return time.perf_counter() - start


def _step_seconds(pipeline: Compose, preprocess: Callable, batches: Sequence) -> list[float]:
    """Seconds that each step of our side takes for all images, the data preprocessor last."""
    spent = [0.0] * (len(pipeline.transforms) + 1)
    for paths in batches:
        packed = []
        for sample in _samples(paths):
            for i, step in enumerate(pipeline.transforms):
                start = time.perf_counter()
                sample = step(sample)
                spent[i] += time.perf_counter() - start
            packed.append(sample)
        spent[-1] += _seconds(preprocess, stack_images(packed), True)
    return spent


def benchmark_pipeline(
    config: str | Path | Config,
    images: str | Path | None = None,
    num: int = 200,
    size: int = 100,
    repeat: int = 5,
    batch_size: int = 48,
    seed: int = 0,
) -> dict:
    """Time a config's training pipeline on one thread, in turn with the same recipe in torchvision and PIL.

    Both sides begin at image files and end at normalised float batches (B, 3, H, W): the data preprocessor is part of
    ours. The files are read once before, so that both find them in the system's cache. The sides take turns after each
    batch, so that whatever else the machine does meets both.

    The arguments are the options of ``speed.py``. The result is plain values: ``ours`` and ``torchvision`` with
    ``ms_per_image`` (median) and ``images_per_second``; ``ratio`` (median over the runs; above 1 means that ours is
    faster); ``steps`` with the ``name`` and ``ms_per_image`` of each of ours; the settings and versions.

    Raises:
        ValueError: If an argument is out of bounds, the config lacks a part, or a step has no counterpart.
    """
    if min(num, size, repeat, batch_size) < 1:
        raise ValueError(f'{num=}, {size=}, {repeat=} and {batch_size=} must be at least 1')
    if not isinstance(config, Config):
        config = load_config(config)
    pipeline, preprocess = train_pipeline(config), data_preprocessor(config)
    recipe = torchvision_recipe(pipeline.transforms, preprocess.mean.flatten(), preprocess.std.flatten())

    def ours(paths: Sequence[str]) -> torch.Tensor:
        return preprocess(stack_images([pipeline(sample) for sample in _samples(paths)]), training=True)['inputs']

    def theirs(paths: Sequence[str]) -> torch.Tensor:
        return torch.stack([recipe(path) for path in paths])

    sides = dict(ours=ours, torchvision=theirs)
    times: dict[str, list[float]] = {name: [] for name in sides}
    steps = []
    with tempfile.TemporaryDirectory() as folder, one_thread(), seeded(seed):
        paths = write_smooth_images(folder, num, size, seed) if images is None else find_images(images, num)
        batches = [paths[i : i + batch_size] for i in range(0, len(paths), batch_size)]
        # what is set up on the first call stays out of the times
        shapes = {tuple(run(batches[0]).shape) for run in sides.values()}
        if len(shapes) > 1:
            raise ValueError(f'the sides give different batches: {sorted(shapes)}')
        for _ in track(range(repeat), repeat, 'Timing'):
            spent = [[_seconds(run, batch) for run in sides.values()] for batch in batches]
            for name, seconds in zip(sides, map(sum, zip(*spent))):
                times[name].append(seconds * 1e3 / len(paths))
            steps.append(_step_seconds(pipeline, preprocess, batches))
    names = [type(step).__name__ for step in (*pipeline.transforms, preprocess)]
    medians = [statistics.median(values) * 1e3 / len(paths) for values in zip(*steps)]
    ratios = [b / a for a, b in zip(times['ours'], times['torchvision'])]
    return dict(
        mode='data',
        config=str(config.filename),
        images='generated' if images is None else str(images),
        num=len(paths),
        size=size if images is None else None,
        batch_size=batch_size,
        repeat=repeat,
        seed=seed,
        **{name: _summary(values) for name, values in times.items()},
        ratio=statistics.median(ratios),
        all_ratios=ratios,
        steps=[dict(name=name, ms_per_image=value) for name, value in zip(names, medians)],
        versions=dict(versions(), pillow=PIL.__version__),
    )


def _summary(times: Sequence[float]) -> dict:
    median = statistics.median(times)
    return dict(ms_per_image=median, images_per_second=1e3 / median, all_ms_per_image=list(times))
