"""Turns the inputs of an inferencer into a stream of images, and an image into the input of a network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmfer.faces.following import FaceFollower
from mmfer.structures.results import Face
from mmfer.utils.images import MAX_PIXELS, DamagedImage, load_image

VIDEOS = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv', '.ogv')
VIDEOS += ('.ts', '.mts', '.m2ts', '.3gp')  # of camcorders and phones
CAMERAS = ('rtsp://', 'rtsps://')
ADDRESSES = (*CAMERAS, 'http://', 'https://')
FAILURES = (ValueError, cv2.error, MemoryError)  # of one image, which its result reports
DEFAULT_CROP = dict(type='CropFace', margin=0.1)
# Transforms that need neither PyTorch nor MMEngine, and their modules in mmfer.faces; those in use are imported.
_OWN = dict(AlignFace='alignment', CropFace='cropping', ImageCenterCrop='resizing', ImageResize='resizing')


@dataclass
class Source:
    """An image or a frame of a video: uint8 BGR (H, W, 3), upright. If it cannot be read, None and an error.

    Frames of a camera are live, so their results should not wait. ``is_told`` says that the caller gave the order of
    the channels of an array, which may be wrong.
    """

    name: str
    image: np.ndarray | None = None
    error: str | None = None
    frame: int | None = None
    time: float | None = None
    is_live: bool = False
    is_told: bool = False

    def refuse(self, error: Exception) -> list[Face]:
        """Set ``error``, and return the faces of such an image, an empty list."""
        text = ' '.join(str(error).split()) or type(error).__name__
        self.error = text if self.name in text else f'{self.name}: {text}'
        return []


def is_video(path: str | os.PathLike) -> bool:
    """Whether a file counts as a video, by its name."""
    return Path(path).suffix.lower() in VIDEOS


def open_sources(
    inputs: Any,
    channels: str | None = None,
    stride: int = 1,
    max_pixels: int = MAX_PIXELS,
    max_frames: int | None = None,
    allow_network: bool = False,
) -> Iterator[Source]:
    """Yield images and frames one after the other. One is held in memory, and a few decoded frames of a video.

    A file that cannot be read gives a :class:`Source` with an error, and the others follow.

    Args:
        inputs: A path of an image, a video or a folder; an array, a PIL image or the bytes of a file; the number of a
            camera; or an iterable of these. A folder stands for all files in and below it, in the order of their
            names; hidden files (``.name``) are left out.
        channels: Order of the channels of arrays, see :func:`mmfer.utils.images.load_image`.
        stride: Of videos and cameras, use every ``stride``-th frame.
        max_pixels: Largest image that is decoded.
        max_frames: Largest number of frames of each video and camera.
        allow_network: Open addresses of streams and videos, see :func:`mmfer.inference.streams.read_stream`.

    Raises:
        TypeError: If an input is none of the above.
        ValueError: If an array is not an image, or ``stride`` or ``max_frames`` is below 1.
    """
    for name, value in dict(stride=stride, max_frames=max_frames).items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f'{name}={value!r}: a whole number from 1 on')
    for number, item in enumerate(_listed(inputs)):
        if isinstance(item, (bool, np.bool_)):
            raise TypeError(f'{item} is neither an image nor the number of a camera')
        if isinstance(item, (int, np.integer)):
            yield from _frames(int(item), stride, max_frames)
        elif isinstance(item, (str, os.PathLike)):
            if allow_network and is_address(item):
                yield from _stream(os.fspath(item), stride, max_frames)
            else:
                yield from _open_path(item, stride, max_pixels, max_frames)
        else:
            yield _from_memory(item, number, channels, max_pixels)


def find_faces(sources: Iterable[Source], follow: FaceFollower) -> Iterator[tuple[Source, list[Face]]]:
    """Yield each source with its faces. Frames of a video file wait while faces may still be found in them."""
    waiting: deque[tuple[Source, list[Face]]] = deque()
    for source in sources:
        faces: list[Face] = []
        try:
            if source.image is not None:
                faces = follow(source.image, source.name, source.time, source.is_live)
        except FAILURES as error:
            source.refuse(error)
        if source.image is None or source.error is not None:
            follow.past.clear()
        waiting.append((source, faces))
        while len(waiting) > len(follow.past):
            yield waiting.popleft()
    yield from waiting


def is_address(item: Any) -> bool:
    """Whether this is a network address of a stream or video."""
    return isinstance(item, str) and item.lower().startswith(ADDRESSES)


def has_camera(inputs: Any) -> bool:
    """Whether a list of inputs has a camera, local or in the network: a camera never ends."""
    items = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    return any(
        item.lower().startswith(CAMERAS) if isinstance(item, str) else isinstance(item, (int, np.integer))
        for item in items
    )


def _listed(inputs: Any) -> Iterable:
    single = isinstance(inputs, (str, os.PathLike, bytes, bytearray, memoryview, int, np.integer, np.ndarray))
    if single or hasattr(inputs, 'getbands'):
        return [inputs]
    if isinstance(inputs, Iterable) and not hasattr(inputs, 'read'):
        return inputs
    raise TypeError(
        f'{type(inputs).__name__} cannot be looked at: a path, a folder, an array, a PIL image, bytes, the number of a '
        'camera, or a list of these'
    )


def _from_memory(item: Any, number: int, channels: str | None, max_pixels: int) -> Source:
    """A damaged image is reported; other mistakes with images in memory are mistakes of the caller, and raised."""
    name = str(getattr(item, 'filename', '') or f'image {number}')
    if isinstance(item, (bytes, bytearray, memoryview)):
        return _try_image(item, name, max_pixels)
    try:
        image = load_image(item, channels)
    except DamagedImage as error:
        return Source(name, error=f'{name}: {error}')
    return Source(name, image, is_told=isinstance(item, np.ndarray) and channels is not None)


def _open_path(item: str | os.PathLike, stride: int, max_pixels: int, max_frames: int | None) -> Iterator[Source]:
    text, path = os.fspath(item), Path(item)
    if '://' in text or not text:
        what = 'download the file and give its path, or allow the network (--allow-network) for a stream'
        yield Source(text, error=f'{text} is an address: {what}' if text else 'an empty path names nothing')
        return
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        yield Source(text, error=f'{text}: {error.strerror}')
        return
    if is_folder:
        found = False
        for file in folder_files(path):
            found = True
            if isinstance(file, Source):
                yield file
            else:
                yield from _open_path(file, stride, max_pixels, max_frames)
        if not found:
            yield Source(text, error=f'{text} holds no files')
    elif is_file and is_video(path):
        yield from _frames(text, stride, max_frames)
    else:
        yield _try_image(path, text, max_pixels)


def folder_files(folder: Path) -> Iterator[Path | Source]:
    """Yield the files in and below a folder, by name, and a :class:`Source` with an error for an unreadable folder.

    Hidden files and folders (``.name``) are left out. Links are followed, each folder once and not in circles.
    """
    from mmfer.utils.image_files import walk

    errors: list[OSError] = []

    def unreadable() -> Iterator[Source]:
        while errors:
            error = errors.pop(0)
            name = str(error.filename)
            yield Source(name, error=f'the folder {name} cannot be read: {error.strerror}')

    for place, names in walk(folder, lambda name: name.startswith('.'), errors.append):
        yield from unreadable()
        yield from (Path(place, name) for name in names)
    yield from unreadable()


def _try_image(item: Any, name: str, max_pixels: int) -> Source:
    try:
        return Source(name, load_image(item, None, max_pixels))
    except (MemoryError, OSError, ValueError, cv2.error) as error:
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        text = ' '.join((text or 'it does not fit into memory').split())
        return Source(name, error=text if name in text else f'{name}: {text}')


def _frames(source: int | str, stride: int, max_frames: int | None) -> Iterator[Source]:
    from .videos import read_ahead, read_video

    is_camera = isinstance(source, int)
    name = f'camera {source}' if is_camera else str(source)
    frames = read_video(source, stride, max_frames)
    for number, time, image, error in frames if is_camera else read_ahead(frames):
        yield Source(name, image, error, number, time, is_camera)


def _stream(address: str, stride: int, max_frames: int | None) -> Iterator[Source]:
    from .streams import public_name, read_stream

    name = public_name(address)
    for number, time, image, error in read_stream(address, stride, max_frames):
        yield Source(name, image, error, number, time, is_live=True)


def blueness(image: np.ndarray, face: Face) -> float:
    """How much more blue than red the middle of a face in a BGR image is, from -255 to 255.

    Skin of every colour has more red than blue, unless the channels are swapped or the light is blue.
    """
    x1, y1, x2, y2 = (int(value) for value in face.box)
    dx, dy = (x2 - x1) // 4, (y2 - y1) // 4
    middle = image[max(y1 + dy, 0) : max(y2 - dy, 0), max(x1 + dx, 0) : max(x2 - dx, 0)]
    if not middle.size:
        return 0.0
    blue, _, red = middle.reshape(-1, 3).mean(0)
    return float(blue - red)


def build_step(step: Mapping[str, Any]) -> Callable[[dict], dict]:
    """Build a transform from its config. Only transforms outside :mod:`mmfer.faces` need the registry and its packages.

    Raises:
        ImportError: If the transform needs packages of training that are not installed.
    """
    kind = step['type']
    name = kind.removeprefix('mmfer.') if isinstance(kind, str) else None
    if name in _OWN:
        cls = getattr(import_module(f'mmfer.faces.{_OWN[name]}'), name)
        return cls(**{key: value for key, value in step.items() if key != 'type'})
    from mmfer.utils.optional import require_training

    require_training(f'the transform {kind} of the test images is none of {", ".join(_OWN)}')
    from mmengine.registry import DefaultScope

    from mmfer.registry import TRANSFORMS

    with DefaultScope.overwrite_default_scope('mmfer'):
        return TRANSFORMS.build(dict(step))


class NetworkView:
    """Prepares images as the tests of a model do.

    Args:
        pipeline: Transforms between the face that is cut out and the batch, as configs and exported files have them.
        crop: How faces are cut out of photos, as a transform's config; None is ``DEFAULT_CROP``.
    """

    def __init__(self, pipeline: Sequence[Mapping], crop: Mapping | None = None) -> None:
        self._steps = [build_step(step) for step in pipeline]
        self._crop = build_step(crop or DEFAULT_CROP)

    def __call__(self, img: np.ndarray, face: Face | None = None, name: str = 'image') -> np.ndarray:
        """What the network sees, uint8 (H, W, 3) BGR to uint8 (h, w, 3) BGR.

        Args:
            img: The image.
            face: The face in it; None takes the image for one face that is cut out already.
            name: Of the image, for messages.

        Raises:
            ValueError: If a transform refuses or drops the image.
        """
        sample = dict(img=img, img_path=name, img_shape=img.shape[:2], ori_shape=img.shape[:2])
        steps = self._steps
        if face is not None:
            sample.update(face_box=face.box, face_landmarks=face.landmarks)
            steps = [self._crop, *steps]
        for step in steps:
            sample = step(sample)
            if sample is None:
                raise ValueError(f'{name}: {type(step).__name__} dropped the image')
        return np.ascontiguousarray(sample['img'])
