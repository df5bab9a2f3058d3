"""Brows, eyes, nose, mouth and the folds around them."""

from __future__ import annotations

import math

import numpy as np

from .appearance import Appearance, Color, luminance, mix, shade
from .canvas import COS, SIN, Canvas
from .geometry import FaceShape

U = np.linspace(-1.0, 1.0, 25)
U2 = U * U
ARCH = 1.0 - U2
ARCH_HALF = np.sqrt(ARCH)
ARCH_LID = ARCH**0.72
T = np.linspace(0.0, 1.0, 15)
TAPER = np.sqrt(np.clip(4.0 * T * (1.0 - T), 0.02, 1.0))
BEZIER = np.stack(((1 - T) ** 2, 2 * T * (1 - T), T**2), axis=1)
# Quadratic through the brow's inner end, its peak at 0.58 and its outer end.
PEAK = 0.58
BROW = np.stack(((T - PEAK) * (T - 1) / PEAK, T * (T - 1) / (PEAK * (PEAK - 1)), T * (T - PEAK) / (1 - PEAK)), axis=1)
BROW_WIDTH = np.interp(T, (0.0, 0.06, 0.35, 0.75, 1.0), (0.5, 0.9, 1.1, 0.75, 0.12))
CUPID = ARCH**0.7 * (1.0 - 0.28 * np.exp(-((U / 0.16) ** 2)))


def line_color(skin: Color, strength: float = 1.0) -> Color:
    """Colour of a wrinkle on the skin: darker and warmer, black on the darkest skins."""
    factor = 0.42 if luminance(skin) > 110 else 0.34
    return mix(skin, (skin[0] * factor * 0.85, skin[1] * factor * 0.9, skin[2] * factor * 1.12), strength)


