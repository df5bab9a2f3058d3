"""Frames of video files and cameras."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import cv2
import numpy as np

DEFAULT_RATE = 25.0
_MOST_MISSING = 500  # frames in a row that do not decode, after which a file is given up
Frame = 'tuple[int | None, float | None, np.ndarray | None, str | None]'


def frame_rate(source: str) -> float:
    """Frames a second of a video file, 25 where it does not say."""
    capture = open_video(source) if is_text(source) else cv2.VideoCapture()
    try:
        return _rate(capture) or DEFAULT_RATE
    finally:
        capture.release()


def read_video(source: int | str, stride: int = 1, max_frames: int | None = None) -> Iterator[Frame]:
    """Frames of a video file, or of the camera with this number until it ends.

    Args:
        source: Path or number.
        stride: Every so many frames.
        max_frames: At most so many.

    Yields:
        Number of the frame from 0, seconds since the first, the frame as uint8 BGR (H, W, 3), upright, and None. Where
        a file or camera does not open, and after the frames of a file of which some do not decode: None, None, None and
        one sentence.
    """
    is_camera = isinstance(source, int)
    name = f'camera {source}' if is_camera else source
    if not is_camera and not is_text(source):  # OpenCV crashes
        yield None, None, None, f'cannot open {name}: its name is no text in UTF-8, rename it'
        return
    capture = cv2.VideoCapture(source) if is_camera else open_video(source)
    try:
        if not capture.isOpened():
            hint = 'is it connected, and free?' if is_camera else 'damaged, or in a format that OpenCV lacks'
            yield None, None, None, f'cannot open {name}: {hint}'
            return
        rate, given, start = _rate(capture), 0, time.monotonic()
        frames = _Grabbed(capture, 0 if is_camera else _number(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        for number in frames:
            if number % stride:
                continue
            whole, image = capture.retrieve()
            if not whole or image is None:
                frames.lost += 1
                continue
            if is_camera:
                seconds = time.monotonic() - start
            else:
                seconds = number / rate if rate else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield number, seconds, _three_channels(image), None
            given += 1
            if given == max_frames:
                return
        problem = 'it gives no more frames' if is_camera else frames.problem()
        if problem:
            yield None, None, None, f'{name}: {problem}'
    finally:
        capture.release()


class _Grabbed:
    """Numbers of the frames that could be grabbed, beyond holes in a damaged file.

    Args:
        capture: Is open.
        announced: Frames by the file's header, 0 where it does not say.
    """

    def __init__(self, capture: cv2.VideoCapture, announced: int) -> None:
        self.capture, self.announced = capture, announced
        self.lost = self.missing = self.count = 0

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            if self.capture.grab():
                self.lost, self.missing = self.lost + self.missing, 0
                self.count += 1
                yield number
            elif number < self.announced and self.missing < _MOST_MISSING:  # there may be more behind
                self.missing += 1
            else:
                self.missing = max(0, self.announced - number + self.missing)
                return
            number += 1

    def problem(self) -> str | None:
        """What is wrong with the file, None where all is well."""
        if not self.count or self.lost == self.count:
            return 'no frame can be decoded: damaged, or empty'
        if self.missing > max(2, min(self.announced // 20, _MOST_MISSING // 2)):  # a few too many are no damage
            self.lost += self.missing
        return f'{self.lost} of {self.announced} frames cannot be decoded: damaged, or cut off' if self.lost else None


def open_video(path: str) -> cv2.VideoCapture:
    """OpenCV's reader of a video file. Left to itself, it would take a01.mp4, a02.mp4, ... for a series of images."""
    has_own = cv2.videoio_registry.hasBackend(cv2.CAP_FFMPEG)
    return cv2.VideoCapture(path, cv2.CAP_FFMPEG if has_own else cv2.CAP_ANY)


def is_text(name: str) -> bool:
    """Whether OpenCV can be given this file name."""
    try:
        name.encode()
    except UnicodeError:
        return False
    return True


def _number(value: float) -> int:
    return int(value) if math.isfinite(value) and 0 < value < 2**40 else 0


def _rate(capture: cv2.VideoCapture) -> float:
    rate = capture.get(cv2.CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 0 < rate <= 1000 else 0.0


def _three_channels(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 or frame.shape[2] == 1 else frame
