"""Videos of synthetic people who enter, leave, cross and turn, with what is known of their faces in each frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mmfer.structures.expressions import EXPRESSIONS

from .actions import action_units
from .annotators import sample_intensities
from .appearance import Appearance, sample_appearance
from .canvas import VIEW, Canvas
from .geometry import face_shape
from .head import outline
from .render import render_face

CLASSES = EXPRESSIONS[:7]


@dataclass(frozen=True)
class FilmedFace:
    """What is known of a face in a frame.

    Attributes:
        person: Its number in the video, from 0.
        box: (x1, y1, x2, y2) of its outline in pixels; it may reach beyond the edges of the frame.
        visible: Share of the box that lies in the frame and that no nearer face covers, in [0, 1].
        intensities: Of the expressions, (K,).
    """

    person: int
    box: tuple[float, float, float, float]
    visible: float
    intensities: np.ndarray


@dataclass
class _Walk:
    """Somebody's way through the video: times in seconds, lengths in shares of the frame's height."""

    looks: Appearance
    start: float
    end: float
    left: float  # x of the head's centre when it comes, and when it goes
    right: float
    y: float
    bob: float
    sizes: tuple[float, float]  # height of the face when it comes, and when it goes
    turn: float  # radians, to each side
    period: float  # seconds, of turning
    phase: float
    moods: np.ndarray  # (M, K), one a ``beat``
    beat: float  # seconds

    def mood(self, seconds: float) -> np.ndarray:
        """The expression holds for the larger part of a beat and then changes to the next one."""
        place = (seconds - self.start) / self.beat
        index = min(int(place), len(self.moods) - 1)
        after = min(index + 1, len(self.moods) - 1)
        share = np.clip((place - index - 0.7) / 0.3, 0, 1)
        return (1 - share) * self.moods[index] + share * self.moods[after]


def synth_film(
    seed: int | Sequence[int],
    seconds: float = 10.0,
    people: int = 4,
    size: tuple[int, int] = (1280, 720),
    rate: float = 30.0,
    heights: tuple[float, float] = (20.0, 300.0),
) -> Iterator[tuple[np.ndarray, list[FilmedFace]]]:
    """Frames of a video, each with its faces; a function of its arguments alone.

    People walk through the picture from either side at one height or another, so they cross; nearer (larger) ones cover
    others. They come nearer or go away, turn and tilt their heads and change their expressions every second or two.

    Args:
        seed: Of people, ways, expressions and background.
        seconds: Length.
        people: How many there are over the whole video.
        size: (width, height) in pixels.
        rate: Frames a second.
        heights: Least and largest height of a face in pixels; sizes are drawn evenly on a logarithmic scale.

    Yields:
        uint8 BGR (H, W, 3), and the faces of all who are on their way, the nearest one last. ``visible`` is 0 for those
        outside of the frame.
    """
    rng = np.random.default_rng(seed)
    ground = _background(rng, size)
    walks = [_sample_walk(rng, seconds, size[0] / size[1], heights) for _ in range(people)]
    for number in range(round(seconds * rate)):
        now = number / rate
        frame, faces, owner = ground.copy(), [], np.full(size[::-1], -1, np.int16)
        here = [(i, walk, (now - walk.start) / (walk.end - walk.start)) for i, walk in enumerate(walks)]
        here = [(i, walk, share) for i, walk, share in here if 0 <= share < 1]
        for i, walk, share in sorted(here, key=lambda item: _height(item[1], item[2])):  # the nearest one last
            box = _paint(frame, owner, i, walk, share, now)
            faces.append((i, box, walk.mood(now)))
        noise = rng.integers(-3, 4, (size[1] // 2 + 1, size[0] // 2 + 1, 1), np.int16)
        noise = cv2.resize(noise, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[: size[1], : size[0], None]
        yield np.clip(frame + noise, 0, 255).astype(np.uint8), [_truth(face, owner) for face in faces]


def _height(walk: _Walk, share: float) -> float:
    small, large = walk.sizes
    return small ** (1 - share) * large**share


def _sample_walk(rng: np.random.Generator, seconds: float, wide: float, heights: tuple[float, float]) -> _Walk:
    low, high = np.log(heights)
    first = rng.uniform(low, high)
    second = np.clip(first + rng.uniform(-0.7, 0.7), low, high)
    length = seconds * rng.uniform(0.5, 0.9)
    start = rng.uniform(-0.1 * seconds, seconds - 0.6 * length)
    ends = [-0.2, wide + 0.2] if rng.random() < 0.7 else [-0.2, rng.uniform(0.2, 0.8) * wide]
    left, right = ends if rng.random() < 0.5 else [wide - end for end in ends]
    beat = rng.uniform(1.0, 2.0)
    looks = replace(
        sample_appearance(rng), occlusion='none', shapes=[], blur=0.0, noise=0.0, brightness=1.0, light_slope=0.0,
        tint=(1.0, 1.0, 1.0), zoom=1.0, shift=(0.0, 0.0),
    )  # fmt: skip
    moods = np.stack([sample_intensities(rng, len(CLASSES)) for _ in range(int(length / beat) + 2)])
    return _Walk(
        looks=looks,
        start=start,
        end=start + length,
        left=left,
        right=right,
        y=rng.uniform(0.3, 0.7),
        bob=rng.uniform(0.0, 0.05),
        sizes=(float(np.exp(first)), float(np.exp(second))),
        turn=rng.uniform(0.1, 0.6),
        period=rng.uniform(2.0, 5.0),
        phase=rng.uniform(0, 2 * math.pi),
        moods=moods,
        beat=beat,
    )


def _paint(frame: np.ndarray, owner: np.ndarray, number: int, walk: _Walk, share: float, now: float) -> tuple:
    """Paint a person into the frame; the box of the face."""
    height, width = frame.shape[:2]
    wave = 2 * math.pi * now / walk.period + walk.phase
    looks = replace(
        walk.looks,
        yaw=walk.turn * math.sin(wave),
        roll=walk.looks.roll + 0.2 * math.sin(0.7 * wave),
        pitch=walk.looks.pitch + 0.1 * math.sin(1.3 * wave),
    )
    shown = dict(zip(CLASSES, walk.mood(now).tolist()))
    side = max(16, round(_height(walk, share) * VIEW))
    # The same picture on black and on white tells how far each pixel belongs to the person.
    black, white = (
        render_face(replace(looks, background=np.full((3, 3, 3), level, np.float32)), shown, side).astype(np.float32)
        for level in (0, 255)
    )
    alpha = 1 - (white - black).mean(axis=2, keepdims=True) / 255
    x = (walk.left + share * (walk.right - walk.left)) * height
    y = (walk.y + walk.bob * math.sin(2 * wave)) * height
    left, top = x - side / 2, y - side / 2
    shift = np.array([[1, 0, left - math.floor(left)], [0, 1, top - math.floor(top)]])
    layers = [cv2.warpAffine(layer, shift, (side + 1, side + 1)) for layer in (black, alpha)]
    a, b = math.floor(left), math.floor(top)
    x1, y1, x2, y2 = max(a, 0), max(b, 0), min(a + side + 1, width), min(b + side + 1, height)
    shape = face_shape(action_units(shown, looks.side, looks.unit_gain, looks.unit_rest), looks)
    canvas = Canvas(looks)
    canvas.polygon(*outline(looks, shape), (0.0, 0.0, 0.0))
    points = canvas.project() * side + [left, top]
    if x1 < x2 and y1 < y2:
        colour, share = (layer[y1 - b : y2 - b, x1 - a : x2 - a] for layer in layers)
        part = frame[y1:y2, x1:x2]
        part[:] = np.rint(colour + (1 - share[..., None]) * part)
        owner[y1:y2, x1:x2][share > 0.5] = number
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _truth(face: tuple, owner: np.ndarray) -> FilmedFace:
    number, box, mood = face
    x1, y1, x2, y2 = (round(value) for value in box)
    inside = owner[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
    mine = (inside == number).sum() / max((x2 - x1) * (y2 - y1), 1)
    return FilmedFace(number, box, float(min(1.0, mine / 0.8)), mood)  # a head fills about so much of its box


def _background(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """Smooth colours, blurred things, and a fine grain."""
    width, height = size
    ground = cv2.resize(rng.uniform(40, 210, (4, 6, 3)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    for _ in range(25):
        x, y, w, h = rng.uniform(0, 1, 4) * [width, height, width / 4, height / 3]
        colour = rng.uniform(20, 235, 3)
        cv2.rectangle(ground, (int(x), int(y)), (int(x + w), int(y + h)), colour.tolist(), -1)
    ground = cv2.GaussianBlur(ground, (0, 0), 3)
    grain = rng.normal(0, 6, (height, width, 1))
    return np.clip(ground + grain, 0, 255).astype(np.uint8)
