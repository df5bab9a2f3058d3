"""Writes results to files: JSON lines, or a table (CSV, Parquet)."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Union

from mmfer.structures.results import ImageResult, columns
from mmfer.utils.files import whole_file
from mmfer.utils.optional import require

FORMATS = ('.jsonl', '.csv', '.parquet')
SCHEMA = 1  # version of the columns
SCHEMA_KEY = b'mmfer.schema'  # of the version in the metadata of Parquet files
TEXT = ('source', 'error', 'label', 'label_set')
WHOLE = ('frame', 'width', 'height', 'face', 'track', 'people')
TRUTH = ('abstain',)
_FORMULA = ('=', '+', '-', '@', '\t', '\r', "'")  # how cells begin that spreadsheets compute, and the sign against it
_FULL = tuple(getattr(errno, name) for name in ('ENOSPC', 'EDQUOT', 'EFBIG') if hasattr(errno, name))
_ROWS = 10_000  # of a Parquet file that wait until they are written


def plain_cell(text: str) -> str:
    """``text`` as a CSV cell that spreadsheets do not take for a formula: with ``'`` before it where they might.

    >>> plain_cell('=1+1.jpg'), plain_cell('a.jpg')
    ("'=1+1.jpg", 'a.jpg')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


class JSONLinesWriter:
    """Writes one line with a JSON object for each image or frame: ``ImageResult.to_dict``.

    File names that are no text in UTF-8 have escapes for their bytes, which Python's ``json`` and ``open`` understand.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        # closed by open_writer
        self.file = open(path, 'w', encoding='utf-8', errors='backslashreplace')  # noqa: SIM115

    def write(self, result: ImageResult) -> None:
        self.file.write(json.dumps(result.to_dict(), ensure_ascii=False, allow_nan=False) + '\n')

    def close(self) -> None:
        self.file.close()


class CSVWriter:
    """One row a face: ``ImageResult.to_rows``, with the columns of :func:`mmfer.structures.results.columns`.

    What a model does not know is empty. Text that spreadsheets might take for a formula has a ``'`` before it, see
    :func:`plain_cell`.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self.file = open(path, 'w', encoding='utf-8', newline='')  # noqa: SIM115
        self.rows = csv.DictWriter(self.file, columns(classes), lineterminator='\n')
        self.rows.writeheader()

    def write(self, result: ImageResult) -> None:
        for row in result.to_rows():
            self.rows.writerow({**row, **{name: plain_cell(row[name]) for name in TEXT if row.get(name)}})

    def close(self) -> None:
        self.file.close()


class ParquetWriter:
    """Writes the same rows to a Parquet file: text, whole numbers, booleans, and otherwise float64.

    Its metadata have the version of the columns, ``SCHEMA`` under ``SCHEMA_KEY``.

    Raises:
        ImportError: pyarrow is not installed.
    """

    def __init__(self, path: Path, classes: Sequence[str]) -> None:
        self.arrow = require('pyarrow', 'mmfer[tables]', 'Parquet files are written by pyarrow')
        parquet = require('pyarrow.parquet', 'mmfer[tables]', 'Parquet files are written by pyarrow')
        kinds = [(name, self._kind(name)) for name in columns(classes)]
        self.schema = self.arrow.schema(kinds, metadata={SCHEMA_KEY: str(SCHEMA)})
        self.file = parquet.ParquetWriter(path, self.schema)
        self.rows: list[dict[str, Any]] = []

    def _kind(self, name: str) -> Any:
        if name in TEXT:
            return self.arrow.string()
        if name in WHOLE:
            return self.arrow.int64()
        return self.arrow.bool_() if name in TRUTH else self.arrow.float64()

    def write(self, result: ImageResult) -> None:
        self.rows += result.to_rows()
        if len(self.rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        self.file.write_table(self.arrow.Table.from_pylist(self.rows, self.schema))
        self.rows = []

    def close(self) -> None:
        self._flush()
        self.file.close()


Writer = Union[JSONLinesWriter, CSVWriter, ParquetWriter]
WRITERS: dict[str, type] = {'.jsonl': JSONLinesWriter, '.csv': CSVWriter, '.parquet': ParquetWriter}


def check_output(path: str | Path) -> Path:
    """The path of a file for results.

    Raises:
        ValueError: If its name does not end in .jsonl, .csv or .parquet.
        FileNotFoundError: If its folder is not there.
        ImportError: If a package for its format is not installed.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f'out={path}: name a file that ends in {", ".join(FORMATS[:-1])} or {FORMATS[-1]}')
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f'out={path}: there is no folder {path.parent}')
    if path.suffix.lower() == '.parquet':
        require('pyarrow', 'mmfer[tables]', 'Parquet files are written by pyarrow')
    return path


@contextmanager
def open_writer(path: str | Path, classes: Sequence[str]) -> Iterator[Writer]:
    """Open a writer of results for the suffix of ``path``: .jsonl, .csv or .parquet.

    The file appears when all results are written. After an error there is no new file, and an older one stays. If the
    disk is full, the lines up to then are kept, except of a Parquet file, which needs its end.

    Raises:
        OSError: The disk is full.
    """
    path, full = check_output(path), None
    with whole_file(path) as part:
        try:
            with closing(WRITERS[path.suffix.lower()](part, classes)) as writer:
                yield writer
        except OSError as error:
            if error.errno not in _FULL or path.suffix.lower() == '.parquet':
                raise
            full = error
            _cut(part)
    if full is not None:
        raise OSError(f'{path}: {full.strerror}. It holds the results until then; make room, and look at the rest.')


def _cut(part: Path) -> None:
    """Leave the whole lines of a file."""
    with open(part, 'rb+') as file:
        end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            found = file.read(end - start).rfind(b'\n')
            if found >= 0:
                end = start + found + 1
                break
            end = start
        file.truncate(end)
