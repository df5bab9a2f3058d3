"""Reading of csv files with named columns."""

import csv
from collections.abc import Iterator, Sequence
from typing import Callable, Optional

from .base_fer_dataset import first_names


def read_table(
    path: str,
    columns: Sequence,
    owner: str,
    report: Callable[[str, str], None],
    optional: Sequence = (),
    headerless: Sequence = (),
) -> Iterator[tuple]:
    """Yield ``(row, cells)`` of each row that is not blank; ``row`` counts from 1 for the header.

    Cells are stripped, in the order of ``columns`` and then of ``optional``, None for an optional column that is not
    there; case does not matter in the names of those. A row with another number of cells than the header is
    reported and yields ``cells=None``, so that rows can still be counted.

    Args:
        path (str): The file, UTF-8 with or without a byte order mark.
        columns (Sequence[str]): Names of the columns that must be there, in any order among others.
        owner (str): Who reads, for the errors.
        report (Callable): Called with the kind of problem and the row, see ``FERDataset.report``.
        optional (Sequence[str]): Names of the columns that may be there. Defaults to ().
        headerless (Sequence[str]): Names of all columns of a file that may lack its header. It is taken to lack it
            where the first row has that many cells and none of the names. Defaults to (): the file has a header.

    Raises:
        ValueError: A column is not there, or the file is no csv file.
    """
    with open(path, encoding='utf-8-sig', errors='replace', newline='') as file:
        reader = csv.reader(file)
        try:
            first = [cell.strip() for cell in next(reader, [])]
            bare = len(first) == len(headerless) > 0 and all(_place(first, name) is None for name in headerless)
            header = list(headerless) if bare else first
            places = _places(path, header, columns, owner) + [_place(header, name) for name in optional]
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


def column_name(header: Sequence, name: str) -> Optional[str]:
    """How ``header`` spells the column ``name``: as it is, or in another case; None where it has none."""
    return name if name in header else next((own for own in header if own.casefold() == name.casefold()), None)


def _place(header: list, name: str) -> Optional[int]:
    own = column_name(header, name)
    return None if own is None else header.index(own)


def _places(path: str, header: list, columns: Sequence, owner: str) -> list:
    absent = [name for name in columns if name not in header]
    if absent:
        shown = first_names([name[:40] for name in header]) if header else 'none'
        raise ValueError(
            f'{owner}: {path} has no column {", ".join(absent)}; its columns are {shown}, expected {", ".join(columns)}'
        )
    return [header.index(name) for name in columns]


def _pick(cells: list, places: list) -> list:
    return [None if place is None else cells[place].strip() for place in places]
