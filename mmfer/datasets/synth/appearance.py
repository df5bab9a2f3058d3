"""Who a synthetic face is and how it is seen: everything but the expression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .actions import ACTION_UNITS

Color = tuple[float, float, float]

# Colours are BGR, 0..255. Skin runs from very light to very dark.
SKIN = (
    (206, 222, 250),
    (176, 203, 242),
    (150, 184, 232),
    (122, 162, 218),
    (94, 134, 194),
    (68, 104, 164),
    (50, 78, 126),
    (40, 58, 94),
)
HAIR = (
    (28, 24, 26),
    (30, 34, 46),
    (36, 50, 76),
    (44, 74, 116),
    (60, 104, 150),
    (110, 164, 204),
    (140, 196, 228),
    (44, 82, 172),
    (150, 152, 156),
    (214, 216, 220),
)
HAIR_WEIGHTS = (0.2, 0.18, 0.16, 0.13, 0.09, 0.07, 0.04, 0.05, 0.05, 0.03)
DYED = ((190, 110, 60), (170, 90, 190), (110, 140, 60), (60, 50, 190))
IRIS = ((40, 62, 96), (26, 40, 66), (150, 120, 76), (166, 142, 100), (88, 124, 96), (70, 104, 136), (128, 118, 108))
IRIS_WEIGHTS = (0.32, 0.24, 0.14, 0.08, 0.1, 0.07, 0.05)
STYLES = ('bald', 'buzz', 'short', 'parted', 'fringe', 'bob', 'long', 'curly', 'afro', 'bun', 'receding', 'scarf')
STYLE_WEIGHTS = (0.06, 0.07, 0.16, 0.13, 0.1, 0.09, 0.14, 0.07, 0.05, 0.05, 0.04, 0.04)
BEARDS = ('none', 'stubble', 'moustache', 'goatee', 'full')
OCCLUSIONS = ('none', 'patch', 'bar', 'hand', 'sunglasses', 'mask')
OCCLUSION_WEIGHTS = (0.9, 0.03, 0.025, 0.025, 0.012, 0.008)


@dataclass
class Appearance:
    """Identity, pose, light, background and disturbances of one face.

    Lengths are in units of half a face height (the face reaches from y = -1 to y = 1, y down), angles in radians,
    colours BGR 0..255.
    """

    # Identity.
    width: float
    jaw: float
    chin: float
    skin: Color
    hair: Color
    style: str
    hair_volume: float
    part: float
    brow_color: Color
    brow_thickness: float
    brow_length: float
    brow_arch: float
    brow_y: float
    eye_x: float
    eye_y: float
    eye_size: float
    eye_open: float
    eye_tilt: float
    iris: Color
    lashes: float
    nose_width: float
    nose_length: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    lip: Color
    toothy: float
    ear: float
    beard: str
    glasses: str
    glasses_color: Color
    cloth: Color
    age: float
    blush: float
    freckles: bool
    earrings: bool
    # How this person moves: one number an action unit, in the order of ACTION_UNITS.
    unit_gain: list[float]
    unit_rest: list[float]
    side: int
    gaze: tuple[float, float]
    # View.
    roll: float
    yaw: float
    pitch: float
    zoom: float
    shift: tuple[float, float]
    # Light, background, camera.
    light_angle: float
    light_slope: float
    brightness: float
    tint: Color
    background: np.ndarray
    shapes: list[tuple[float, float, float, float, Color]]
    blur: float
    noise: float
    noise_offset: tuple[float, float]
    occlusion: str
    occlusion_place: tuple[float, float, float, float]
    occlusion_color: Color


def mix(a: Color, b: Color, t: float) -> Color:
    """Colour between ``a`` (t = 0) and ``b`` (t = 1)."""
    return (a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t)


def shade(color: Color, factor: float) -> Color:
    """Colour times a factor; a factor above 1 moves it towards white."""
    if factor > 1.0:
        return mix(color, (255.0, 255.0, 255.0), factor - 1.0)
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def luminance(color: Color) -> float:
    """Perceived brightness of a BGR colour, 0..255."""
    return 0.114 * color[0] + 0.587 * color[1] + 0.299 * color[2]


class _Draws:
    """Random numbers drawn in one block: much faster than one generator call each."""

    def __init__(self, rng: np.random.Generator, count: int) -> None:
        self._next = iter(rng.random(count).tolist()).__next__

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._next()

    def chance(self, probability: float) -> bool:
        return self._next() < probability

    def bell(self, scale: float) -> float:
        """About normal with standard deviation ``scale``, never beyond three of them."""
        return scale * 2.0 * (self._next() + self._next() + self._next() - 1.5)

    def pick(self, items, weights=None):
        at = self._next()
        if weights is None:
            return items[int(at * len(items))]
        for item, weight in zip(items, weights):
            at -= weight
            if at < 0:
                return item
        return items[-1]

    def color(self, low: float, high: float) -> Color:
        return (self.uniform(low, high), self.uniform(low, high), self.uniform(low, high))


def _sample_shape(d: _Draws, ground: Color) -> tuple[float, float, float, float, Color]:
    """Something in the background: centre, half length, angle and colour."""
    x, y, length, angle = d.uniform(-1.3, 1.3), d.uniform(-1.3, 1.3), d.uniform(0.1, 0.6), d.uniform(0.0, math.pi)
    return x, y, length, angle, mix(ground, d.color(30, 235), 0.5)


def sample_appearance(rng: np.random.Generator) -> Appearance:
    """Draw a person, a view and a picture's disturbances; ``rng`` is the only source of randomness."""
    d = _Draws(rng, 384)
    tone = d.uniform(0.0, len(SKIN) - 1.001)
    skin = mix(SKIN[int(tone)], SKIN[int(tone) + 1], tone % 1.0)
    skin = tuple(c * f for c, f in zip(skin, (d.uniform(0.93, 1.05), d.uniform(0.98, 1.02), d.uniform(0.98, 1.02))))
    style = d.pick(STYLES, STYLE_WEIGHTS)
    masculine = d.uniform(0.0, 1.0)
    if style in ('bob', 'long', 'bun', 'scarf'):
        masculine *= 0.45
    elif style in ('bald', 'buzz', 'receding'):
        masculine = 0.55 + 0.45 * masculine
    beard = d.pick(BEARDS, (0.42, 0.18, 0.1, 0.1, 0.2)) if masculine > 0.55 else 'none'
    hair = d.pick(HAIR, HAIR_WEIGHTS)
    if tone > 3.5 and luminance(hair) > 90 and hair not in HAIR[-2:]:
        hair = HAIR[0]
    if d.chance(0.06) and beard == 'none' and style not in ('bald', 'buzz', 'receding'):
        hair = d.pick(DYED)
    hair = shade(hair, d.uniform(0.85, 1.08))
    # Brows stay readable on every skin, as the eye reads much of an expression from them.
    brow = mix(hair, (24, 28, 38), 0.45)
    limit = 0.55 * luminance(skin)
    if luminance(brow) > limit:
        brow = shade(brow, limit / luminance(brow))
    lip_tone = d.pick(((96, 88, 190), (110, 104, 208), (80, 84, 170), (70, 40, 190)), (0.4, 0.3, 0.2, 0.1))
    lip = mix(skin, lip_tone, d.uniform(0.35, 0.6) if masculine > 0.5 else d.uniform(0.5, 0.85))
    if tone > 4.5:
        lip = mix(lip, (64, 52, 128), 0.4)
    grey = d.uniform(70, 215)
    ground = mix((grey, grey, grey), d.color(50, 225), 0.45)
    side = 1.0 if d.chance(0.5) else -1.0
    light = [[d.uniform(-30, 30) for _ in range(3)] for _ in range(3)]
    background = [[[c + d.uniform(-10, 10) + add for c in ground] for add in row] for row in light]
    shapes = [_sample_shape(d, ground) for _ in range(int(d.uniform(0.0, 3.6)))]
    warmth, green = d.bell(0.03), d.bell(0.01)
    angle = d.uniform(-math.pi, 0.0)
    return Appearance(
        width=0.745 + d.bell(0.028) + 0.01 * masculine,
        jaw=0.87 + 0.07 * masculine + d.bell(0.02),
        chin=0.46 + 0.08 * masculine + d.bell(0.035),
        skin=skin,
        hair=hair,
        style=style,
        hair_volume=d.uniform(0.0, 1.0),
        part=side * d.uniform(0.2, 1.0),
        brow_color=brow,
        brow_thickness=0.044 + 0.03 * masculine + d.bell(0.006),
        brow_length=0.42 + d.bell(0.02),
        brow_arch=0.05 - 0.02 * masculine + d.bell(0.01),
        brow_y=-0.315 + d.bell(0.014),
        eye_x=0.345 + d.bell(0.014),
        eye_y=-0.04 + d.bell(0.012),
        eye_size=0.178 + d.bell(0.008),
        eye_open=0.094 + d.bell(0.006),
        eye_tilt=d.bell(0.012),
        iris=shade(d.pick(IRIS, IRIS_WEIGHTS), d.uniform(0.85, 1.05)),
        lashes=(0.012 if masculine > 0.5 else 0.024) + d.uniform(0.0, 0.008),
        nose_width=0.125 + 0.02 * masculine + d.bell(0.013),
        nose_length=0.31 + d.bell(0.02),
        mouth_y=0.575 + d.bell(0.015),
        mouth_width=0.265 + d.bell(0.014),
        lip_upper=0.05 - 0.012 * masculine + d.bell(0.007),
        lip_lower=0.066 - 0.012 * masculine + d.bell(0.008),
        lip=lip,
        toothy=d.uniform(0.55, 1.0) if d.chance(0.75) else d.uniform(0.0, 0.2),
        ear=d.uniform(0.8, 1.15),
        beard=beard,
        glasses=d.pick(('none', 'round', 'square'), (0.84, 0.08, 0.08)),
        glasses_color=d.pick(((30, 28, 28), (40, 52, 84), (120, 120, 124), (60, 120, 160), (70, 40, 120))),
        cloth=d.color(30, 225),
        age=max(0.0, d.uniform(-0.5, 1.0)),
        blush=d.uniform(0.0, 1.0),
        freckles=d.chance(0.08) and tone < 3.5,
        earrings=d.chance(0.25) and masculine < 0.45,
        unit_gain=[1.0 + d.bell(0.06) for _ in ACTION_UNITS],
        unit_rest=[d.bell(0.03) for _ in ACTION_UNITS],
        side=int(d.chance(0.5)),
        gaze=(d.bell(0.13), d.bell(0.06)),
        roll=d.bell(math.radians(4.5)),
        yaw=d.bell(math.radians(7.0)),
        pitch=d.bell(math.radians(4.0)),
        zoom=1.0 + d.bell(0.03),
        shift=(d.bell(0.025), d.bell(0.02)),
        light_angle=angle,
        light_slope=d.uniform(0.02, 0.2),
        brightness=1.0 + d.bell(0.07),
        tint=(1.0 - warmth, 1.0 + green, 1.0 + warmth),
        background=np.array(background, np.float32),
        shapes=shapes,
        blur=max(0.0, d.uniform(-0.5, 0.65)),
        noise=d.uniform(0.0, 6.0),
        noise_offset=(d.uniform(0, 1), d.uniform(0, 1)),
        occlusion=d.pick(OCCLUSIONS, OCCLUSION_WEIGHTS),
        occlusion_place=(d.uniform(-1, 1), d.uniform(-1, 1), d.uniform(0, 1), d.uniform(0, 1)),
        occlusion_color=d.color(30, 225),
    )
