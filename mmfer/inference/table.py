"""Reads files of results into one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmfer.structures.results import ImageResult
from mmfer.structures.results import columns as all_columns
from mmfer.utils.optional import require

from .writers import FORMATS, SCHEMA, SCHEMA_KEY, TEXT, TRUTH, WHOLE

SCORES = 'scores_'  # how the columns of probabilities begin


def read_results(path: str | Path, columns: Sequence[str] | None = None) -> Any:
    """Read the results of a file or of a folder of shards as a ``pandas.DataFrame`` with one row for each face.

    For every format the columns are those of :func:`mmfer.structures.results.columns`: text (``string``), whole numbers
    (``Int64``), ``abstain`` (``boolean``), and otherwise ``float64``. An image or frame without a face has one row. A
    file that could not be read has one row with its ``error``.

    Args:
        path: What ``mmfer predict --out`` wrote: FILE.csv, FILE.jsonl, FILE.parquet, or the folder DIR.parquet/.
        columns: Only these, which saves memory.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no results, is damaged, or has columns of a later version of mmfer.
        ImportError: If pandas, or for Parquet pyarrow, is not installed.

    Examples:
        >>> table = read_results('results.parquet')  # doctest: +SKIP
        >>> table.groupby('source').uncertainty.mean()  # doctest: +SKIP
    """
    require('pandas', 'mmfer[tables]', 'tables of results are read by pandas')
    path = Path(path)
    if path.is_dir():
        files = sorted(file for file in path.glob('*.parquet') if file.name[0] not in '._')
        if not files:
            raise ValueError(f'{path} holds no .parquet files. Name a file of results, or the folder of a corpus.')
        return _read_parquet(files, columns)
    if not path.is_file():
        raise FileNotFoundError(f'no such file of results: {path}')
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f'{path} holds no results by its name: expected {", ".join(FORMATS)}')
    if suffix == '.parquet':
        return _read_parquet([path], columns)
    return (_read_csv if suffix == '.csv' else _read_lines)(path, columns)


def class_names(table: Any) -> tuple[str, ...]:
    """The classes of a table of results, in their order.

    Raises:
        ValueError: If it has no columns of probabilities.
    """
    names = tuple(name[len(SCORES) :] for name in table.columns if name.startswith(SCORES))
    if not names:
        raise ValueError(f'the table has no columns {SCORES}<class>: no model answered for its images')
    return names


def _check(names: Sequence[str], path: Path, wanted: Sequence[str] | None) -> list[str]:
    """The columns to be read of those that a file has; refuses what is no file of results."""
    if 'source' not in names:
        raise ValueError(f'{path} holds no results of mmfer: it has no column source')
    lacking = [name for name in wanted or () if name not in names]
    if lacking:
        raise ValueError(f'{path} has no column {lacking[0]}')
    return list(names if wanted is None else wanted)


def _kind(name: str) -> str:
    return 'string' if name in TEXT else 'Int64' if name in WHOLE else 'boolean' if name in TRUTH else 'float64'


def _read_parquet(files: Sequence[Path], wanted: Sequence[str] | None) -> Any:
    arrow = require('pyarrow', 'mmfer[tables]', 'Parquet files are read by pyarrow')
    parquet = require('pyarrow.parquet', 'mmfer[tables]', 'Parquet files are read by pyarrow')
    tables = []
    for file in files:
        try:
            with parquet.ParquetFile(file) as opened:
                schema = opened.schema_arrow
                version = int((schema.metadata or {}).get(SCHEMA_KEY, SCHEMA))
                if version > SCHEMA:
                    raise ValueError(f'{file} has columns of version {version}, this mmfer knows {SCHEMA}: update it')
                tables.append(opened.read(_check(schema.names, file, wanted)).replace_schema_metadata())
        except (arrow.ArrowInvalid, OSError) as error:
            raise ValueError(f'{file} is damaged, or no Parquet file: {" ".join(str(error).split())[:200]}') from None
    table = arrow.concat_tables(tables, promote_options='default').to_pandas(self_destruct=True)
    return table.astype({name: _kind(name) for name in table.columns})


def _read_csv(path: Path, wanted: Sequence[str] | None) -> Any:
    import pandas

    try:
        names = _check(list(pandas.read_csv(path, nrows=0).columns), path, wanted)
        kinds = {name: _kind(name) for name in names}
        # a file may be called NA: only what is empty is unknown
        options = dict(keep_default_na=False, na_values=[''])
        table = pandas.read_csv(path, usecols=names, dtype=kinds, **options)[names]
    except (UnicodeDecodeError, ValueError) as error:
        text = ' '.join(str(error).split())[:200]
        raise ValueError(text if str(path) in text else f'{path} is damaged, or no table: {text}') from None
    for name in set(TEXT) & set(names):
        table[name] = table[name].str.replace(r"^'", '', regex=True)  # see plain_cell
    return table


def _read_lines(path: Path, wanted: Sequence[str] | None) -> Any:
    import pandas

    rows: list[dict[str, Any]] = []
    classes: dict[str, None] = {}  # of all lines, as files of several models may be joined
    with open(path, encoding='utf-8') as file:
        for number, line in enumerate(file, 1):
            try:
                content = json.loads(line)
                for face in content.get('faces', ()):
                    classes.update(dict.fromkeys(face['scores']))
                rows += [
                    row if wanted is None else {name: row.get(name) for name in wanted}
                    for row in ImageResult.rows_of(content)
                ]
            except (AttributeError, KeyError, TypeError, ValueError):
                raise ValueError(f'{path}: line {number} is no result of mmfer, or cut off') from None
    names = _check(all_columns(tuple(classes)), path, wanted)
    return pandas.DataFrame(rows, columns=names).astype({name: _kind(name) for name in names})
