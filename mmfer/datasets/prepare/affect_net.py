"""AffectNet: crops of the faces and lists for the layout of 2017, lists for that of 2021."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from mmfer.datasets.affect_net import AffectNet
from mmfer.datasets.entry_list import first_names
from mmfer.faces.cropping import CropFace
from mmfer.structures.expressions import EXPRESSIONS
from mmfer.utils.progress import track

from .raw import RawFile, in_threads, write

IMAGES = 'Manually_Annotated_Images'
QUALITY = 95


# ---- layout of 2017 --------------------------------------------------------------------------------------------------
def build_crops(
    inputs: Mapping[str, RawFile], folder: Path, workers: int, margin: float, max_size: int, skip_unreadable: bool
) -> list[str]:
    """Write each labelled face as Manually_Annotated_Images/NUMBER/NAME.jpg, and the lists train.json, val.json.

    The crop is that of the transform ``CropFace`` with this margin, made smaller to ``max_size`` on the longer side.

    Returns:
        Notes for the user.

    Raises:
        FileNotFoundError: Photographs are missing.
        ValueError: An option is out of range, or a list malformed; or a photograph, or a box, is unusable and
            ``skip_unreadable`` is not set.
    """
    cropper = CropFace(margin=margin)
    if max_size < 16:
        raise ValueError(f'max_size={max_size} must be at least 16 pixels')
    notes, lists, crops, missing = [], {}, {}, []
    for split, name in AffectNet.LISTS.items():
        path = str(inputs[name].file.absolute())
        dataset = AffectNet(ann_file=path, split=split, num_classes=8, layout='csv2017', img_prefix='', validate=False)
        lists[split] = [dataset.entry(i) for i in range(len(dataset))]
        for entry in lists[split]:
            if entry['img_path'] in inputs:
                entry['crop'] = _crop_name(entry, crops)
            else:
                missing.append(f'{entry["img_path"]} ({name})')
        notes.append(_left_out(split, dataset))
    if missing:
        raise FileNotFoundError(
            f'AffectNet: {len(missing)} photographs of the lists are not in RAW_DIR: {first_names(missing)}'
        )
    by_photo: dict[str, list] = {}
    for name, (photo, box) in crops.items():
        by_photo.setdefault(photo, []).append((name, box))

    def crop(photo: str) -> dict[str, str]:
        """Write the faces of a photograph; the names that could not be made -> why."""
        bad, path, data = {}, inputs[photo].path, inputs[photo].file.read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        for name, box in by_photo[photo]:
            try:
                if image is None:
                    raise ValueError(f'{path} (cannot be decoded)')
                if box is None:
                    raise ValueError(f'{path} (its row has no face box)')
                face = cropper(dict(img=image, img_path=path, face_box=box))['img']
            except ValueError as error:
                if not skip_unreadable:
                    raise ValueError(
                        f'AffectNet: a face cannot be cropped: {error}. Get this photograph again, or leave such faces '
                        'out with --skip-unreadable'
                    ) from None
                bad[name] = str(error)
                continue
            scale = max_size / max(face.shape[:2])
            if scale < 1:
                size = tuple(max(1, round(side * scale)) for side in face.shape[1::-1])
                face = cv2.resize(face, size, interpolation=cv2.INTER_AREA)
            coded = cv2.imencode('.jpg', face, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
            write(folder / IMAGES / name, coded.tobytes())
        return bad

    bad: dict[str, str] = {}
    for some in track(in_threads(crop, by_photo, workers), len(by_photo), 'Cropping faces'):
        bad.update(some)
    notes.append(f'{len(crops) - len(bad)} faces cropped')
    for split, entries in lists.items():
        kept = [dict(entry, img_path=entry['crop']) for entry in entries if entry['crop'] not in bad]
        _write_list(folder, split, kept)
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


# ---- layout of 2021 --------------------------------------------------------------------------------------------------
def build_lists(inputs: Mapping[str, RawFile], folder: Path, workers: int) -> list[str]:
    """Write the lists train.json and val.json from the .npy files, each read once; notes for the user.

    Raises:
        ValueError: Annotations hold no number, or labels are not in 0..10.
    """
    notes = []
    for split, part in AffectNet.PARTS.items():
        first = next(source for name, source in inputs.items() if name.startswith(f'{part}/annotations/'))
        dataset = AffectNet(
            str(first.file.absolute().parents[2]),
            split=split,
            num_classes=8,
            layout='npy2021',
            img_prefix=str(folder / part / 'images'),
        )
        entries = (dataset.entry(i) for i in range(len(dataset)))
        _write_list(folder, split, [dict(each, img_path=os.path.basename(each['img_path'])) for each in entries])
        notes.append(_left_out(split, dataset))
    return notes


# ---- both ------------------------------------------------------------------------------------------------------------
def _write_list(folder: Path, split: str, entries: Iterable[Mapping]) -> None:
    keys = ('img_path', 'gt_label', 'valence', 'arousal')
    data_list = [{key: entry[key] for key in keys if key in entry} for entry in entries]
    content = dict(metainfo=dict(classes=list(EXPRESSIONS)), data_list=data_list)
    write(folder / f'{split}.json', json.dumps(content).encode())


def _left_out(split: str, dataset: AffectNet) -> str:
    text = ', '.join(f'{count} {name}' for name, count in dataset.unused.counts.items()) or 'none'
    return f'{split}.json written; faces left out: {text}'
