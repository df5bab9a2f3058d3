from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmfer.registry import HOOKS

from ..seeding import TEST, TRAIN, VAL, mix, seed_process


@HOOKS.register_module()
class SeedHook(Hook):
    """Seeds python, numpy and torch before each iteration by (seed, iteration, rank); FERRunner adds it by itself.

    So the noise of an iteration does not depend on what was drawn before: not on the number of workers, nor on whether
    the training was resumed. Validation and test draw the same noise each time, from generators of their own.
    """

    priority = 'HIGHEST'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, TRAIN, runner.iter)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, VAL, batch_idx)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, TEST, batch_idx)


def _seed(runner: Runner, purpose: int, number: int) -> None:
    seed = getattr(runner, 'base_seed', runner.seed)
    seed_process(mix(purpose, seed, number, runner.rank))
