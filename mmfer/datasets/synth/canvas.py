"""Drawing surface: polygons in face coordinates, turned with the head and painted anti-aliased at any size."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .appearance import Appearance, Color

VIEW = 1.16  # the picture shows x and y from -VIEW to VIEW
_SHIFT = 4  # sub-pixel bits of OpenCV's drawing functions
CIRCLE = np.linspace(0.0, 2.0 * math.pi, 28, endpoint=False)
COS, SIN = np.cos(CIRCLE), np.sin(CIRCLE)


def ribbons(x: np.ndarray, y: np.ndarray, width: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Both borders of strokes of varying width along open curves, all strokes at once.

    Args:
        x, y: Points of the curves after each other, (N,) each; two or more a curve.
        width: Full width at each point, (N,).
        starts: Index of the first point of each curve.

    Returns:
        tuple[np.ndarray, ...]: x and y of one border and x and y of the other, (N,) each.
    """
    ends = np.append(starts[1:], len(x)) - 1
    dx, dy = np.empty(len(x)), np.empty(len(x))
    for d, v in ((dx, x), (dy, y)):
        d[1:-1] = v[2:] - v[:-2]
        d[starts] = v[starts + 1] - v[starts]
        d[ends] = v[ends] - v[ends - 1]
    scale = 0.5 * width / np.sqrt(dx * dx + dy * dy + 1e-12)
    dx *= scale
    dy *= scale
    return x - dy, y + dx, x + dy, y - dx


def catmull_rom_matrix(count: int, steps: int) -> np.ndarray:
    """Matrix (count * steps, count) that turns control points into a smooth closed curve through them."""
    t = np.arange(steps) / steps
    weights = np.stack(
        (
            -0.5 * t + t**2 - 0.5 * t**3,
            1 - 2.5 * t**2 + 1.5 * t**3,
            0.5 * t + 2 * t**2 - 1.5 * t**3,
            -0.5 * t**2 + 0.5 * t**3,
        ),
        axis=1,
    )
    matrix = np.zeros((count * steps, count))
    for i in range(count):
        for j in range(4):
            matrix[i * steps : (i + 1) * steps, (i + j - 1) % count] += weights[:, j]
    return matrix


class Canvas:
    """Collects shapes in face coordinates, then projects all of them at once and paints them.

    The head is a half ellipsoid seen in weak perspective: features slide and shrink as it turns.

    Args:
        person: Gives roll, yaw, pitch, zoom and shift.
    """

    def __init__(self, person: Appearance) -> None:
        self.person = person
        self._layers: list[list[tuple[int, int, Color]]] = [[]]
        self._x: list[np.ndarray] = []
        self._y: list[np.ndarray] = []
        self._depth: list[float] = []
        self._strokes: list[int] = []
        self._widths: list[np.ndarray] = []
        self._ends: list[int] = []

    def next_layer(self) -> None:
        """Later shapes go to a new layer, painted by its own call of :meth:`paint`."""
        self._layers.append([])

    def polygon(self, x: np.ndarray, y: np.ndarray, color: Color, depth: float = 0.0, contours: int = 1) -> None:
        """A filled polygon.

        Args:
            x, y: Corners, (N,) each.
            color: BGR, 0..255.
            depth: Distance in front of the head's surface; NaN for what does not turn with the head.
            contours: Into how many equally long outlines the corners divide (2: a ring).
        """
        self._x.append(x)
        self._y.append(y)
        self._depth.append(depth)
        self._layers[-1].append((len(self._x) - 1, contours, color))

    def stroke(self, x, y, width, color: Color, depth: float = 0.0) -> None:
        """A line along the points ``x``, ``y``; ``width`` is one number or one a point."""
        self._strokes.append(len(self._x))
        self._widths.append(width if isinstance(width, np.ndarray) else np.full(len(x), width))
        self.polygon(x, y, color, depth)

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Color, depth: float = 0.0) -> None:
        """A filled ellipse."""
        self.polygon(x + rx * COS, y + ry * SIN, color, depth)

    def _widen_strokes(self) -> None:
        """Replace the curves of the strokes by their outlines."""
        if not self._strokes:
            return
        starts = np.cumsum([0, *(len(width) for width in self._widths)])
        x = np.concatenate([self._x[i] for i in self._strokes])
        y = np.concatenate([self._y[i] for i in self._strokes])
        x1, y1, x2, y2 = ribbons(x, y, np.concatenate(self._widths), starts[:-1])
        bounds = starts.tolist()
        for i, a, b in zip(self._strokes, bounds[:-1], bounds[1:]):
            self._x[i] = np.concatenate((x1[a:b], x2[a:b][::-1]))
            self._y[i] = np.concatenate((y1[a:b], y2[a:b][::-1]))
        self._strokes, self._widths = [], []

    def project(self) -> np.ndarray:
        """Corners of all shapes after each other, (N, 2), in units of the picture's side."""
        self._widen_strokes()
        p = self.person
        lengths = [len(x) for x in self._x]
        x, y = np.concatenate(self._x), np.concatenate(self._y)
        depth = np.repeat(np.asarray(self._depth), lengths)
        turns = ~np.isnan(depth)
        z = 0.75 * np.sqrt(np.maximum(0.0, 1.0 - (x / 0.95) ** 2 - (y / 1.25) ** 2)) + np.where(turns, depth, 0.0)
        cos, sin = math.cos(p.yaw), math.sin(p.yaw)
        hx, hz = cos * x + sin * z, cos * z - sin * x
        cos, sin = math.cos(p.pitch), math.sin(p.pitch)
        hy, hz = cos * y + sin * hz, cos * hz - sin * y
        scale = 4.0 / (4.45 - hz)
        hx, hy = hx * scale * 1.04, hy * scale * 1.04
        cos, sin = math.cos(p.roll), math.sin(p.roll)
        hx, hy = cos * hx - sin * hy, cos * hy + sin * hx
        points = np.stack((np.where(turns, hx, x), np.where(turns, hy, y)), axis=1)
        self._ends = np.cumsum([0, *lengths]).tolist()
        return (points * p.zoom + p.shift) * (0.5 / VIEW) + 0.5

    def paint(self, image: np.ndarray, layer: int, points: np.ndarray) -> None:
        """Paint a layer into a square image, in place; ``points`` come from :meth:`project`."""
        shapes = self._layers[layer]
        if not shapes:
            return
        start, end = self._ends[shapes[0][0]], self._ends[shapes[-1][0] + 1]
        pixels = np.rint((points[start:end] * image.shape[0] - 0.5) * (1 << _SHIFT)).astype(np.int32)
        for index, contours, color in shapes:
            corners = pixels[self._ends[index] - start : self._ends[index + 1] - start]
            outlines = [corners] if contours == 1 else [*corners.reshape(contours, -1, 2)]
            cv2.fillPoly(image, outlines, color, cv2.LINE_AA, _SHIFT)
