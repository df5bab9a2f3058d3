"""Detectors by name, and what stands for one."""

from __future__ import annotations

import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Union

import numpy as np

from mmfer.structures.results import Face

from .cropping import check_image
from .haar import Haar
from .yunet import YuNet, default_model

Detector = Callable[[np.ndarray], 'list[Face]']
OWN = dict(haar=Haar, yunet=YuNet)
NAMES = ('auto', *OWN)
OFFLINE = 'MMFER_OFFLINE'
PATIENCE = 5.0  # seconds for fetching a detector
DetectorLike = Union[str, os.PathLike, Mapping, Detector, None]


def whole_image(img: np.ndarray) -> list[Face]:
    """The detector of images that are one face each: the whole image (H, W, 3), without score and landmarks."""
    height, width = check_image(img, 'whole_image').shape[:2]
    return [Face((0.0, 0.0, float(width), float(height)))] if height and width else []


def build_detector(detector: DetectorLike = 'auto') -> Detector:
    """A detector: called with a uint8 BGR image (H, W, 3), it returns a list of :class:`Face`, largest first.

    Args:
        detector: One of

            - 'yunet': :class:`mmfer.faces.yunet.YuNet` with its default options;
            - 'haar': :class:`mmfer.faces.haar.Haar` likewise;
            - the path of YuNet's ONNX file, which ends in ``.onnx``;
            - 'auto': YuNet, whose model file is fetched once (233 kB, into ``~/.cache/mmfer``) unless the environment
              has ``MMFER_OFFLINE=1``; where it cannot be had, Haar and a warning;
            - a config of one in the registry ``FACE_DETECTORS``, such as ``dict(type='YuNet', score_threshold=0.8)``;
            - any callable, which is returned as it is;
            - None: the whole image is one face, see :func:`whole_image`.

    Raises:
        ValueError: The name is unknown; the message lists the known ones. Or the file is not YuNet's.
        FileNotFoundError: YuNet's model file has not been fetched; the message has the command.
        TypeError: It is something else.
    """
    if detector is None:
        return whole_image
    if isinstance(detector, (str, os.PathLike)):
        name = os.fspath(detector).lower()
        if name == 'auto':
            return _best_there_is()
        if name.endswith('.onnx'):
            return YuNet(detector)
        if name not in NAMES:
            raise ValueError(
                f'unknown face detector {os.fspath(detector)!r}; known are {", ".join(map(repr, NAMES))}, the path of '
                "YuNet's ONNX file, or in Python a config such as dict(type='YuNet', score_threshold=0.8)"
            )
        return OWN[name]()
    if isinstance(detector, Mapping):
        return _from_config(dict(detector))
    if callable(detector):
        return detector
    raise TypeError(
        f'a face detector is a name ({", ".join(map(repr, NAMES))}), a path, a config, a callable or None, '
        f'not {detector!r}'
    )


def _best_there_is() -> Detector:
    path = default_model()
    if path.is_file():
        return YuNet(path)
    reason = f'{OFFLINE} is set'
    if os.environ.get(OFFLINE, '0') in ('', '0'):
        reason = _fetch_once()
        if not reason:
            return YuNet(path)
    warnings.warn(
        f'the face detector YuNet is not there ({reason}), and the Haar cascade of OpenCV misses many faces. '
        'Fetch YuNet with: mmfer download yunet',
        stacklevel=3,
    )
    return Haar()


def _fetch_once() -> str:
    """Fetch YuNet; '' if that went well, else the reason. After a failure it is not tried again for an hour."""
    from mmfer.utils.download import FILES, fetch

    file = FILES['yunet']
    failed = file.path.with_suffix('.failed')
    try:
        if failed.is_file() and time.time() - failed.stat().st_mtime < 3600:
            return 'it could not be fetched within the last hour'
        print(f'fetching the face detector YuNet once ({file.size / 1000:.0f} kB, {file.url})', file=sys.stderr)
        _in_time(lambda: fetch(file, patience=PATIENCE))
    except (OSError, ValueError) as error:
        with suppress(OSError):
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.touch()
        return ' '.join(str(error).split('. ')[0].split())
    with suppress(OSError):
        failed.unlink(missing_ok=True)
    return ''


def _in_time(work: Callable[[], object]) -> None:
    """Do ``work`` in a thread and wait for ``PATIENCE`` seconds; a server may send one byte at a time for hours."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except (OSError, ValueError) as error:
            problems.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    if thread.is_alive():
        raise OSError(f'it did not come within {PATIENCE:g} seconds')
    if problems:
        raise problems[0]


def _from_config(config: dict) -> Detector:
    kind = config.get('type')
    if kind is None:
        raise ValueError(f"the config of a face detector needs a type, such as dict(type='YuNet'): {config}")
    name = kind.split('.')[-1].lower() if isinstance(kind, str) else ''
    own = OWN.get(name) if isinstance(kind, str) else kind
    if own is not None:
        return own(**{key: value for key, value in config.items() if key != 'type'})
    from mmfer.utils.optional import require_training

    require_training(f'the face detector {kind!r} is none of Haar, YuNet')
    from mmfer.registry import FACE_DETECTORS

    FACE_DETECTORS.import_from_location()
    names = {each.lower(): each for each in FACE_DETECTORS.module_dict}
    if name not in names:
        raise ValueError(
            f'unknown face detector {kind!r} in {config}; known are {", ".join(sorted(FACE_DETECTORS.module_dict))}'
        )
    return FACE_DETECTORS.build(dict(config, type=names[name]))
