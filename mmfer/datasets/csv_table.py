"""Reading of csv files with named columns."""

import csv
from collections.abc import Iterator, Sequence
from typing import Callable, Optional

from .entry_list import first_names

DELIMITERS = (',', '\t', ';')


def read_table(
    path: str,
    columns: Sequence,
    owner: str,
    report: Callable[[str, str], None],
    optional: Sequence = (),
    together: Sequence = (),
    headerless: Sequence = (),
    delimiter: str = ',',
    remedy: str = '',
) -> Iterator[tuple]:
    """Yield ``(row, cells)`` of each row that is not blank; ``row`` counts from 1 for the header.

    Cells are stripped, in the order of ``columns``, ``optional`` and ``together``, None for a column that is not there.
    Case does not matter in the names of columns. A row with another number of cells than the header is reported and
    yields ``cells=None``, so that rows can still be counted.

    Args:
        path: The file, UTF-8 with or without a byte order mark.
        columns: Names of the columns that must be there, in any order among others.
        owner: Who reads, for the errors.
        report: Called with the kind of problem and the row, see ``FERDataset.report``.
        optional: Names of the columns that may be there.
        together: Names of columns of which all are there, or none.
        headerless: Names of all columns of a file that may lack its header. It is taken to lack it where the first row
            has that many cells and none of the names. By default the file has a header.
        delimiter: Between cells; 'auto' takes that of ``DELIMITERS`` which the header has most of.
        remedy: Last sentence of the error for columns.

    Raises:
        ValueError: A column is not there, or there twice, or the file is no csv file.
    """
    with open(path, encoding='utf-8-sig', errors='replace', newline='') as file:
        if delimiter == 'auto':
            delimiter = max(DELIMITERS, key=file.readline().count)
            file.seek(0)
        reader = csv.reader(file, delimiter=delimiter)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            bare = len(header) == len(headerless) > 0 and not any(_spelt(header, name) for name in headerless)
            first, header = header, list(headerless) if bare else header
            names = [_spelt(header, name) for name in (*columns, *optional, *together)]
            needed = (*columns, *(together if any(_spelt(header, name) for name in together) else ()))
            absent = [name for name in needed if _spelt(header, name) is None]
            twice = [name for name in dict.fromkeys(filter(None, names)) if header.count(name) > 1]
            if absent or twice:
                fault = f'no column {", ".join(absent)}' if absent else f'several columns {", ".join(twice)}'
                shown = first_names([name[:40] for name in header]) or 'none'
                expected = f'expected {", ".join(needed)}'
                raise ValueError(f'{owner}: {path} has {fault}; its columns are {shown}, {expected}. {remedy}'.rstrip())
            places = [None if name is None else header.index(name) for name in names]
            if bare:
                yield 1, _pick(first, places)
            for row, cells in enumerate(reader, 2):
                if not cells:
                    continue
                if len(cells) != len(header):
                    report('rows with missing or extra cells', f'row {row} ({len(cells)} cells)')
                    yield row, None
                else:
                    yield row, _pick(cells, places)
        except csv.Error as error:
            raise ValueError(f'{owner}: {path} is no csv file, line {reader.line_num}: {error}') from None


def _spelt(header: Sequence, name: str) -> Optional[str]:
    """How ``header`` spells the column ``name``: as it is, or in another case; None where it has none."""
    return name if name in header else next((own for own in header if own.casefold() == name.casefold()), None)


def _pick(cells: list, places: list) -> list:
    return [None if place is None else cells[place].strip() for place in places]
