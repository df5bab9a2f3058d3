import random
from types import SimpleNamespace

import numpy as np
import torch

from mmfer.engine.resume.seed_hook import SeedHook


def draw(stage, number, seed=0, rank=0):
    runner = SimpleNamespace(seed=seed + rank, _randomness_cfg=dict(diff_rank_seed=True), rank=rank, iter=number)
    place = dict(batch_idx=number if stage != 'train' else 0) if stage != 'run' else {}
    getattr(SeedHook(), f'before_{stage}' + '_iter' * (stage != 'run'))(runner, **place)
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_draws_follow_from_the_place_alone():
    first = draw('train', 3)
    torch.rand(5)
    assert draw('train', 3) == first


def test_places_differ():
    places = [
        draw('train', 3),
        draw('train', 4),
        draw('train', 3, seed=1),
        draw('train', 3, rank=1),
        draw('val', 3),
        draw('test', 3),
        draw('run', 3),
    ]
    values = [value for place in places for value in place]
    assert len(set(values)) == len(values)


def test_seed_and_rank_are_not_added():
    """Seed 0 on rank 1 is not seed 1 on rank 0."""
    assert draw('train', 0, seed=0, rank=1) != draw('train', 0, seed=1, rank=0)
