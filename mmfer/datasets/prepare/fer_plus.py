"""The images of FER+: the rows of FER2013's csv file, under the names that FER+'s list gives them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2

from mmfer.datasets.csv_table import read_table
from mmfer.datasets.entry_list import first_names
from mmfer.datasets.fer2013 import CSV_NAME, SIZE, find_split, parse_pixels
from mmfer.datasets.fer_plus import FERPlus
from mmfer.utils.progress import track

from .raw import RawFile, write

LIST = 'fer2013new.csv'


def build_images(inputs: Mapping[str, RawFile], folder: Path, workers: int) -> list[str]:
    """Write each named row as FER2013Train|Valid|Test/fer0000000.png, grey, 48 x 48 pixels; notes for the user.

    Raises:
        ValueError: The two files have different rows, or pixels are malformed.
    """
    problems: dict[str, list[str]] = {}

    def report(kind: str, text: str) -> None:
        problems.setdefault(kind, []).append(text)

    listed = read_table(str(folder / LIST), ('Usage', 'Image name'), 'FERPlus', report)
    names = [cells or ('', '') for _, cells in listed]
    count, unnamed, repeated, written = 0, 0, 0, set()
    rows = read_table(str(inputs[CSV_NAME].file), ('pixels', 'Usage'), 'FERPlus', report)
    for index, (row, cells) in enumerate(track(rows, len(names), 'Writing images')):
        count += 1
        if cells is None or index >= len(names):
            continue
        usage, name = names[index]
        split = find_split(usage, FERPlus.USAGES)
        if split is None or find_split(cells[1], FERPlus.USAGES) != split:
            report(f'rows whose Usage differs from that in {LIST}', f'row {row} ({cells[1]!r}, {usage!r})')
            continue
        image = parse_pixels(cells[0])
        if image is None:
            report(f'pixels that are not {SIZE * SIZE} numbers in 0..255', f'row {row}')
        elif not name:
            unnamed += 1
        elif not name.endswith('.png') or '/' in name or name.startswith('.'):
            report('image names that are not such as fer0000000.png', f'row {row} {name!r}')
        elif (target := f'{FERPlus.FOLDERS[split]}/{name}') in written:
            repeated += 1  # the list gives four photographs, which FER2013 has twice, one name: the first is taken
        else:
            written.add(target)
            write(folder / target, cv2.imencode('.png', image)[1].tobytes())
    if count != len(names):
        report('numbers of rows that disagree', f'{count} in {CSV_NAME}, {len(names)} in {LIST}')
    if problems:
        lines = [f'FERPlus: the rows of {inputs[CSV_NAME].path} and of {LIST} do not belong together:']
        lines += [f'  {len(texts)} {kind}: {first_names(texts)}' for kind, texts in problems.items()]
        raise ValueError('\n'.join(lines))
    return [
        f'{len(written)} images written',
        f'{unnamed} rows without an image name left out',
        f'{repeated} rows name an image of an earlier row',
    ]
