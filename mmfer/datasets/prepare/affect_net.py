"""AffectNet: crops of the faces and lists for the layout of 2017, lists for that of 2021."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import cv2
import numpy as np

from mmfer.datasets.affect_net import AffectNet
from mmfer.datasets.base_fer_dataset import first_names
from mmfer.faces.cropping import CropFace
from mmfer.structures.expressions import EXPRESSIONS
from mmfer.utils.progress import track

from .staging import Job, in_threads, write

CROP_OPTIONS = dict(margin=0.0, max_size=256, skip_unreadable=False)
IMAGES = 'Manually_Annotated_Images'
QUALITY = 95
_UNUSED = ('none', 'uncertain', 'non-face')


# ---- layout of 2017 --------------------------------------------------------------------------------------------------
def build_crops(job: Job) -> list[str]:
    """Write each labelled face as Manually_Annotated_Images/NUMBER/NAME.jpg, and the lists train.json, val.json.

    The crop is that of the transform ``CropFace`` with this margin, made smaller to ``max_size`` on the longer side.

    Returns:
        Notes for the user.

    Raises:
        FileNotFoundError: Photographs are missing.
        ValueError: An option is out of range, or a list malformed; or a photograph, or a box, is unusable and
            ``skip_unreadable`` is not set.
    """
    if not -0.5 < job.options['margin'] < math.inf:
        raise ValueError(f'margin={job.options["margin"]} must be above -0.5')
    if job.options['max_size'] < 16:
        raise ValueError(f'max_size={job.options["max_size"]} must be at least 16 pixels')
    notes, lists, crops, missing = [], {}, {}, []
    for split, name in AffectNet.LISTS.items():
        path = str(job.inputs[name].file.absolute())
        dataset = AffectNet(ann_file=path, split=split, num_classes=8, layout='csv2017', img_prefix='', validate=False)
        lists[split] = [dataset.entry(i) for i in range(len(dataset))]
        for entry in lists[split]:
            if entry['img_path'] in job.inputs:
                entry['crop'] = _crop_name(entry, crops)
            else:
                missing.append(f'{entry["img_path"]} ({name})')
        notes.append(_left_out(split, dataset.left_out))
    if missing:
        raise FileNotFoundError(
            f'AffectNet: {len(missing)} photographs of the lists are not in RAW_DIR: {first_names(missing)}'
        )
    bad = _write_crops(job, crops)
    notes.append(f'{len(crops) - len(bad)} faces cropped')
    for split, entries in lists.items():
        _write_list(job, split, [dict(entry, img_path=entry['crop']) for entry in entries if entry['crop'] not in bad])
    if bad:
        notes.append(f'{len(bad)} faces that cannot be cropped are left out: {first_names(list(bad.values()))}')
    return notes


def _crop_name(entry: Mapping, crops: dict) -> str:
    """Name of the crop; photographs or boxes that would get the name of another one get a number."""
    wanted = (entry['img_path'], entry.get('face_box'))
    stem = os.path.splitext(entry['img_path'])[0]
    name, number = f'{stem}.jpg', 1
    while crops.setdefault(name, wanted) != wanted:
        number += 1
        name = f'{stem}_{number}.jpg'
    return name


def _write_crops(job: Job, crops: Mapping) -> dict[str, str]:
    """Write the crops, each photograph decoded once; the names that could not be made -> why."""
    by_photo: dict[str, list] = {}
    for name, (photo, box) in crops.items():
        by_photo.setdefault(photo, []).append((name, box))
    cropper = CropFace(margin=job.options['margin'])
    bad: dict[str, str] = {}

    def read() -> Iterator[tuple]:
        for photo, source in job.inputs.items():
            if photo in by_photo:
                yield photo, source.path, source.file.read_bytes()

    def crop(item: tuple) -> None:
        photo, path, data = item
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        for name, box in by_photo[photo]:
            try:
                if image is None:
                    raise ValueError(f'{path} (cannot be decoded)')
                face = cropper(dict(img=image, img_path=path, face_box=box))['img']
            except ValueError as error:
                if not job.options['skip_unreadable']:
                    raise ValueError(
                        f'AffectNet: a face cannot be cropped: {error}. Get this photograph again, or leave such faces '
                        'out with --skip-unreadable'
                    ) from None
                bad[name] = str(error)
                continue
            scale = job.options['max_size'] / max(face.shape[:2])
            if scale < 1:
                size = tuple(max(1, round(side * scale)) for side in face.shape[1::-1])
                face = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
            coded = cv2.imencode('.jpg', face, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            write(job.folder / IMAGES / name, coded.tobytes())

    for _ in track(in_threads(crop, read(), job.workers), len(by_photo), 'Cropping faces'):
        pass
    return bad


# ---- layout of 2021 --------------------------------------------------------------------------------------------------
def build_lists(job: Job) -> list[str]:
    """Write the lists train.json and val.json from the .npy files, each read once; notes for the user.

    Raises:
        ValueError: Annotations hold no number, or labels are not in 0..10.
    """
    notes = []
    for split, part in AffectNet.PARTS.items():
        values, problems = _read_values(job, f'{part}/annotations/', split)
        images = {os.path.splitext(name)[0]: name for name in os.listdir(job.folder / part / 'images')}
        left_out: Counter = Counter()
        entries, names = [], EXPRESSIONS + _UNUSED
        for stem in sorted(values, key=lambda stem: (len(stem), stem)):
            label = values[stem].get('exp')
            if label is None:
                continue
            if label not in range(len(names)):
                problems.append(f'{part}/annotations/{stem}_exp.npy (label {label:g} is not in 0..{len(names) - 1})')
            elif label >= len(EXPRESSIONS):
                left_out[names[int(label)]] += 1
            else:
                affects = {name: values[stem][name[:3]] for name in ('valence', 'arousal') if name[:3] in values[stem]}
                entries.append(dict(img_path=images.get(stem, f'{stem}.jpg'), gt_label=int(label), **affects))
        if problems:
            raise ValueError(f'AffectNet: {len(problems)} annotations are malformed: {first_names(problems)}')
        _write_list(job, split, entries)
        unlabelled = len(set(images) - set(values))
        notes.append(_left_out(split, left_out) + (f'; {unlabelled} images without a label' if unlabelled else ''))
    return notes


def _read_values(job: Job, folder: str, split: str) -> tuple[dict[str, dict[str, float]], list[str]]:
    """The numbers of one part: name of the image -> {'exp', 'val', 'aro'}, and what is wrong with some."""
    inputs = [(name[len(folder) :], source) for name, source in job.inputs.items() if name.startswith(folder)]
    values: dict[str, dict[str, float]] = {}
    problems = []
    for name, source in track(inputs, len(inputs), f'Reading annotations ({split})'):
        try:
            number = float(np.load(source.file, allow_pickle=False).item())
        except (EOFError, ValueError, TypeError) as error:
            number, text = math.nan, str(error)
        else:
            text = str(number)
        if math.isfinite(number):
            stem, _, kind = name[: -len('.npy')].rpartition('_')
            values.setdefault(stem, {})[kind.lower()] = number
        else:
            problems.append(f'{folder}{name} ({text[:60]})')
    return values, problems


# ---- both ------------------------------------------------------------------------------------------------------------
def _write_list(job: Job, split: str, entries: Iterable[Mapping]) -> None:
    keys = ('img_path', 'gt_label', 'valence', 'arousal')
    data_list = [{key: entry[key] for key in keys if key in entry} for entry in entries]
    content = dict(metainfo=dict(classes=list(EXPRESSIONS)), data_list=data_list)
    write(job.folder / f'{split}.json', json.dumps(content).encode())


def _left_out(split: str, counts: Counter) -> str:
    text = ', '.join(f'{count} {name}' for name, count in counts.items()) or 'none'
    return f'{split}.json written; faces left out: {text}'
