"""Which facial action units an expression moves (EMFACS).

Ekman and Friesen, *EMFACS-7: Emotional Facial Action Coding System*, 1983,
https://www.paulekman.com/facial-action-coding-system/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

EMFACS: dict[str, tuple[int, ...]] = {
    'neutral': (),
    'happiness': (6, 12),
    'sadness': (1, 4, 15),
    'surprise': (1, 2, 5, 26),
    'fear': (1, 2, 4, 5, 7, 20, 26),
    'disgust': (9, 15, 16),
    'anger': (4, 5, 7, 23),
    'contempt': (12, 14),
}
"""Action units by expression; those of contempt act on one side of the face only."""

ACTION_UNITS: tuple[int, ...] = tuple(sorted({unit for units in EMFACS.values() for unit in units}))
"""1, 2 inner and outer brow raiser, 4 brow lowerer, 5 upper lid raiser, 6 cheek raiser, 7 lid tightener, 9 nose
wrinkler, 12 lip corner puller, 14 dimpler, 15 lip corner depressor, 16 lower lip depressor, 20 lip stretcher, 23 lip
tightener, 26 jaw drop."""


def action_units(
    intensities: Mapping[str, float],
    side: int = 0,
    gain: Sequence[float] | None = None,
    rest: Sequence[float] | None = None,
) -> dict[int, tuple[float, float]]:
    """Activations of the action units that show the given expressions.

    An activation is ``min(1, gain * sum of the intensities of the expressions that use the unit + rest)``.

    Args:
        intensities: Expression name to intensity in [0, 1]; absent ones are 0.
        side: The side (0 left, 1 right in the image) on which contempt acts.
        gain: This person's gain of each unit, in the order of ``ACTION_UNITS``.
        rest: This person's activation at rest, in the same order.

    Returns:
        dict[int, tuple[float, float]]: Unit to (left, right) activation in [0, 1].

    Raises:
        ValueError: On an unknown expression name or a ``side`` other than 0 and 1.

    Examples:
        >>> units = action_units({'happiness': 0.8})
        >>> units[12], units[4]
        ((0.8, 0.8), (0.0, 0.0))
        >>> action_units({'contempt': 1.0}, side=1)[14]
        (0.0, 1.0)
    """
    unknown = set(intensities) - set(EMFACS)
    if unknown:
        raise ValueError(f'intensities: unknown expressions {sorted(unknown)}, known are {sorted(EMFACS)}')
    if side not in (0, 1):
        raise ValueError(f'side must be 0 (left) or 1 (right), got {side!r}')
    left = dict.fromkeys(ACTION_UNITS, 0.0)
    right = dict.fromkeys(ACTION_UNITS, 0.0)
    for name, intensity in intensities.items():
        for unit in EMFACS[name]:
            if name != 'contempt' or side == 0:
                left[unit] += float(intensity)
            if name != 'contempt' or side == 1:
                right[unit] += float(intensity)
    units = {}
    for i, unit in enumerate(ACTION_UNITS):
        scale, offset = (gain[i] if gain else 1.0), (rest[i] if rest else 0.0)
        units[unit] = (
            min(1.0, max(0.0, scale * left[unit] + offset)),
            min(1.0, max(0.0, scale * right[unit] + offset)),
        )
    return units
