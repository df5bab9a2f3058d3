"""A copy of a tree of photographs with the main face of each, aligned or cut out."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mmfer.datasets.base_fer_dataset import first_names
from mmfer.datasets.left_out import LeftOut
from mmfer.faces.alignment import align_by_box, align_face, check_output_size
from mmfer.faces.cropping import check_margin, check_pad
from mmfer.faces.haar import Haar
from mmfer.faces.yunet import YuNet
from mmfer.structures.results import Face
from mmfer.utils.image_files import list_images
from mmfer.utils.images import read_image
from mmfer.utils.progress import track

from .output import Output, check_folders, check_linked
from .parallel import in_threads

DETECTORS = ('yunet', 'haar')
MARGINS = dict(align=0.0, box=0.1)  # of each way to cut out, where none is given
MISSING = ('error', 'skip', 'keep')
REPORT = 'missing_faces.csv'
_QUALITY = 95  # of JPEG; the other formats are written without loss
_ENDS = {'.jpg': b'\xff\xd9', '.jpeg': b'\xff\xd9', '.png': b'IEND\xaeB`\x82'}
_KEPT_NS = 3600 * 10**9  # images kept whole are older than their sources: the next run looks at them again
_SHOWN = 20


class Done(NamedTuple):
    """What came of an image: its name below RAW_DIR, why its face is missing or '', how many faces it shows."""

    name: str
    problem: str
    faces: int


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
    are written as PNG: ``a.heic`` becomes ``a.heic.png``. A run that was stopped goes on
    where it was, and one that is repeated renews images that changed.

    Images without a face and unreadable ones are reported together, when all others are done, and listed in
    ``missing_faces.csv`` in OUT_DIR.

    Args:
        raw_dir: Folder of the images; it is only read.
        out_dir: Folder to write: new, empty, or from an earlier run with the same options.
        detector: 'yunet'; or 'haar', which finds no landmarks, so that ``crop`` must be 'box'; or what ``model`` says.
        model: YuNet's ONNX file; that in the cache folder by default.
        size: Side of the faces in pixels, or (h, w).
        margin: Around the face, see :func:`mmfer.faces.alignment.align_face`; by default 0 for 'align' and 0.1 for
            'box'.
        crop: 'align' turns and scales the face by its landmarks, 'box' centres and scales it by its box.
        pad: What lies outside an image: 'edge' or 'zero', see :func:`mmfer.faces.alignment.align_face`.
        missing: Images without a face are an 'error' at the end, or left out ('skip'), or kept whole ('keep'), scaled
            to ``size`` and padded. Unreadable images are an error or left out.
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
    _check_choices(detector, model, crop, missing, workers)
    size, pad = check_output_size(size), check_pad(pad)
    margin = check_margin(MARGINS[crop] if margin is None else margin)
    raw, out = (Path(os.path.expanduser(path)) for path in (raw_dir, out_dir))
    if not raw.is_dir():
        raise FileNotFoundError(f'RAW_DIR is no folder: {raw}')
    check_folders(raw, out)
    found = list_images(raw)
    if not found.images:
        raise ValueError(f'no images in RAW_DIR {raw}')
    check_linked(raw, out, map(os.path.realpath, found.folders))
    names = [Path(path).relative_to(raw).as_posix() for path in found.images]
    find = Haar() if detector == 'haar' else YuNet(model)
    made_from = dict(
        tool='align_faces',
        source=str(raw.resolve()),
        detector=detector if detector == 'haar' else f'yunet {hashlib.sha256(find.model.read_bytes()).hexdigest()}',
        size=size,
        margin=margin,
        crop=crop,
        pad=pad,
    )
    output = Output(out, made_from)
    output.check()
    todo = [name for name in names if not _is_finished(out / _target(name), raw / name)]
    finished = f', {len(names) - len(todo)} of them finished before' if len(todo) < len(names) else ''
    say(f'{len(names)} images from {raw} to {out}{finished}')

    def cut(img: np.ndarray, face: Face) -> np.ndarray:
        if crop == 'align':
            return align_face(img, face.landmarks, size, margin, pad)
        return align_by_box(img, face.box, size, margin, pad)

    def whole(img: np.ndarray) -> np.ndarray:
        return align_by_box(img, (0, 0, *img.shape[1::-1]), size, 0.0, pad)

    def work(name: str) -> Done:
        return _convert(raw, name, output, find, cut, whole if missing == 'keep' else None)

    with output:
        done = list(track(in_threads(work, todo, workers), len(todo), 'Aligning faces'))
        problems = [(result.name, result.problem) for result in done if result.problem]
        _write_report(output, problems)
    several = sum(result.faces > 1 for result in done)
    say(f'  {len(todo) - len(problems)} faces written' + (f', {several} of several in the image' if several else ''))
    unused = LeftOut()
    unused.add_all(found.left_out)
    if text := unused.describe(str(raw)):
        say(f'  {text}')
    if found.others:
        left = first_names([Path(path).relative_to(raw).as_posix() for path in found.others])
        say(f'  {len(found.others)} other files are not copied: {left}')
    if problems:
        _report(problems, missing, out, say)
    kind = f"'AlignFace', size={size[0] if size[0] == size[1] else size}" if crop == 'align' else "'CropFace'"
    padded = '' if pad == 'edge' else f', pad={pad!r}'
    say(
        'For models that train on these faces, this line in their config makes inference cut faces out alike:\n'
        f'  face_crop = dict(type={kind}, margin={margin:g}{padded})'
    )
    return problems


def _check_choices(detector: str, model: str | None, crop: str, missing: str, workers: int) -> None:
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
    if workers < 1:
        raise ValueError(f'workers={workers} must be at least 1')


def _target(name: str) -> str:
    """The name of an image's face below OUT_DIR: its own, where OpenCV can write such files without loss."""
    return f'{name}.png' if name.lower().endswith(('.avif', '.heic', '.heif')) else name


