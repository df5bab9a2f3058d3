"""Weights and inputs behind the recorded outputs of the original code in ``data/golden``.

Every tensor is a function of its released name alone: a normal draw seeded by the CRC-32 of the name, scaled by what
kind of tensor it is. So the networks can be compared without the original code or its files.
"""

import atexit
import json
import tempfile
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch

from mmfer.apis import convert

GOLDEN = Path(__file__).parent / 'data' / 'golden'
SHARED = Path(__file__).resolve().parents[2] / 'shared'


def fill_tensor(name, shape, norm_scale=0.6):
    leaf = name.split('.')[-1]
    if leaf == 'num_batches_tracked':
        return torch.zeros(shape, dtype=torch.int64)
    draw = np.asarray(np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape or None))
    if leaf == 'running_var':
        draw = 1 + 0.2 * abs(draw)
    elif leaf == 'running_mean':
        draw = 0.1 * draw
    elif leaf in {'gamma1', 'gamma2', 'level_embeds', 'cls_token', 'pos_embed', 'relative_position_bias_table'}:
        draw = 0.3 * draw
    elif len(shape) > 1:
        draw = draw / np.sqrt(np.prod(shape[1:]))
    elif leaf == 'weight':
        draw = 0.05 * draw + (0.25 if shape and 'prelu' in name else norm_scale)
    else:
        draw = 0.05 * draw
    return torch.from_numpy(np.ascontiguousarray(draw, dtype=np.float32).reshape(shape))


def manifest(arch):
    return json.loads((GOLDEN / f'{arch}_manifest.json').read_text())


def state_dict(arch):
    """The checkpoint of ``arch`` under its released names."""
    content = manifest(arch)
    return {name: fill_tensor(name, shape, content.get('norm_scale', 0.6)) for name, shape in content['entries']}


@cache
def converted(arch, config):
    """The same as mmfer's tool writes it for a config, in a file that lasts as long as this process."""
    folder = tempfile.TemporaryDirectory()
    torch.save({'model': state_dict(arch), 'epoch': 0}, f'{folder.name}/released.pth')
    convert(f'{folder.name}/released.pth', f'{folder.name}/model.pth', config)
    atexit.register(folder.cleanup)
    return f'{folder.name}/model.pth'


def constants(entries):
    """Tensors by name, each of one value of its own: expanded, so that files of full-size networks stay small."""
    counters = {name: torch.zeros(shape, dtype=torch.int64) for name, shape in entries if 'num_batches' in name}
    return {name: torch.tensor(i + 0.5).expand(shape) for i, (name, shape) in enumerate(entries)} | counters


def images(batch, size=224, seed=0):
    draw = np.random.RandomState(seed).standard_normal((batch, 3, size, size))
    return torch.from_numpy(draw.astype(np.float32))


def labels(batch, num_classes, seed=0):
    return torch.from_numpy(np.random.RandomState(1000 + seed).randint(0, num_classes, batch).astype(np.int64))
