"""Frames of video files and cameras."""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Optional

import cv2
import numpy as np

DEFAULT_RATE = 25.0
_MOST_MISSING = 500  # frames in a row that do not decode, after which a file is given up
_MOST_DENSE = 120.0  # frames a second of a variable rate; time stamps that are closer are noise
Frame = tuple[Optional[int], Optional[float], Optional[np.ndarray], Optional[str]]


def frame_rate(source: str) -> float:
    """Frames per second with which a copy of a video file can show each frame at its time.

    This is the rate in the header of the file, or else 25. For a variable rate, it is the rate of the denser parts.
    Above 120, a header often tells the resolution of its time stamps: it is 1000 in the recordings of browsers.
    """
    capture = open_video(source) if is_text(source) else cv2.VideoCapture()
    times = []
    try:
        rate = _rate(capture) or DEFAULT_RATE
        if capture.isOpened() and capture.set(cv2.CAP_PROP_FORMAT, -1):  # packets as they are: nothing is decoded
            while capture.grab():
                times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    finally:
        capture.release()
    steps = np.diff(np.unique(times))
    step = np.quantile(steps, 0.1) if len(steps) else 0.0
    if not step * rate > 0:
        return rate
    if step * rate > 0.9:
        return rate if rate <= _MOST_DENSE else min(rate, max(1.0, float(round(1 / step))))
    return min(float(round(1 / step)), _MOST_DENSE)


def read_video(
    source: int | str,
    stride: int = 1,
    max_frames: int | None = None,
    name: str | None = None,
    opened: cv2.VideoCapture | None = None,
) -> Generator[Frame, None, None]:
    """Frames of a video file, or of the camera with this number until it ends.

    Args:
        source: Path or number.
        stride: Every so many frames.
        max_frames: At most so many.
        name: What messages call it; its path or number by default.
        opened: A reader that is open already; it is closed at the end.

    Yields:
        Number of the frame from 0, seconds since the first, the frame as uint8 BGR (H, W, 3), upright, and None. Where
        a file or camera does not open, and after the frames of a file of which some do not decode: None, None, None and
        one sentence. Seconds are those of the file's time stamps, which need not be even.
    """
    is_camera = isinstance(source, int)
    name = name or (f'camera {source}' if is_camera else str(source))
    if not is_camera and not is_text(name):  # OpenCV crashes
        yield None, None, None, f'cannot open {name}: its name is no text in UTF-8, rename it'
        return
    if opened is not None:
        capture = opened
    else:
        capture = cv2.VideoCapture(source) if isinstance(source, int) else open_video(source)
    try:
        if not capture.isOpened():
            hint = 'damaged, without video, or in a format that OpenCV lacks'
            hint = 'is it connected, and free?' if is_camera else hint
            yield None, None, None, f'cannot open {name}: {hint}'
            return
        given, start = 0, None
        frames = _Grabbed(capture, 0 if is_camera else _number(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        for number, seconds in frames:
            if number % stride:
                continue
            whole, image = capture.retrieve()
            if not whole or image is None:
                frames.lost += 1
                continue
            if is_camera:  # which needs a while before its first frame
                now = time.monotonic()
                start = now if start is None else start
                seconds = now - start
            yield number, seconds, three_channels(image), None
            given += 1
            if given == max_frames:
                return
        problem = 'it gives no more frames' if is_camera else frames.problem(name)
        if problem:
            yield None, None, None, f'{name}: {problem}'
    finally:
        capture.release()


def read_ahead(frames: Generator[Frame, None, None], count: int = 4) -> Iterator[Frame]:
    """Yield the same frames; a thread decodes up to ``count`` of them while the caller is busy."""
    pool = ThreadPoolExecutor(1, 'mmfer-decode')
    try:
        line = deque(pool.submit(next, frames, None) for _ in range(count))
        while (frame := line.popleft().result()) is not None:
            line.append(pool.submit(next, frames, None))
            yield frame
    finally:
        pool.shutdown(cancel_futures=True)
        frames.close()


class _Grabbed:
    """Numbers and times of the frames that could be grabbed, beyond holes in a damaged file.

    Times are those of the file; where it has none, or they do not increase, they follow from the rate.

    Args:
        capture: Is open.
        announced: Frames by the file's header, 0 where it does not say.
    """

    def __init__(self, capture: cv2.VideoCapture, announced: int) -> None:
        self.capture, self.announced = capture, announced
        self.rate = _rate(capture) or DEFAULT_RATE
        self.lost = self.missing = self.count = 0
        self.last, self.seconds, self.end = -1, 0.0, 0.0
        self.first: float | None = None

    def __iter__(self) -> Iterator[tuple[int, float]]:
        number = 0
        while True:
            if self.capture.grab():
                self.lost, self.missing = self.lost + self.missing, 0
                self.count += 1
                yield number, self._time(number)
            elif number < self.announced and self.missing < _MOST_MISSING:  # there may be more behind
                self.missing += 1
            else:
                return
            number += 1

    def _time(self, number: int) -> float:
        guess = self.seconds + (number - max(self.last, 0)) / self.rate
        stamp = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if self.first is None and math.isfinite(stamp):
            self.first = stamp - guess
        now = math.nan if self.first is None else stamp - self.first
        self.seconds = now if math.isfinite(now) and (self.last < 0 or now > self.seconds) else guess
        self.last, self.end = number, self.capture.get(cv2.CAP_PROP_PTS)  # in frames of the rate, with any offset
        return self.seconds

    def problem(self, path: str) -> str | None:
        """What is wrong with the file, None where all is well."""
        if not self.count or self.lost == self.count:
            return 'no frame can be decoded: damaged, or empty'
        # Of MP4 and its kin, trimming hides frames that they announce.
        if not path.lower().endswith(('.mp4', '.mov', '.m4v', '.3gp')) or _is_cut_off(path):
            reached = max(self.last + 1, round(self.seconds * self.rate) + 1)
            if math.isfinite(self.end):  # some headers hold nothing but the time of the end
                reached = max(reached, round(self.end) + 1)
            missing = self.announced - reached
            if missing > max(2, min(self.announced // 20, _MOST_MISSING // 2)):  # a few too many are no damage
                self.lost += missing
        return f'{self.lost} of {self.announced} frames cannot be decoded: damaged, or cut off' if self.lost else None


def _is_cut_off(path: str) -> bool:
    """Whether an MP4 file ends within one of the boxes that it is a row of: a size, a kind and the content each."""
    place = 0
    try:
        with open(path, 'rb') as file:
            end = os.fstat(file.fileno()).st_size
            while place + 8 <= end:
                file.seek(place)
                head = file.read(16)
                short, long = int.from_bytes(head[:4], 'big'), int.from_bytes(head[8:], 'big')
                size = long if short == 1 else short
                if size < 8:  # 0 is up to the end of the file
                    return False
                place += size
    except OSError:  # it is no file
        return False
    return place > end


def open_video(path: str) -> cv2.VideoCapture:
    """OpenCV's reader of a video file. By default it would read a01.mp4, a02.mp4, ... as a series of images."""
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


def silence_opencv() -> None:
    """Silence the messages of OpenCV and its video library: results report all errors."""
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


def three_channels(frame: np.ndarray) -> np.ndarray:
    """A frame as (H, W, 3)."""
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2BGR) if frame.ndim == 2 or frame.shape[2] == 1 else frame
