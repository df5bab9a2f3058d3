"""Head, ears, neck, hair, beard, glasses and jewellery."""

from __future__ import annotations

import math

import numpy as np

from .appearance import Appearance, Color, mix, shade
from .canvas import COS, SIN, Canvas, catmull_rom_matrix
from .geometry import FaceShape

_SMOOTH = catmull_rom_matrix(14, 5)
_ARC = np.linspace(0.0, math.pi, 31)
_HAIRLINE_X = np.linspace(1.0, -1.0, 31)
_LOCKS = [(np.cos(t), np.sin(t)) for t in (np.linspace(a, b, 9) * math.pi for a, b in ((0.28, 0.5), (0.62, 0.76)))]
_LOCK_WIDTH = 0.045 * np.sin(np.linspace(0.2, 2.94, 9))


def outline(p: Appearance, f: FaceShape) -> tuple[np.ndarray, np.ndarray]:
    """Closed outline of the face, clockwise from the top; (70,) each."""
    w, j = p.width, f.jaw
    puff = 0.012 * (f.cheek[0] + f.cheek[1])
    x = np.array((0.5 * w, 0.84 * w, 0.98 * w, w + puff, p.jaw * w - 0.12 * j, p.chin * w - 0.1 * j))
    y = np.array((-0.935, -0.69, -0.27, 0.12, 0.52 + 0.45 * j, 0.87 + j))
    xs = np.concatenate(((0.0,), x, (0.0,), -x[::-1]))
    ys = np.concatenate(((-1.0,), y, (1.0 + j,), y[::-1]))
    return _SMOOTH @ xs, _SMOOTH @ ys


