"""What surrounds a face: background, occlusion, light, lens and sensor."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from .appearance import Appearance, shade
from .canvas import COS, SIN, VIEW, Canvas


def paint_background(person: Appearance, size: int) -> np.ndarray:
    """Smooth colours, (size, size, 3) uint8 BGR."""
    image = cv2.resize(person.background, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.clip(image, 0, 255).astype(np.uint8)


def draw_background(canvas: Canvas) -> None:
    """Blurred things behind the head."""
    for x, y, r, angle, color in canvas.person.shapes:
        px, py = r * COS, 0.45 * r * SIN
        cos, sin = math.cos(angle), math.sin(angle)
        canvas.polygon(x + cos * px - sin * py, y + sin * px + cos * py, color, math.nan)


def draw_occlusion(canvas: Canvas) -> None:
    """A patch, bar or hand somewhere, sunglasses, or a mask over the mouth."""
    p = canvas.person
    kind, color = p.occlusion, p.occlusion_color
    a, b, c, d = p.occlusion_place
    if kind == 'patch':
        angle = np.array((0.25, 0.75, 1.25, 1.75)) * math.pi + c
        r = 0.28 + 0.14 * d
        canvas.polygon(0.65 * a + r * np.cos(angle), 0.75 * b + r * np.sin(angle), color, math.nan)
    elif kind == 'bar':
        slope, y0, half = 0.5 * a, 0.75 * b, 0.09 + 0.06 * c
        x = np.array((-1.6, 1.6, 1.6, -1.6))
        y = y0 + slope * x + half * np.array((-1, -1, 1, 1))
        x, y = (y, x) if d > 0.5 else (x, y)
        canvas.polygon(x, y, color, math.nan)
    elif kind == 'hand':
        s = 1.0 if a > 0 else -1.0
        skin, dark = shade(p.skin, 0.96), shade(p.skin, 0.66)
        x0, y0 = 0.62 * s, 0.62 + 0.2 * b
        canvas.ellipse(x0 + 0.1 * s, y0 + 0.4, 0.27, 0.36, skin, math.nan)
        for k, length in enumerate((0.34, 0.42, 0.4, 0.3)):
            x = x0 - s * (0.1 - 0.11 * k)
            top = y0 + 0.14 - length
            fx, fy = np.array((x - s * 0.05, x)), np.array((top, y0 + 0.3))
            canvas.stroke(fx, fy, 0.13, dark, math.nan)
            canvas.ellipse(fx[0], fy[0], 0.065, 0.065, dark, math.nan)
            canvas.stroke(fx, fy, 0.105, skin, math.nan)
            canvas.ellipse(fx[0], fy[0], 0.0525, 0.0525, skin, math.nan)
    elif kind == 'sunglasses':
        glass = (34, 28, 26)
        for s in (-1, 1):
            cx, sy = np.sign(COS) * np.abs(COS) ** 0.7, np.sign(SIN) * np.abs(SIN) ** 0.7
            canvas.polygon(s * p.eye_x + 0.26 * cx, p.eye_y + 0.03 + 0.18 * sy, glass, 0.1)
            canvas.stroke(
                np.array((s * 0.55, s * (p.width + 0.02))), np.array((p.eye_y - 0.05, p.eye_y)), 0.05, glass, 0.05
            )
        canvas.stroke(np.array((-0.14, 0.14)), np.array((p.eye_y - 0.04, p.eye_y - 0.04)), 0.04, glass, 0.16)
    elif kind == 'mask':
        cloth = shade(color, 1.5)
        x = np.array((0.0, 0.3, 0.66, 0.62, 0.3))
        y = np.array((0.2, 0.24, 0.34, 0.8, 1.06))
        canvas.polygon(np.concatenate((x, -x[:0:-1])), np.concatenate((y, y[:0:-1])), cloth, 0.05)
        for y0 in (0.48, 0.66):
            canvas.stroke(np.array((-0.5, 0.0, 0.5)), np.array((y0, y0 + 0.03, y0)), 0.02, shade(cloth, 0.8), 0.06)
        for s in (-1, 1):
            canvas.stroke(np.array((s * 0.62, s * p.width)), np.array((0.36, 0.1)), 0.03, cloth, 0.0)


@lru_cache(maxsize=2)
def _noise_sheet(size: int) -> np.ndarray:
    """Noise of 2 x 2 pictures; faces cut different windows from it, which costs far less than drawing new numbers."""
    sheet = np.random.default_rng(20240229).standard_normal((256, 256, 3), np.float32)
    interpolation = cv2.INTER_AREA if size < 128 else cv2.INTER_LINEAR
    return cv2.resize(sheet, (2 * size, 2 * size), interpolation=interpolation)


def develop(image: np.ndarray, person: Appearance) -> np.ndarray:
    """Lens blur, light and sensor noise on a picture, uint8 (size, size, 3); their amounts refer to 64 pixels."""
    size = image.shape[0]
    if person.blur > 0.15:
        image = cv2.GaussianBlur(image, (0, 0), person.blur * size / 64, borderType=cv2.BORDER_REPLICATE)
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 * VIEW / size) - VIEW
    slope = person.light_slope
    along_x = (slope * math.cos(person.light_angle)) * axis
    along_y = (slope * math.sin(person.light_angle)) * axis
    gain = person.brightness + along_x[None, :] + along_y[:, None]
    out = image * (gain[..., None] * np.asarray(person.tint, np.float32))
    if person.noise > 0.3:
        x, y = (round(offset * size) for offset in person.noise_offset)
        out += (1.4 * person.noise) * _noise_sheet(size)[y : y + size, x : x + size]
    return np.clip(out, 0, 255).astype(np.uint8)
