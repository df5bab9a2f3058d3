"""A face as a picture."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from .actions import action_units
from .appearance import Appearance
from .canvas import Canvas
from .features import draw_brows, draw_eyes, draw_folds, draw_mouth, draw_nose, draw_shading
from .geometry import face_shape
from .head import draw_beard, draw_glasses, draw_hair, draw_head, draw_marks
from .scene import develop, draw_background, draw_occlusion, paint_background

MIN_SIZE = 16


def render_face(person: Appearance, intensities: Mapping[str, float], size: int = 64) -> np.ndarray:
    """Draw a person showing expressions; made of polygons in face coordinates, the same face comes out at every size.

    Args:
        person: From :func:`sample_appearance`.
        intensities: Expression name to intensity in [0, 1].
        size: Side of the picture in pixels, 16 or more.

    Returns:
        np.ndarray: (size, size, 3), uint8, BGR.

    Raises:
        ValueError: If ``size`` is too small or an expression unknown.
    """
    if size < MIN_SIZE:
        raise ValueError(f'size must be at least {MIN_SIZE}, got {size}')
    shape = face_shape(action_units(intensities, person.side, person.unit_gain, person.unit_rest), person)
    canvas = Canvas(person)
    draw_background(canvas)
    canvas.next_layer()
    draw_head(canvas, person, shape)
    canvas.next_layer()
    draw_shading(canvas, person, shape)
    canvas.next_layer()
    draw_marks(canvas, person)
    draw_beard(canvas, person, shape)
    draw_folds(canvas, person, shape)
    draw_hair(canvas, person)
    draw_nose(canvas, person, shape)
    draw_mouth(canvas, person, shape)
    draw_eyes(canvas, person, shape)
    draw_brows(canvas, person, shape)
    draw_glasses(canvas, person)
    draw_occlusion(canvas)
    points = canvas.project()

    # Drawn at least 190 pixels wide and twice the size, then averaged down.
    side = size * max(2, -(-190 // size))
    image = paint_background(person, 64)
    canvas.paint(image, 0, points)
    image = cv2.resize(cv2.GaussianBlur(image, (0, 0), 1.6), (side, side), interpolation=cv2.INTER_LINEAR)
    canvas.paint(image, 1, points)
    gains = np.full((64, 64, 3), 200, np.uint8)
    canvas.paint(gains, 2, points)
    gains = cv2.GaussianBlur(gains, (0, 0), 1.7)
    image = cv2.multiply(image, cv2.resize(gains, (side, side), interpolation=cv2.INTER_LINEAR), scale=1 / 200)
    canvas.paint(image, 3, points)
    return develop(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), person)
