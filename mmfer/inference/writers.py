"""Results to files: JSON lines, or a table (CSV)."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmfer.structures.results import ImageResult
from mmfer.utils.files import replace_synced

FORMATS = ('.jsonl', '.csv')
NUMBERS = ('score', 'uncertainty', 'aleatoric', 'epistemic')
BY_CLASS = ('scores', 'score_low', 'score_high', 'mean', 'std')


class JSONLinesWriter:
    """One JSON object a line for each image or frame: ``ImageResult.as_dict``.

    File names that are no text in UTF-8 have escapes for their bytes, which Python's ``json`` and ``open`` understand.
    """

    def __init__(self, file: Any, classes: Sequence[str]) -> None:
        self.file = file

    def write(self, result: ImageResult) -> None:
        line = json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False)
        try:
            line.encode()
        except UnicodeError:
            line = json.dumps(result.to_dict(), allow_nan=False)
        self.file.write(line + '\n')


class CSVWriter:
    """One row a face; images without a face, and files that were not read, have one row with what is known.

    Columns: source, frame, time, error, width, height, face (its number in the image, from 0), track, x1, y1, x2, y2,
    detection_score, label, abstain, score, uncertainty, aleatoric, epistemic, and for each class ``scores_<class>``,
    ``score_low_<class>`` and so on. What a model does not know is empty. Bytes of file names that are no text in UTF-8
    become ``\\udc..``.
    """

    def __init__(self, file: Any, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        columns = ['source', 'frame', 'time', 'error', 'width', 'height', 'face', 'track', 'x1', 'y1', 'x2', 'y2']
        columns += ['detection_score', 'label', 'abstain', *NUMBERS]
        columns += [f'{field}_{name}' for field in BY_CLASS for name in self.classes]
        self.rows = csv.DictWriter(file, columns, lineterminator='\n')
        self.rows.writeheader()

    def write(self, result: ImageResult) -> None:
        content = result.to_dict()
        faces = content.pop('faces', [])
        for number, face in enumerate(faces):
            row = dict(
                content, face=number, track=face.get('track'), **dict(zip(('x1', 'y1', 'x2', 'y2'), face['box']))
            )
            row.update((name, face.get(name)) for name in ('detection_score', 'label', 'abstain', *NUMBERS))
            for field in BY_CLASS:
                row.update((f'{field}_{name}', value) for name, value in (face.get(field) or {}).items())
            self.rows.writerow(row)
        if not faces:
            self.rows.writerow(content)


def check_output(path: str | Path) -> Path:
    """The path of a file for results.

    Raises:
        ValueError: If its name does not end in .jsonl or .csv.
        FileNotFoundError: If its folder is not there.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f'out={path}: name a file that ends in {" or ".join(FORMATS)}')
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f'out={path}: there is no folder {path.parent}')
    return path


@contextmanager
def open_writer(path: str | Path, classes: Sequence[str]) -> Iterator[JSONLinesWriter | CSVWriter]:
    """A writer of results, by the ending of ``path``: .jsonl or .csv.

    The file takes its place when all is written. If something goes wrong, there is none, and an older one stays.
    """
    path = check_output(path)
    part = path.with_name(f'.{path.name[:200]}.{os.getpid()}.part')
    try:
        with open(part, 'w', encoding='utf-8', errors='backslashreplace', newline='') as file:
            yield (JSONLinesWriter if path.suffix.lower() == '.jsonl' else CSVWriter)(file, classes)
        replace_synced(part, path)
    finally:
        part.unlink(missing_ok=True)