def _is_finished(target: Path, source: Path) -> bool:
    """Whether ``target`` is whole and was made from ``source`` as it is: it got its time of change."""
    try:
        found, made_from = target.lstat(), source.stat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode) or not found.st_size or abs(found.st_mtime - made_from.st_mtime) >= 2:
        return False  # FAT counts by 2 s
    end = _ENDS.get(target.suffix.lower(), b'')
    with open(target, 'rb') as file:
        file.seek(-min(len(end), found.st_size), os.SEEK_END)
        return file.read(len(end)) == end


def _convert(raw: Path, name: str, output: Output, find: Callable, cut: Callable, keep: Callable | None) -> Done:
    """Write the face of one image; what ``keep`` makes of the image where it shows none."""
    path = raw / name
    faces, face, keeps = [], None, keep is not None
    try:
        before = path.stat()
        img = read_image(str(path))
    except (OSError, ValueError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or 'no memory'
        problem, keeps = f'unreadable: {reason.replace(str(path), path.name)}', False
    else:
        try:
            faces = find(img)
            face, problem = (cut(img, faces[0]), '') if faces else (None, 'no face found')
        except (ValueError, MemoryError, cv2.error) as error:
            problem = str(error) or 'no memory'
    time = before.st_mtime_ns if face is not None else 0
    if face is None and keeps:
        face, problem, time = keep(img), f'{problem}: kept whole', before.st_mtime_ns - _KEPT_NS
    target = output.root / _target(name)
    if face is None:  # a file of an earlier run shows another image; what lies behind a link is none of ours
        if target.parent.resolve() == output.root.resolve() / name.rpartition('/')[0]:
            target.unlink(missing_ok=True)
    else:
        output.write(_target(name), [_encode(face, target.suffix.lower())], times=(time, time))
    return Done(name, problem, len(faces))


def _encode(img: np.ndarray, ending: str) -> bytes:
    options = []
    if ending in ('.jpg', '.jpeg'):
        options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    elif ending == '.webp':
        options = [cv2.IMWRITE_WEBP_QUALITY, 101]  # above 100: without loss
    elif ending == '.pgm':
        img = cv2.cvtColor(img, cv2.COLOR_BGR2GRAY)
    return cv2.imencode(ending, img, options)[1].tobytes()


def _write_report(output: Output, problems: Iterable[tuple[str, str]]) -> None:
    text = io.StringIO(newline='')
    writer = csv.writer(text)
    writer.writerow(('file', 'problem'))
    writer.writerows(problems)
    if problems:
        output.write(REPORT, [text.getvalue().encode('utf-8', 'surrogateescape')])
    else:
        (output.root / REPORT).unlink(missing_ok=True)


def _report(problems: Sequence[tuple[str, str]], missing: str, out: Path, say: Callable) -> None:
    names = first_names([f'{name} ({problem})' for name, problem in problems], _SHOWN)
    count = f'{len(problems)} images' if len(problems) > 1 else '1 image'
    text = f'{count} without a face, listed in {out / REPORT}: {names}'
    if missing == 'error':
        raise ValueError(
            f'{text}. All others are done. Replace these images and run the same command again, leave them out with '
            '--missing skip, or keep those that can be read, as a whole, with --missing keep'
        )
    say(f'  {text}')
