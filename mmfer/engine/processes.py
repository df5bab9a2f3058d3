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
        Exception: In the first process, what ``action`` raised.
        ValueError: In the others, with the text of that.
    """
    result, failure = None, None
    if runner.rank == 0:
        try:
            result = action()
        except Exception as error:
            failure = error
    told = [result, None if failure is None else str(failure)]
    broadcast_object_list(told)
    if failure is not None:
        raise failure
    if told[1] is not None:
        raise ValueError(f'the first process stopped: {told[1]}')
    return told[0]
