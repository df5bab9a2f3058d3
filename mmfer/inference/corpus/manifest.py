"""The state of each file of a corpus."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from mmfer.inference.writers import plain_cell
from mmfer.structures.results import plain_text
from mmfer.utils.files import whole_file
from mmfer.utils.folder_lock import sole_run

from .plan import Shard, remove_parts

NAME = '_manifest.csv'
HEADER = ('file', 'state', 'error', 'frames', 'faces', 'shard')


def write_manifest(out: Path, shards: Iterable[Shard]) -> Counter:
    """Write ``_manifest.csv`` into the folder of a corpus, whole or not at all, and count the states.

    It has one row for each file: file, state, error, frames (of videos), faces, shard. The states are ``done``;
    ``failed``, if the file could not be read; ``partly``, if a part of it could; and ``open``, if its shard is not
    written yet.
    """
    states: Counter = Counter()
    with sole_run(out / '_locks/manifest.lock', wait=True):
        remove_parts(out / NAME)
        with whole_file(out / NAME) as part, open(part, 'w', encoding='utf-8', newline='') as file:
            table = csv.writer(file, lineterminator='\n')
            table.writerow(HEADER)
            for shard in shards:
                for row in _rows(out, shard):
                    states[row[1]] += 1
                    table.writerow([plain_cell(row[0]), row[1], plain_cell(row[2]), *row[3:]])
    return states


def _rows(out: Path, shard: Shard) -> Iterator[tuple]:
    from pyarrow import parquet

    path = out / shard.name
    if not path.exists():
        for file in shard.files:
            yield plain_text(file), 'open', '', 0, 0, shard.name
        return
    found: dict[str, list] = {}
    with parquet.ParquetFile(path) as table:
        for batch in table.iter_batches(columns=['source', 'error', 'frame', 'face']):
            for source, error, frame, face in zip(*(column.to_pylist() for column in batch.columns)):
                row = found.setdefault(source, ['', 0, 0, 0])
                row[0] = error or row[0]
                row[1] += error is None
                row[2] += frame is not None and not face
                row[3] += face is not None
    for source, (error, answers, frames, faces) in found.items():
        state = 'done' if not error else 'partly' if answers else 'failed'
        yield source, state, error, frames, faces, shard.name
