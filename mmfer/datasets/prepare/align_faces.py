"""A copy of a tree of photographs with the main face of each, aligned or cut out."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from mmfer.datasets.entry_list import first_names
from mmfer.datasets.left_out import LeftOut
from mmfer.faces.alignment import align_by_box, align_face
from mmfer.faces.cropping import check_margin, check_pad
from mmfer.faces.haar import Haar
from mmfer.faces.resizing import check_size
from mmfer.faces.yunet import YuNet
from mmfer.structures.results import Face
from mmfer.utils.image_files import list_images
from mmfer.utils.images import read_image
from mmfer.utils.progress import track

from .raw import check_folders, in_threads, new_folder, put_in_place, write

DETECTORS = ('yunet', 'haar')
MARGINS = dict(align=0.0, box=0.1)  # of each way to cut out, where none is given
MISSING = ('error', 'skip', 'keep')
REPORT = 'missing_faces.csv'
_QUALITY = 95  # of JPEG; the other formats are written without loss
_SHOWN = 20


def align_faces(
    raw_dir: str,
    out_dir: str,
    detector: str = 'yunet',
    model: str | None = None,
    size: int | Sequence[int] = 224,
    margin: float | None = None,
    crop: str = 'align',
    pad: str = 'edge',
    missing: str = 'error',
    workers: int = 2,
    say: Callable = print,
) -> list[tuple[str, str]]:
    """Write the largest face of each image in and below a folder, under the name that the image has there.

    Faces come from the functions that the transform ``AlignFace`` and inference use. JPEG files are written at quality
    95, all others without loss; all have 8 bits, and colours unless the format has none. Of HEIC and AVIF files, faces
    are written as PNG: ``a.heic`` becomes ``a.heic.png``. OUT_DIR is there once all images were looked at; a run that
    was stopped leaves nothing and begins anew.

    Images without a face and unreadable ones are reported together, and listed in ``missing_faces.csv`` in OUT_DIR.

    Args:
        raw_dir: Folder of the images; it is only read.
        out_dir: Folder to write, new or empty.
        detector: 'yunet'; or 'haar', which finds no landmarks, so that ``crop`` must be 'box'; or what ``model`` says.
        model: YuNet's ONNX file; that in the cache folder by default.
        size: Side of the faces in pixels, or (h, w).
        margin: Around the face, see :func:`mmfer.faces.alignment.align_face`; by default 0 for 'align' and 0.1 for
            'box'.
        crop: 'align' turns and scales the face by its landmarks, 'box' centres and scales it by its box.
        pad: What lies outside an image: 'edge' or 'zero', see :func:`mmfer.faces.align_face`.
        missing: Images without a face are an 'error' once all others are written, or left out ('skip'), or kept whole
            ('keep'), scaled to ``size`` and padded. Unreadable images are an error or left out.
        workers: Threads.
        say: Called with each piece of the report.

    Returns:
        Name and reason of each image whose face is missing.

    Raises:
        FileNotFoundError: RAW_DIR or the file of YuNet is not there.
        ValueError: An option is wrong, OUT_DIR cannot be used, RAW_DIR holds no images; or, with ``missing='error'``,
            faces are missing.
    """
    if model is None and detector.lower().endswith('.onnx'):
        detector, model = 'yunet', detector
    _check_choices(detector, model, crop, missing)
    size, pad = check_size('size', size), check_pad(pad)
    margin = check_margin(MARGINS[crop] if margin is None else margin)
    raw, out = (Path(os.path.expanduser(path)) for path in (raw_dir, out_dir))
    if not raw.is_dir():
        raise FileNotFoundError(f'RAW_DIR is no folder: {raw}')
    check_folders(raw, out)
    files = list_images(raw)
    if not files.images:
        raise ValueError(f'no images in RAW_DIR {raw}')
    names = [Path(path).relative_to(raw).as_posix() for path in files.images]
    find = Haar() if detector == 'haar' else YuNet(model)
    say(f'{len(names)} images from {raw} to {out}')

    def cut(img: np.ndarray, face: Face) -> np.ndarray:
        if crop == 'align':
            return align_face(img, face.landmarks, size, margin, pad)
        return align_by_box(img, face.box, size, margin, pad)

    def work(name: str) -> tuple[str, int]:
        """Write the face of one image; why it is missing, or '', and how many faces the image shows."""
        try:
            img = read_image(str(raw / name))
        except (OSError, ValueError, MemoryError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or 'no memory'
            return f'unreadable: {reason.replace(str(raw / name), Path(name).name)}', 0
        faces, problem = [], 'no face found'
        try:
            faces = find(img)
            face = cut(img, faces[0]) if faces else None
        except (ValueError, MemoryError, cv2.error) as error:
            face, problem = None, str(error) or 'no memory'
        if face is not None:
            problem = ''
        elif missing == 'keep':
            face, problem = align_by_box(img, (0, 0, *img.shape[1::-1]), size, 0.0, pad), f'{problem}: kept whole'
        if face is not None:
            target = folder / _target(name)
            write(target, _encode(face, target.suffix.lower()))
        return problem, len(faces)

    with new_folder(out) as folder:
        found = list(track(in_threads(work, names, workers), len(names), 'Aligning faces'))
        problems = [(name, problem) for name, (problem, _) in zip(names, found) if problem]
        if problems:
            with open(folder / REPORT, 'w', newline='', encoding='utf-8', errors='surrogateescape') as file:
                csv.writer(file).writerows([('file', 'problem'), *problems])
        put_in_place(folder, out)
    several = sum(faces > 1 for _, faces in found)
    say(f'  {len(names) - len(problems)} faces written' + (f', {several} of several in the image' if several else ''))
    unused = LeftOut()
    unused.add_all(files.left_out)
    if text := unused.describe(str(raw)):
        say(f'  {text}')
    if files.others:
        left = first_names([Path(path).relative_to(raw).as_posix() for path in files.others])
        say(f'  {len(files.others)} other files are not copied: {left}')
    kind = f"'AlignFace', size={size[0] if size[0] == size[1] else size}" if crop == 'align' else "'CropFace'"
    padded = '' if pad == 'edge' else f', pad={pad!r}'
    say(
        'For models that train on these faces, this line in their config makes inference cut faces out alike:\n'
        f'  face_crop = dict(type={kind}, margin={margin:g}{padded})'
    )
    if problems:
        count = f'{len(problems)} images' if len(problems) > 1 else '1 image'
        named = [f'{name} ({problem})' for name, problem in problems]
        text = f'{count} without a face, listed in {out / REPORT}: {first_names(named, _SHOWN)}'
        if missing == 'error':
            raise ValueError(
                f'{text}. All others are written. Go on with these, or remove OUT_DIR and begin again: with better '
                'images, or with --missing keep, which keeps those that can be read as a whole'
            )
        say(f'  {text}')
    return problems


def _check_choices(detector: str, model: str | None, crop: str, missing: str) -> None:
    for option, value, known in (
        ('detector', detector, DETECTORS),
        ('crop', crop, tuple(MARGINS)),
        ('missing', missing, MISSING),
    ):
        if value not in known:
            raise ValueError(f'{option}={value!r} must be one of {", ".join(known)}')
    if detector == 'haar' and crop == 'align':
        raise ValueError("the detector 'haar' finds no landmarks to align by: take crop 'box', or the detector 'yunet'")
    if detector == 'haar' and model is not None:
        raise ValueError(f"the detector 'haar' needs no model, but {model} is given: leave it out, or take 'yunet'")


def _target(name: str) -> str:
    """The name of an image's face below OUT_DIR: its own, where OpenCV can write such files without loss."""
    return f'{name}.png' if name.lower().endswith(('.avif', '.heic', '.heif')) else name


def _encode(img: np.ndarray, ending: str) -> bytes:
    options = []
    if ending in ('.jpg', '.jpeg'):
        options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    elif ending == '.webp':
        options = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100: without loss
    elif ending == '.pgm':
        img = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
    return cv2.imencode(ending, img, options)[1].tobytes()
