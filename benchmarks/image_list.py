"""What a list of many images costs: the time until it is open, and the memory of it with many workers."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from mmfer.datasets import AffectNet
from mmfer.structures.expressions import EXPRESSIONS

FEW = 1000  # entries of the list that the memory is compared with
_FOLDERS = 1000


def write_list(folder: str | Path, num: int, seed: int = 0) -> None:
    """Write a prepared list like AffectNet's, ``train.json``, and an empty file for each image that it names."""
    rng = np.random.default_rng(seed)
    images = Path(folder, AffectNet.IMAGE_FOLDERS[0])
    boxes = np.cumsum(rng.integers(1, 500, (num, 2, 2)), axis=1).reshape(num, 4).tolist()
    affects = rng.uniform(-1, 1, (num, 2)).round(6).tolist()
    entries = []
    for i, (box, (valence, arousal)) in enumerate(zip(boxes, affects)):
        path = f'{i % _FOLDERS}/{rng.bytes(28).hex()}.jpg'
        entries.append(dict(img_path=path, gt_label=i % 7, face_box=box, valence=valence, arousal=arousal))
    for name in range(min(num, _FOLDERS)):
        (images / str(name)).mkdir(parents=True)
    for entry in entries:
        os.close(os.open(images / entry['img_path'], os.O_CREAT | os.O_WRONLY))
    content = json.dumps(dict(metainfo=dict(classes=EXPRESSIONS), data_list=entries))
    Path(folder, 'train.json').write_text(content, encoding='utf-8')


def _first(samples: list) -> int:
    return samples[0]['sample_idx']


def _pss(process: int) -> float:
    """Memory of a process in MB; what several share counts in parts."""
    lines = Path(f'/proc/{process}/smaps_rollup').read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('Pss:'))


def cost(folder: str, workers: int, start_method: str, repeat: int) -> tuple[list[float], float]:
    """Seconds of opening the list, and MB of this process and its workers once all of it has been read by them."""
    seconds = []
    for _ in range(repeat):
        dataset = None  # before the next one
        start = time.perf_counter()
        dataset = AffectNet(folder, 'train')
        seconds.append(time.perf_counter() - start)
    loader = DataLoader(
        dataset,
        batch_size=500,
        num_workers=workers,
        collate_fn=_first,
        persistent_workers=True,
        multiprocessing_context=start_method,
    )
    for _ in loader:
        pass
    processes = [os.getpid(), *(worker.pid for worker in loader._iterator._workers)]
    return seconds, sum(map(_pss, processes))


def benchmark_list(
    num: int = 280_000, workers: int = 8, start_method: str = 'fork', repeat: int = 3, seed: int = 0
) -> dict:
    """Open a list like AffectNet's in a process of its own, and have workers read all of its entries.

    The images are empty files, of which only the names are looked at. The result has ``seconds`` (median) until the
    list is open, the search for its files included; ``total_mb``, the memory of all processes, what they share counted
    once (PSS); ``list_mb``, how much less they take with a list of 1,000 entries; the settings.

    Raises:
        OSError: The system does not tell the memory of processes (it is not Linux).
        ValueError: An argument is out of bounds.
    """
    if num <= FEW or min(workers, repeat) < 1:
        raise ValueError(f'{num=} must be above {FEW}, {workers=} and {repeat=} at least 1')
    if not Path('/proc/self/smaps_rollup').is_file():
        raise OSError('there is no /proc/self/smaps_rollup: memory is measured on Linux only')
    found = []
    for size in (FEW, num):
        with tempfile.TemporaryDirectory() as folder:
            write_list(folder, size, seed)
            with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
                found.append(pool.submit(cost, folder, workers, start_method, repeat).result())
    (_, small), (seconds, total) = found
    return dict(
        mode='list',
        num=num,
        workers=workers,
        start_method=start_method,
        repeat=repeat,
        seed=seed,
        seconds=statistics.median(seconds),
        all_seconds=seconds,
        total_mb=total,
        list_mb=total - small,
    )