def _curve(x: tuple[float, ...], y: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Quadratic Bezier through three control points."""
    return BEZIER.dot(x), BEZIER.dot(y)


def draw_shading(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Soft light and shadow: a layer of gains (200 is 1), blurred before use."""
    lit = 1.0 if math.cos(p.light_angle) > 0 else -1.0
    dark, deep = (164.0, 168.0, 180.0), (140.0, 146.0, 164.0)
    canvas.polygon(
        -lit * np.array((0.5, 1.2, 1.2, 0.4, 0.58)) * p.width, np.array((-1.0, -1.0, 1.2, 1.2, 0.1)), (176, 180, 188)
    )
    canvas.ellipse(0.0, 1.2 + f.jaw, 0.7, 0.2, (130, 134, 150), math.nan)
    blush = (192 - 18 * p.blush, 193 - 16 * p.blush, 204)
    for i, s in enumerate((-1, 1)):
        canvas.ellipse(s * p.eye_x * 0.98, p.eye_y - 0.06, 0.24, 0.14, dark)
        cheek_y = 0.3 - 0.05 * f.cheek[i]
        canvas.ellipse(s * 0.45, cheek_y, 0.19, 0.13, blush)
        if f.cheek[i] > 0.2:
            canvas.ellipse(s * 0.41, cheek_y - 0.06, 0.1, 0.05, (214, 214, 214))
        x, y = _fold(p, f, i, s)
        canvas.stroke(x, y, 0.07 * f.fold[i] * TAPER, mix((200, 200, 200), deep, f.fold[i]))
    ny = p.eye_y + p.nose_length - f.nose_lift
    canvas.polygon(-lit * np.array((0.03, 0.1, 0.17, 0.03)), np.array((-0.16, 0.0, ny, ny)), dark)
    canvas.polygon(lit * np.array((-0.02, 0.05, 0.06, -0.02)), np.array((-0.14, -0.1, ny, ny)), (216, 214, 212))
    canvas.ellipse(0.0, ny + 0.07, p.nose_width * 1.15, 0.04, deep)
    low = p.mouth_y + f.open_lower + f.lip_lower + 0.055
    canvas.ellipse(0.0, low, 0.17, 0.035, deep)
    canvas.ellipse(0.0, -0.6, 0.4, 0.14, (208, 207, 206))
    canvas.ellipse(0.0, low + 0.11, 0.12, 0.06, (207, 206, 205))
    if f.frown > 0.2:
        canvas.ellipse(0.0, p.brow_y + 0.03, 0.08, 0.08, mix((200, 200, 200), deep, f.frown))


def _fold(p: Appearance, f: FaceShape, i: int, s: int) -> tuple[np.ndarray, np.ndarray]:
    top = p.eye_y + p.nose_length - f.nose_lift
    half, corner = f.mouth_half[i], p.mouth_y + f.corner_y[i]
    return _curve(
        (s * (p.nose_width + 0.03), s * (half + 0.07), s * (half + 0.085)), (top - 0.05, top + 0.06, corner + 0.05)
    )


def draw_folds(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Wrinkles of age and expression."""
    skin = p.skin
    if f.forehead > 0.12:
        for k, y in enumerate((-0.53, -0.61, -0.69)[: 3 if f.forehead > 0.5 else 2]):
            half = 0.34 - 0.05 * k
            # Raised inner brows alone (sadness) wrinkle the middle of the forehead upwards.
            bend = 0.35 * (sum(f.brow_inner_y) - sum(f.brow_outer_y)) * 0.5
            canvas.stroke(
                U * half, y + bend * (1 - U2) * 0.6, 0.02 * f.forehead * ARCH_HALF, line_color(skin, 0.5 * f.forehead)
            )
    if f.frown > 0.2:
        for s in (-1, 1):
            x, y = _curve((s * 0.05, s * 0.038, s * 0.052), (p.brow_y - 0.06, p.brow_y + 0.03, p.brow_y + 0.1))
            canvas.stroke(x, y, 0.03 * f.frown * TAPER, line_color(skin, 0.75 * f.frown))
    if f.nose_wrinkle > 0.15:
        color = line_color(skin, 0.75 * f.nose_wrinkle)
        for k, y in enumerate((-0.1, -0.035, 0.03)):
            half = 0.075 + 0.012 * k
            canvas.stroke(U * half, p.eye_y + 0.03 + y + 0.03 * U2, 0.026 * f.nose_wrinkle * ARCH_HALF, color, 0.12)
        for s in (-1, 1):
            for k in (0.0, 0.07):
                x, y = _curve((s * 0.1, s * 0.13, s * 0.2), (0.01 + k, 0.04 + k, 0.05 + k))
                canvas.stroke(x, p.eye_y + 0.04 + y, 0.022 * f.nose_wrinkle * TAPER, color)
    for i, s in enumerate((-1, 1)):
        if f.fold[i] > 0.12:
            x, y = _fold(p, f, i, s)
            canvas.stroke(x, y, (0.012 + 0.02 * f.fold[i]) * TAPER, line_color(skin, 0.25 + 0.5 * f.fold[i]))
        if f.crow[i] > 0.25:
            x0 = p.eye_x + p.eye_size + 0.03
            for dy, end in ((-0.01, -0.05), (0.03, 0.03), (0.06, 0.1)):
                x, y = _curve((s * x0, s * (x0 + 0.05), s * (x0 + 0.1)), (dy, dy + 0.3 * (end - dy), end))
                canvas.stroke(x, p.eye_y + y, 0.014 * f.crow[i] * TAPER, line_color(skin, 0.5 * f.crow[i]))
        if f.cheek[i] > 0.2 or p.age > 0.5:
            depth = max(f.cheek[i], 0.7 * p.age)
            y = p.eye_y + f.lid_lower[i] + 0.07 + 0.035 * ARCH
            canvas.stroke(s * (p.eye_x + U * 0.13), y, 0.018 * depth * ARCH_HALF, line_color(skin, 0.45 * depth))
        if f.dimple[i] > 0.1:
            x0, y0 = f.mouth_half[i] + 0.05, p.mouth_y + f.corner_y[i]
            x, y = _curve((s * x0, s * (x0 + 0.045), s * (x0 - 0.005)), (y0 - 0.085, y0, y0 + 0.075))
            canvas.stroke(x, y, 0.036 * f.dimple[i] * TAPER, line_color(skin, 0.4 + 0.45 * f.dimple[i]))


def draw_brows(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Both brows."""
    for i, s in enumerate((-1, 1)):
        x = f.brow_inner_x[i] + T * p.brow_length
        y = BROW @ (f.brow_inner_y[i], f.brow_middle_y[i], f.brow_outer_y[i])
        canvas.stroke(s * x, y, p.brow_thickness * 1.45 * BROW_WIDTH, p.brow_color, 0.03)


def draw_eyes(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Both eyes: white, iris and pupil cut by the lids, lashes and creases."""
    size, line = p.eye_size, line_color(p.skin)
    lash = mix(line, (18, 16, 20), 0.75)
    for i, s in enumerate((-1, 1)):
        up, low, slant = f.lid_upper[i], f.lid_lower[i], f.lid_slant[i]
        x = s * (p.eye_x + U * size)
        axis = p.eye_y - p.eye_tilt * U
        fall = slant * (1 - U) if slant > 0 else -slant * (1 + U) + 0.35 * slant * (1 - U)
        upper = axis - up * ARCH_LID + fall * ARCH_HALF
        lower = axis + low * ARCH_LID * (1 + 0.12 * U)
        upper = np.minimum(upper, lower - 0.022 * ARCH_HALF)
        canvas.polygon(np.concatenate((x, x[::-1])), np.concatenate((upper, lower[::-1])), (232, 236, 240))
        cx = s * p.eye_x + p.gaze[0] * 0.35 * size
        cy = p.eye_y + p.gaze[1] * 0.35 * size + 0.3 * (low - 0.07 - up + p.eye_open) - 0.004
        radius = 0.46 * size
        for r, color in (
            (radius, shade(p.iris, 0.55)),
            (radius * 0.82, p.iris),
            (radius * 0.5, (14, 12, 14)),
        ):
            px, py = cx + r * COS, cy + r * SIN
            at = (px - s * p.eye_x) * s / size
            canvas.polygon(px, np.clip(py, np.interp(at, U, upper), np.interp(at, U, lower)), color)
        if up + low > 0.09:
            top = float(np.interp((cx - s * p.eye_x) * s / size, U, upper))
            canvas.ellipse(cx + 0.3 * radius, max(cy - 0.3 * radius, top + 0.03), 0.016, 0.016, (250, 250, 250))
        weight = 0.55 + 0.45 * np.clip(U + 0.6, 0.0, 1.0)
        canvas.stroke(x, upper - 0.3 * p.lashes, (0.012 + p.lashes) * weight, lash)
        canvas.stroke(x, lower, 0.014 * (0.4 + 0.6 * ARCH_HALF), mix(p.skin, line, 0.7))
        crease = 0.042 + 0.012 * (up - p.eye_open) / 0.05
        if up > 0.05:
            canvas.stroke(
                s * (p.eye_x + U * size * 0.96), upper - crease * ARCH_HALF, 0.014 * ARCH_HALF, line_color(p.skin, 0.6)
            )


def draw_nose(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Wings, nostrils and tip."""
    y0, width = p.eye_y + p.nose_length - f.nose_lift, p.nose_width * (1 + 0.14 * f.nose_wrinkle)
    line = line_color(p.skin, 0.75)
    for s in (-1, 1):
        x, y = _curve((s * width * 0.86, s * width * 1.3, s * width * 0.62), (y0 - 0.075, y0 + 0.035, y0 + 0.045))
        canvas.stroke(x, y, 0.02 * TAPER, line, 0.06)
        canvas.ellipse(s * width * 0.48, y0 + 0.032, width * 0.27, 0.018, line_color(p.skin, 1.0), 0.1)
    canvas.stroke(U * width * 0.42, y0 + 0.045 + 0.012 * ARCH, 0.014 * ARCH_HALF, line, 0.14)
    canvas.ellipse(0.015, y0 - 0.045, 0.03, 0.022, mix(p.skin, (255, 255, 255), 0.28), 0.17)


def draw_mouth(canvas: Canvas, p: Appearance, f: FaceShape) -> None:
    """Lips, and where they part the teeth, tongue and dark of the mouth."""
    half = np.where(U < 0, f.mouth_half[0], f.mouth_half[1])
    corner = np.where(U < 0, f.corner_y[0], f.corner_y[1])
    x = U * half
    middle = p.mouth_y - 0.3 * (f.corner_y[0] + f.corner_y[1]) * 0.5 - f.mouth_lift * (1 - U2 * U2)
    line = middle + corner * np.abs(U) ** 1.7
    bump = ARCH ** max(0.18, f.square)
    inner_up, inner_low = line - f.open_upper * bump, line + f.open_lower * bump
    outer_up = inner_up - f.lip_upper * CUPID * 1.05 - 0.008
    outer_low = inner_low + f.lip_lower * ARCH_HALF + 0.008
    both = np.concatenate((x, x[::-1]))

    def band(top: np.ndarray, bottom: np.ndarray, color: Color) -> None:
        canvas.polygon(both, np.concatenate((top, bottom[::-1])), color, 0.03)

    dark = mix(shade(p.lip, 0.35), (30, 16, 40), 0.5)
    band(outer_up, line, shade(p.lip, 0.86))
    band(line, outer_low, p.lip)
    if f.open_upper + f.open_lower > 0.02:
        band(inner_up, inner_low, (38, 22, 62))
        gap = inner_low - inner_up
        if f.open_lower > 0.1 and f.lower_teeth < 0.5:
            tongue = inner_low - 0.42 * gap * np.clip(1.25 - 1.6 * U2, 0.0, 1.0)
            band(tongue, inner_low, (96, 84, 186))
        rim = np.clip(4.0 * (0.97 - np.abs(U)), 0.0, 1.0)
        teeth = (0.03 + 0.06 * max(f.nose_wrinkle, f.lower_teeth, f.grin)) * rim
        band(inner_up, np.minimum(inner_up + teeth, inner_low), (232, 240, 242))
        if f.lower_teeth > 0.15:
            band(np.maximum(inner_low - 0.05 * f.lower_teeth * rim, inner_up), inner_low, (222, 232, 234))
        canvas.stroke(x, inner_up, 0.016 * (0.4 + 0.6 * ARCH_HALF), dark, 0.03)
        canvas.stroke(x, inner_low, 0.01 * (0.4 + 0.6 * ARCH_HALF), dark, 0.03)
    else:
        canvas.stroke(x, line, (0.02 + 0.01 * f.press) * (0.35 + 0.65 * ARCH_HALF), dark, 0.03)
    if f.lip_lower > 0.03:
        glow = 0.5 * (inner_low + outer_low)
        canvas.stroke(x[8:17], glow[8:17], 0.016 * ARCH_HALF[::3], mix(p.lip, (255, 255, 255), 0.25), 0.03)
    if f.press > 0.3:
        color = line_color(p.skin, 0.55 * f.press)
        canvas.stroke(U * 0.15, p.mouth_y + 0.105 + 0.03 * U2, 0.022 * ARCH_HALF, color)
        for i, s in enumerate((-1, 1)):
            cx, cy = f.mouth_half[i] + 0.02, p.mouth_y + f.corner_y[i]
            bend = _curve((s * cx, s * (cx + 0.035), s * cx), (cy - 0.05, cy, cy + 0.05))
            canvas.stroke(*bend, 0.022 * TAPER, color)
