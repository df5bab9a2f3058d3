"""What several processes that train one model have to agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.dist import broadcast_object_list
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, where MMEngine has wrapped it for several processes."""
    return model.module if is_model_wrapper(model) else model


def by_first(runner: Runner, action: Callable[[], Any]) -> Any:
    """What ``action`` returns in the first process, told to all; call it in all of them.

    Raises:
        ValueError: In all processes, if the first one met an OSError or ValueError; a single process raises that.
    """
    told: list = [None, None]
    if runner.rank == 0:
        try:
            told[0] = action()
        except (OSError, ValueError) as error:
            if runner.world_size == 1:
                raise
            told[1] = str(error)
    broadcast_object_list(told)
    if told[1] is not None:
        raise ValueError(told[1])
    return told[0]