def draw_head(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Everything under the features: shoulders, neck, back hair, ears and skin."""
    _draw_back_hair(canvas, p)
    nan = math.nan
    canvas.polygon(
        np.array((-1.5, -1.05, -0.42, 0.42, 1.05, 1.5)), np.array((1.6, 1.2, 1.02, 1.02, 1.2, 1.6)), p.cloth, nan
    )
    neck = np.array((-0.42, -0.4, -0.36, -0.2, 0.2, 0.36, 0.4, 0.42))
    canvas.polygon(neck, np.array((0.5, 0.9, 1.06, 1.16, 1.16, 1.06, 0.9, 0.5)), shade(p.skin, 0.8), nan)
    if p.style != 'scarf':
        for s in (-1, 1):
            x, rx, ry = s * (p.width + 0.025), 0.1 * p.ear, 0.175 * p.ear
            canvas.ellipse(x, 0.06, rx, ry, shade(p.skin, 0.93), -0.1)
            canvas.ellipse(x + s * 0.012, 0.05, rx * 0.55, ry * 0.62, shade(p.skin, 0.74), -0.1)
            if p.earrings:
                canvas.ellipse(x, 0.06 + ry + 0.03, 0.03, 0.035, (90, 200, 235), -0.1)
    canvas.polygon(*outline(p, f), p.skin)


def _draw_back_hair(canvas: Canvas, p: Appearance) -> None:
    w, v, color = p.width, p.hair_volume, shade(p.cloth if p.style == 'scarf' else p.hair, 0.78)
    if p.style == 'long':
        x = np.array((0.0, 0.7, 1.0, 1.08, 1.16, 1.22, 1.1)) * (w + 0.1 + 0.08 * v)
        y = np.array((-1.2, -1.02, -0.5, 0.0, 0.6, 1.0, 1.4))
    elif p.style == 'bob':
        x = np.array((0.0, 0.72, 1.04, 1.12, 1.18, 1.08, 0.8)) * (w + 0.1 + 0.08 * v)
        y = np.array((-1.2, -1.02, -0.5, 0.0, 0.45, 0.75, 0.8))
    elif p.style == 'scarf':
        x = np.array((0.0, 0.66, 1.0, 1.06, 1.0, 0.95, 1.25)) * (w + 0.15)
        y = np.array((-1.2, -1.02, -0.5, 0.1, 0.7, 1.0, 1.4))
    elif p.style in ('afro', 'curly'):
        big = 1.0 if p.style == 'afro' else 0.45
        radius = w + 0.14 + 0.28 * big * (0.6 + 0.4 * v)
        bumps = 1.0 + 0.025 * np.sin(np.arange(84) * 2 * math.pi / 6)
        angle = np.linspace(0, 2 * math.pi, 84, endpoint=False)
        canvas.polygon(
            radius * bumps * np.cos(angle), -0.32 + radius * 0.98 * bumps * np.sin(angle), shade(p.hair, 0.85), -0.2
        )
        return
    elif p.style == 'bun':
        canvas.ellipse(0.1 * p.part, -1.14, 0.27, 0.2, color, -0.2)
        return
    else:
        return
    canvas.polygon(_SMOOTH @ np.concatenate((x, -x[::-1])), _SMOOTH @ np.concatenate((y, y[::-1])), color, -0.25)


def draw_hair(canvas: Canvas, p: Appearance) -> None:
    """Hair in front of the head: from the outline of the skull to the hairline."""
    style, w, v, part = p.style, p.width, p.hair_volume, p.part
    if style == 'bald':
        canvas.ellipse(-0.25, -0.78, 0.16, 0.07, mix(p.skin, (255, 255, 255), 0.2))
        return
    if style == 'scarf':
        inner_x, inner_y = 0.86 * w * COS, 0.08 + 0.8 * SIN
        outer_x, outer_y = (w + 0.13) * COS, 0.03 + 1.17 * SIN
        x, y = np.concatenate((outer_x, inner_x)), np.concatenate((outer_y, inner_y))
        canvas.polygon(x, y, p.cloth, 0.02, contours=2)
        for k, (a, b) in enumerate(((15, 27), (18, 26))):
            reach = 1.05 + 0.08 * k
            fold = np.sin(np.linspace(0.0, math.pi, b - a))
            canvas.stroke(inner_x[a:b] * reach, inner_y[a:b] * reach, 0.04 * fold, shade(p.cloth, 0.8), 0.03)
        return
    u = _HAIRLINE_X
    lift = {'buzz': 0.02, 'receding': 0.03, 'short': 0.09, 'parted': 0.1, 'curly': 0.12, 'afro': 0.14}.get(style, 0.09)
    lift += 0.05 * v if style not in ('buzz', 'receding') else 0.0
    start = {'bob': 0.25, 'long': 0.45}.get(style, -0.06)
    x_outer = (w + 0.035 + 0.3 * lift) * np.cos(_ARC)
    y_outer = -0.14 - (0.86 + lift) * np.sin(_ARC)
    if style in ('curly', 'afro'):
        wave = 1.0 + 0.03 * np.sin(_ARC * 18)
        x_outer, y_outer = x_outer * wave, y_outer * wave
    edge = np.abs(u)
    if style == 'fringe':
        line = -0.53 - 0.04 * (1 - u * u) + 0.025 * np.sin(u * 14)
    elif style == 'parted':
        line = -0.76 + 0.25 * np.clip(-np.sign(part) * (u - 0.45 * part), -0.25, 1.0) ** 2
    elif style == 'receding':
        line = -0.8 - 0.1 * np.cos(u * 7.5) * (edge < 0.7)
    elif style in ('bob', 'long'):
        line = -0.8 + 0.22 * np.abs(u - 0.35 * part) ** 1.2
    else:
        line = -0.7 + 0.05 * np.cos(u * 5.0 + part) * (style != 'buzz')
    side = np.clip((edge - 0.72) / 0.28, 0.0, 1.0)
    line = line + (start - line) * side**1.3
    inner = 0.985 * w * np.sign(u) * np.minimum(edge, 1.0) ** 0.8
    if style in ('bob', 'long'):
        inner = np.where(edge > 0.7, inner * (1.0 - 0.07 * np.sin(side * math.pi)), inner)
        x_outer = np.concatenate(((w + 0.09,), x_outer, (-w - 0.09,)))
        y_outer = np.concatenate(((start + 0.1,), y_outer, (start + 0.1,)))
    color = mix(p.hair, p.skin, 0.3) if style in ('buzz', 'receding') else p.hair
    canvas.polygon(np.concatenate((x_outer, inner[::-1])), np.concatenate((y_outer, line[::-1])), color, 0.02)
    if style in ('buzz', 'receding'):
        return
    # Two locks of light give the hair a direction.
    light = mix(p.hair, (235, 235, 235), 0.16)
    for cos, sin in _LOCKS:
        canvas.stroke((w * 0.93) * cos, -0.14 - (0.86 + 0.45 * lift) * sin, _LOCK_WIDTH, light, 0.03)


def draw_beard(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Stubble, moustache, goatee or full beard; moves with jaw and mouth."""
    if p.beard == 'none':
        return
    color = mix(p.hair, p.skin, {'stubble': 0.72, 'full': 0.12}.get(p.beard, 0.1))
    top = p.eye_y + p.nose_length + 0.085 - f.nose_lift
    half = 0.5 * (f.mouth_half[0] + f.mouth_half[1])
    if p.beard in ('full', 'stubble'):
        x, y = outline(p, f)
        low = y > 0.1
        x, y = x[low], y[low]
        grown = 1.03 if p.beard == 'full' else 1.0
        left, right = p.mouth_y + f.corner_y[0] - 0.06, p.mouth_y + f.corner_y[1] - 0.06
        inner_x = np.array((-0.93 * p.width, -0.8 * p.width, -half - 0.13, -half - 0.02, -0.1, 0.0, 0.1))
        inner_x = np.concatenate((inner_x, (half + 0.02, half + 0.13, 0.8 * p.width, 0.93 * p.width)))
        inner_y = np.array((0.12, 0.38, left + 0.02, left - 0.04, top - 0.005, top, top - 0.005))
        inner_y = np.concatenate((inner_y, (right - 0.04, right + 0.02, 0.38, 0.12)))
        canvas.polygon(np.concatenate((x * grown, inner_x)), np.concatenate((0.1 + (y - 0.1) * grown, inner_y)), color)
        return
    if p.beard == 'goatee':
        low = p.mouth_y + f.open_lower + f.lip_lower + 0.04
        canvas.polygon(0.15 * COS, 0.5 * (low + 1.02 + f.jaw) + 0.5 * (1.02 + f.jaw - low) * SIN, color)
    u = np.linspace(-1.0, 1.0, 17)
    corner = np.where(u < 0, f.corner_y[0], f.corner_y[1])
    lower = p.mouth_y - f.mouth_lift - f.open_upper - 0.025 + (0.012 + corner) * u * u
    upper = top + (lower - top) * u * u - 0.01
    x = u * (half - 0.01)
    canvas.polygon(np.concatenate((x, x[::-1])), np.concatenate((upper, lower[::-1])), color, 0.03)


def draw_marks(canvas: Canvas, p: Appearance) -> None:
    """Freckles."""
    if p.freckles:
        color: Color = mix(p.skin, (60, 96, 160), 0.55)
        for s in (-1, 1):
            for dx, dy in ((0.2, 0.16), (0.28, 0.22), (0.36, 0.17), (0.44, 0.24), (0.25, 0.3), (0.5, 0.15)):
                canvas.ellipse(s * dx + 0.01, dy + 0.02 * s, 0.014, 0.012, color)


def draw_glasses(canvas: Canvas, p: Appearance) -> None:
    """Frames in front of the eyes; the brows stay visible."""
    if p.glasses == 'none':
        return
    y0, rx, ry = p.eye_y + 0.025, 0.245, 0.18
    power = 0.55 if p.glasses == 'square' else 1.0
    cx = np.sign(COS) * np.abs(COS) ** power
    sy = np.sign(SIN) * np.abs(SIN) ** power
    for s in (-1, 1):
        x = s * (p.eye_x + 0.005)
        ring_x = np.concatenate((x + rx * cx, x + (rx - 0.03) * cx))
        ring_y = np.concatenate((y0 + ry * sy, y0 + (ry - 0.03) * sy))
        canvas.polygon(ring_x, ring_y, p.glasses_color, 0.12, contours=2)
        arm = np.array((s * (p.eye_x + rx), s * (p.width + 0.02)))
        canvas.stroke(arm, np.array((y0 - 0.05, y0 - 0.02)), 0.028, p.glasses_color, 0.05)
    u = np.linspace(-1.0, 1.0, 7)
    canvas.stroke(u * (p.eye_x - rx + 0.015), y0 - 0.03 - 0.03 * (1 - u * u), 0.026, p.glasses_color, 0.16)
