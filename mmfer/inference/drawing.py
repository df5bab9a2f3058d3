"""Results as picture and video files."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from mmfer.structures.results import ImageResult
from mmfer.utils.files import replace_synced

from .videos import DEFAULT_RATE, is_text


class Drawings:
    """Writes images with their faces drawn in, ``<name>.png`` each, and on request ``<name>_cards.png``.

    If two images of a run have the same name, a number is added. Files of earlier runs are replaced.

    Args:
        folder: Where to; made if it is not there.
        cards: Whether a card of bars is drawn for each face as well.
        level: Of the intervals on the cards, which name it.

    Raises:
        ValueError: If ``folder`` is a file.
    """

    def __init__(self, folder: str | Path, cards: bool = False, level: float | None = None) -> None:
        self.folder, self.cards, self.level = Path(folder), cards, level
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f'{self.folder} is a file, not a folder for pictures')
        self.folder.mkdir(parents=True, exist_ok=True)
        self.taken: set[str] = set()

    def add(self, image: np.ndarray, result: ImageResult) -> list[Path]:
        """Draw a result into its image, and return the written files."""
        from mmfer.visualization.faces import draw_faces, face_sheet

        stem = _fitting(Path(result.source).stem or 'image')
        stem = stem if result.frame is None else f'{stem}_{result.frame:06d}'
        name = free_name(stem, self.taken)
        self.taken.add(f'{name.lower()}_cards')
        files = [write_picture(self.folder / f'{name}.png', draw_faces(image, result))]
        if self.cards and result.faces:
            files.append(write_picture(self.folder / f'{name}_cards.png', face_sheet(image, result, level=self.level)))
        return files


def free_name(stem: str, taken: set[str]) -> str:
    """``stem``, with a number if ``taken`` has it, in lower case: some file systems do not tell A.png and a.png apart.

    ``taken`` has it afterwards.
    """
    name, number = stem, 1
    while name.lower() in taken:
        number += 1
        name = f'{stem}_{number}'
    taken.add(name.lower())
    return name


def write_picture(path: Path, image: np.ndarray) -> Path:
    """Write a BGR image as PNG, whole or not at all."""
    data = cv2.imencode('.png', image)[1]
    part = path.with_name(f'.{os.getpid()}.part.png')
    try:
        part.write_bytes(data.tobytes())
        os.replace(part, path)  # not synced: thousands of pictures would wait for the disk
    finally:
        part.unlink(missing_ok=True)
    return path


def _fitting(stem: str) -> str:
    """As much of a name as leaves room for what is appended, in a file system of 255 bytes a name."""
    while len(os.fsencode(stem)) > 220:
        stem = stem[:-1]
    return stem


class VideoWriter:
    """Writes frames to an MP4 file (MPEG-4) of the size of the first frame. The file appears when it is closed.

    The frame rate is constant: for uneven time stamps, a frame is repeated until the next one, or dropped.

    Args:
        path: Ends in ``.mp4``.
        rate: Frames a second.

    Raises:
        ValueError: If ``path`` ends otherwise, or OpenCV cannot write such files here.
        FileNotFoundError: If its folder is not there.
    """

    def __init__(self, path: str | Path, rate: float = DEFAULT_RATE) -> None:
        self.path = Path(path)
        if self.path.suffix.lower() != '.mp4' or not is_text(str(path)):
            raise ValueError(f'out={path}: name a file that ends in .mp4')
        if not self.path.absolute().parent.is_dir():
            raise FileNotFoundError(f'out={path}: there is no folder {self.path.parent}')
        self.rate = rate
        self.part = self.path.with_name(f'.{os.getpid()}.part.mp4')
        self.writer: cv2.VideoWriter | None = None
        self.size, self.frames = (0, 0), 0
        self.waiting: np.ndarray | None = None

    def write(self, frame: np.ndarray, seconds: float) -> None:
        """Add a BGR frame (H, W, 3), which is shown from this time (s) until the next frame."""
        if self.writer is None:
            self.size = frame.shape[1], frame.shape[0]
            self.writer = cv2.VideoWriter(str(self.part), cv2.VideoWriter.fourcc(*'mp4v'), self.rate, self.size)
            if not self.writer.isOpened():
                self.close(keep=False)
                raise ValueError(f'OpenCV cannot write {self.path} ({self.size[0]} x {self.size[1]}, mp4v)')
        frame = frame if (frame.shape[1], frame.shape[0]) == self.size else cv2.resize(frame, self.size)
        self._repeat_until(round(seconds * self.rate))
        self.waiting = frame

    def _repeat_until(self, frames: int) -> None:
        """Write the frame that waits for the next one, until the video has so many frames."""
        while self.writer is not None and self.waiting is not None and self.frames < frames:
            self.writer.write(self.waiting)
            self.frames += 1

    def close(self, keep: bool = True) -> None:
        """Finish the file, or remove it with ``keep=False``."""
        if self.writer is None:
            return
        self._repeat_until(self.frames + 1)
        self.writer.release()
        self.writer = None
        if keep:
            replace_synced(self.part, self.path)
        self.part.unlink(missing_ok=True)
