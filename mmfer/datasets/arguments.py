"""Checks of arguments that several data sets, wrappers and samplers have."""

import numbers
from collections.abc import Sequence
from typing import Any, Optional


def check_integer(owner: object, name: str, value: Any, low: int, high: Optional[int] = None) -> int:
    """``value`` if it is an integer of ``low`` or more (and at most ``high``); else ValueError with its name."""
    good = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not good or value < low or (high is not None and value > high):
        limits = f'{low} or more' if high is None else f'in {low}..{high}'
        raise ValueError(f'{type(owner).__name__}: {name}={value!r} must be an integer, {limits}')
    return int(value)


def check_choice(owner: object, name: str, value: Any, choices: Sequence) -> Any:
    """``value`` if it is one of ``choices``; else ValueError with its name."""
    if value not in choices:
        raise ValueError(f'{type(owner).__name__}: {name}={value!r} is not one of {", ".join(map(str, choices))}')
    return value
