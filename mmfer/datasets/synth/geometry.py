"""From action units to the geometry of brows, lids, nose, cheeks and mouth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .appearance import Appearance

Pair = tuple[float, float]


@dataclass
class FaceShape:
    """Positions that an expression moves; pairs are (left, right) in the image, y points down, unit half a face."""

    brow_inner_x: Pair  # distance of the brow's inner end from the middle line
    brow_inner_y: Pair
    brow_middle_y: Pair
    brow_outer_y: Pair
    lid_upper: Pair  # height of the upper lid above the eye's axis
    lid_lower: Pair  # depth of the lower lid below the eye's axis; negative when the cheek pushes it up
    lid_slant: Pair  # > 0: the upper lid falls towards the nose (anger), < 0: towards the temple (sadness)
    cheek: Pair  # how far the cheek is raised, 0..1
    fold: Pair  # depth of the fold from nose to mouth, 0..1
    crow: Pair  # wrinkles at the eye's outer corner, 0..1
    dimple: Pair  # 0..1
    forehead: float  # horizontal wrinkles, 0..1
    frown: float  # vertical wrinkles between the brows, 0..1
    nose_wrinkle: float  # 0..1
    nose_lift: float
    mouth_half: Pair  # corner's distance from the middle line
    corner_y: Pair  # corner's height relative to the middle of the mouth
    mouth_lift: float  # upper lip's rise
    open_upper: float  # upper lip's distance from the mouth line
    open_lower: float  # lower lip's distance from the mouth line
    square: float  # exponent of the opening's outline: 1 a parabola, 0.5 an ellipse, less a rectangle
    lip_upper: float  # thickness
    lip_lower: float
    lower_teeth: float  # 0..1
    grin: float  # smile that shows the upper teeth, 0..1
    press: float  # lips pressed together, 0..1
    jaw: float  # chin's drop


def face_shape(units: Mapping[int, Pair], person: Appearance) -> FaceShape:
    """Geometry of a person's face with the (left, right) activations that :func:`action_units` gives."""

    def both(formula) -> Pair:
        left, right = ({unit: pair[i] for unit, pair in units.items()} for i in (0, 1))
        return formula(left), formula(right)

    def mean(unit: int) -> float:
        return 0.5 * (units[unit][0] + units[unit][1])

    rest_y = person.brow_y
    smile, jaw, stretch, press, sneer = mean(12), mean(26), mean(20), mean(23), mean(9)
    depress = mean(15)
    pressed = press * (1.0 - jaw)
    grin = min(units[12]) * person.toothy * (1.0 - press)
    wide = stretch * jaw
    return FaceShape(
        brow_inner_x=both(lambda a: 0.135 - 0.06 * a[4] - 0.02 * a[9]),
        brow_inner_y=both(
            lambda a: (
                rest_y
                + 0.025
                - 0.125 * a[1]
                - 0.02 * a[2]
                + 0.125 * a[4] * (1 - 0.85 * a[1])
                + 0.07 * a[9] * (1 - 0.5 * a[4])
                + 0.01 * a[6]
            )
        ),
        brow_middle_y=both(
            lambda a: (
                rest_y
                - person.brow_arch
                - 0.03 * a[1]
                - 0.14 * a[2] * (1 - 0.35 * a[4])
                + 0.055 * a[4] * (1 - 0.6 * a[2]) * (1 - 0.4 * a[1])
                + 0.065 * a[9]
                + 0.015 * a[6]
            )
        ),
        brow_outer_y=both(
            lambda a: (
                rest_y
                + 0.03
                - 0.075 * a[2]
                + 0.085 * a[1] * (1 - a[2])
                - 0.035 * a[4] * (1 - a[1])
                + 0.03 * a[1] * a[2] * a[4]
                + 0.03 * a[9]
            )
        ),
        lid_upper=both(
            lambda a: max(
                0.02,
                person.eye_open
                + 0.068 * a[5]
                - 0.018 * a[7] * (1 - a[5])
                - 0.032 * a[6]
                - 0.042 * a[9]
                - 0.072 * a[4] * a[7] * (1 - a[1])
                - 0.02 * a[1] * a[4] * (1 - a[5]),
            )
        ),
        lid_lower=both(
            lambda a: (
                0.07
                + 0.028 * a[5] * (1 - 0.3 * a[7])
                - 0.045 * a[7] * (1 - 0.7 * a[1])
                - 0.082 * a[6]
                - 0.055 * a[9]
                - 0.015 * a[12]
            )
        ),
        lid_slant=both(lambda a: 0.06 * a[4] * (1 - a[1]) + 0.015 * a[9] - 0.05 * a[1] * a[4] * (1 - 0.6 * a[5])),
        cheek=both(lambda a: min(1.0, a[6] + 0.4 * a[9])),
        fold=both(lambda a: min(1.0, 0.25 * person.age + 0.75 * a[12] + 1.0 * a[9] + 0.2 * a[15] + 0.25 * a[20])),
        crow=both(lambda a: a[6] * (0.35 + 0.65 * person.age)),
        dimple=both(lambda a: a[14]),
        forehead=min(1.0, 0.25 * person.age + 0.75 * mean(1) * (0.35 + 0.65 * mean(2))),
        frown=min(1.0, 0.15 * person.age + mean(4)),
        nose_wrinkle=sneer,
        nose_lift=0.045 * sneer,
        mouth_half=both(
            lambda a: (
                person.mouth_width
                * (
                    1
                    + 0.36 * a[12]
                    + 0.30 * a[20]
                    + 0.05 * a[15]
                    - 0.08 * a[14]
                    - 0.12 * a[23]
                    - 0.36 * a[26] * (1 - a[20]) * (1 - a[12])
                    + 0.04 * a[16]
                )
            )
        ),
        corner_y=both(
            lambda a: -0.145 * a[12] + 0.115 * a[15] * (1 - 0.8 * a[12]) + 0.05 * a[20] + 0.028 * a[23] - 0.03 * a[14]
        ),
        mouth_lift=0.055 * sneer,
        open_upper=0.05 * jaw * (1 - 0.4 * stretch) + 0.035 * sneer + 0.02 * wide - 0.012 * grin + 0.012 * mean(16),
        open_lower=(0.3 * jaw * (1 - 0.55 * stretch) + 0.15 * grin + 0.075 * mean(16) + 0.03 * stretch)
        * (1 - 0.9 * pressed),
        square=1.0 - 0.5 * jaw - 0.25 * wide - 0.45 * mean(16) * (1 - jaw) - 0.15 * grin,
        lip_upper=person.lip_upper * (1 - 0.65 * press - 0.3 * smile - 0.25 * stretch - 0.2 * sneer),
        lip_lower=person.lip_lower * (1 - 0.6 * press - 0.15 * smile - 0.25 * stretch + 0.1 * depress),
        lower_teeth=min(1.0, 0.9 * wide + 0.9 * mean(16)),
        grin=min(1.0, 1.3 * grin),
        press=pressed,
        jaw=0.17 * jaw * (1 - 0.25 * stretch) + 0.03 * grin,
    )
