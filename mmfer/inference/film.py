"""Predicts a whole video: draws, writes, shows and summarises the results."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from mmfer.structures.results import ImageResult
from mmfer.utils.tables import printable, render_table

from .drawing import VideoWriter
from .inferencer import ExpressionInferencer
from .sound import add_sound
from .sources import is_address, is_video
from .videos import frame_rate
from .writers import check_output, open_writer

WINDOW = 'mmfer: q ends'


def film(
    inferencer: ExpressionInferencer,
    source: int | str,
    out: str | Path | None = None,
    save: str | Path | None = None,
    show: bool = False,
    stride: int = 1,
) -> str:
    """Predict a video or a camera until it ends or is stopped (Ctrl-C, or q in the window).

    Args:
        inferencer: Looks at the frames.
        source: Path of a video, number of a camera, or address of a stream, which the inferencer must allow.
        out: ``.mp4`` file for the video with its faces drawn in, which keeps timing and sound of the source.
        save: ``.jsonl`` or ``.csv`` file for the results.
        show: Show the frames in a window.
        stride: Every so many frames.

    Returns:
        A table with a row for each person's track, how many frames there were, and what could not be read. Shares of
        the most frequent label are those of the frames in which the model does not abstain.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the source is no video, or none of it can be read. Nothing is written then.
        KeyboardInterrupt: With the results until then as its text; those of a camera are returned.
    """
    path = None if isinstance(source, int) or is_address(source) else Path(source)
    if path is not None:
        if not path.is_file():
            raise FileNotFoundError(f'no such video file: {source}')
        if not is_video(path):
            raise ValueError(
                f'{source} is no video by its name; for photos leave out --show, and name a folder with --draw'
            )
        if out is not None and Path(out).resolve() == path.resolve():
            raise ValueError(f'{out} is the video that is looked at. Name another file for the drawn one.')
    if save is not None:
        check_output(save)
    video = None if out is None else VideoWriter(out)
    if video is not None and path is not None:
        video.rate = frame_rate(str(source)) / max(stride, 1)
    seen, began = _Seen(), time.monotonic()
    with ExitStack() as stack:
        writer = None if save is None else stack.enter_context(open_writer(save, inferencer.classes))
        keep, stopped = False, None
        try:
            for image, result in inferencer.stream_images(source, stride=stride, keep_images=show or out is not None):
                if result.error is not None and not seen.frames:
                    raise ValueError(result.error)
                seen.add(result)
                if writer is not None:
                    writer.write(result)
                if image is not None and not _show_or_write(image, result, video, show):
                    break
            keep = True
        except KeyboardInterrupt as error:  # what there is, is kept
            keep, stopped = True, error
        finally:
            if video is not None:
                video.close(keep)
            if show:
                cv2.destroyAllWindows()
    lines = seen.lines(time.monotonic() - began)
    drawn = out if video is not None and video.frames else None
    silent = add_sound(drawn, path) if drawn is not None and path is not None else None
    lines += [silent] if silent else []
    text = '\n'.join([*lines, *(f'written to {file}' for file in (drawn, save) if file is not None)])
    if stopped is not None and path is not None:  # a camera has no other end
        stopped.args = (f'these are the results until then\n{text}',)
        raise stopped
    return text


def _show_or_write(image: np.ndarray, result: ImageResult, video: VideoWriter | None, show: bool) -> bool:
    """False where the viewer wants no more."""
    from mmfer.visualization.faces import draw_faces

    drawn = draw_faces(image, result)
    if video is not None:
        video.write(drawn, result.time or 0.0)
    if not show:
        return True
    cv2.imshow(WINDOW, drawn)
    return cv2.waitKey(1) & 0xFF not in (27, ord('q'))


@dataclass
class _Person:
    """What is told of a track."""

    first: int
    last: int = 0
    seen: int = 0
    abstained: int = 0
    uncertainty: float = 0.0
    labels: Counter = field(default_factory=Counter)


class _Seen:
    """What is told of a video at its end."""

    def __init__(self) -> None:
        self.frames = self.faces = self.failed = 0
        self.people: dict[int | None, _Person] = {}
        self.errors: list[str] = []

    def add(self, result: ImageResult) -> None:
        if result.error is not None:
            self.failed += 1
            self.errors += [printable(result.error)] if len(self.errors) < 3 else []
            return
        frame = result.frame or 0
        self.frames, self.faces = self.frames + 1, self.faces + len(result.faces)
        for face in result.faces:
            person = self.people.setdefault(face.track, _Person(frame))
            person.last, person.seen = frame, person.seen + 1
            person.abstained += face.abstain
            person.uncertainty += face.uncertainty
            person.labels[face.label] += not face.abstain

    def lines(self, seconds: float) -> list[str]:
        lines = [self._table()] if self.people else ['no face was found']
        lines.append(f'{self.frames} frames, {self.faces} faces, {self.frames / max(seconds, 1e-9):.1f} frames/s')
        more = [f'and {self.failed - len(self.errors)} more errors'] if self.failed > len(self.errors) else []
        return lines + self.errors + more

    def _table(self) -> str:
        rows = []
        for track, person in sorted(self.people.items()):
            (label, times), seen = person.labels.most_common(1)[0], person.seen
            mostly = f'{label} {100 * times / (seen - person.abstained):.0f} %' if times else '-'
            row = (track, f'{person.first}..{person.last}', seen, mostly)
            rows.append((*row, f'{person.uncertainty / seen:.3f}', f'{100 * person.abstained / seen:.0f} %'))
        header = ('track', 'frames', 'seen', 'mostly', 'mean uncertainty (nats)', 'abstains')
        return render_table(header, rows).rstrip('\n')
