"""What the image transforms share: checks of their arguments, and how they are shown."""

from collections.abc import Sequence
from numbers import Real

from mmcv.transforms import BaseTransform

from mmfer.faces.resizing import is_whole


class ImageTransform(BaseTransform):
    """A transform that is shown with its options."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}({", ".join(f"{name}={value!r}" for name, value in vars(self).items())})'


def check_range(name: str, value, low: float = -float('inf'), high: float = float('inf')) -> tuple:
    """``value`` as an ascending pair of floats within [low, high].

    Raises:
        TypeError: It is no pair of numbers.
        ValueError: It is not ascending, or outside the bounds.
    """
    if not isinstance(value, Sequence) or len(value) != 2 or not all(isinstance(v, Real) for v in value):
        raise TypeError(f'{name}={value!r} must be a pair of numbers (min, max)')
    if not low <= value[0] <= value[1] <= high:
        raise ValueError(f'{name}={tuple(value)} must be ascending and within [{low}, {high}]')
    return float(value[0]), float(value[1])


def check_color(name: str, value) -> tuple:
    """``value`` as (b, g, r): one integer for all three or three integers, each within 0..255.

    Raises:
        TypeError: It is no integer and no triple of integers.
        ValueError: A number is outside 0..255.
    """
    color = (value,) * 3 if is_whole(value) else value
    if not isinstance(color, Sequence) or len(color) != 3 or not all(map(is_whole, color)):
        raise TypeError(f'{name}={value!r} must be an integer or three integers (b, g, r)')
    if not all(0 <= c <= 255 for c in color):
        raise ValueError(f'{name}={value!r} must be within 0..255')
    return tuple(int(c) for c in color)
