"""Reads frames of a network stream, and opens it again if the connection drops."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import cv2

from .videos import Frame, read_video, three_channels

OPEN_SECONDS, READ_SECONDS = 10, 10  # after which OpenCV gives up
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0  # between tries to open it again
_GIVE_UP = 600.0  # seconds without a frame


def public_name(address: str) -> str:
    """An address without user, password and query, for results and messages.

    >>> public_name('rtsp://user:secret@camera.local:554/live?token=1')
    'rtsp://camera.local:554/live'
    """
    parts = urlsplit(address)
    return f'{parts.scheme}://{parts.netloc.rpartition("@")[2]}{parts.path}'


def open_stream(address: str) -> cv2.VideoCapture:
    """OpenCV's reader of an address; it fails after a few seconds without an answer."""
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, 1000 * OPEN_SECONDS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, 1000 * READ_SECONDS]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


def read_stream(
    address: str,
    stride: int = 1,
    max_frames: int | None = None,
    wait: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Frame]:
    """Yield the frames of an address until the caller stops, or until the end of a video file on a server.

    If a stream drops, it is opened again after 1, 2, 4, ... and at most 30 seconds, for up to ten minutes without a
    frame. The numbers of frames continue. Times are those of this machine's clock, so a gap is visible in the times.

    Args:
        address: ``rtsp://``, ``http://`` and the like.
        stride: Every so many frames.
        max_frames: At most so many.
        wait: Waits for so many seconds.
        clock: Seconds.

    Yields:
        As :func:`mmfer.inference.videos.read_video`. After a gap, and where the stream does not open or is given up:
        None, None, None and one sentence.
    """
    name = public_name(address)
    capture = open_stream(address)
    try:
        if not capture.isOpened():
            yield None, None, None, f'cannot open {name}: is it there, and does it let you in?'
            return
        if capture.get(cv2.CAP_PROP_FRAME_COUNT) > 0:  # a file, which has an end and its own times
            yield from read_video(address, stride, max_frames, name=name, opened=capture)
            return
        start, last = None, clock()
        number, given, pause = 0, 0, _FIRST_WAIT
        while True:
            whole, image = capture.read()
            now = clock()
            if whole and image is not None:
                if start is None:
                    start = now
                elif pause > _FIRST_WAIT:
                    text = f'{name}: no frames from {last - start:.1f} to {now - start:.1f} s, it was opened again'
                    yield None, None, None, text
                last, pause = now, _FIRST_WAIT
                if number % stride == 0:
                    yield number, now - start, three_channels(image), None
                    given += 1
                    if given == max_frames:
                        return
                number += 1
                continue
            capture.release()
            if now - last > _GIVE_UP:
                yield None, None, None, f'{name}: no frames for {now - last:.0f} s, given up'
                return
            wait(pause)
            pause = min(2 * pause, _LONGEST_WAIT)
            capture = open_stream(address)
    finally:
        capture.release()
