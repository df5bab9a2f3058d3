from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmfer.registry import HOOKS

from .seeding import INIT, TEST, TRAIN, VAL, base_seed_of, mix, seed_process


@HOOKS.register_module()
class SeedHook(Hook):
    """Seeds python, numpy and torch before the weights are drawn, and before each iteration by (seed, iteration, rank).

    So the noise of an iteration does not depend on what was drawn before: not on the number of workers, nor on whether
    the training was resumed; and backbone and neck begin alike, whatever the constructor of a head draws. Validation
    and test draw the same noise each time, from generators of their own.
    """

    priority = 'HIGHEST'

    def before_run(self, runner: Runner) -> None:
        _seed(runner, INIT)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, TRAIN, runner.iter)

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, VAL, batch_idx)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        _seed(runner, TEST, batch_idx)


def _seed(runner: Runner, purpose: int, *place: int) -> None:
    seed_process(mix(purpose, base_seed_of(runner), *place, runner.rank))
