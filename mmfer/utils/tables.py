"""What is printed to a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence


def render_table(header: Sequence[str], rows: Iterable[Sequence], title: str | None = None) -> str:
    """A text table: first column to the left, the others to the right.

    >>> render_table(('class', 'images'), [('anger', 12)]).split()
    ['class', 'images', '────────────────', 'anger', '12']
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*header, box=box.SIMPLE, title=title, show_edge=False)
    for column in table.columns[1:]:
        column.justify = 'right'
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # no markup: names of files may have brackets
    text = io.StringIO()
    Console(file=text, width=10_000, color_system=None).print(table)
    return '\n'.join(line.rstrip() if not line.strip() else line for line in text.getvalue().split('\n'))


def printable(text: str) -> str:
    """``text`` on one line, without what terminals cannot show.

    >>> printable('a\\nb.jpg')
    'a\\\\nb.jpg'
    """
    return ''.join(char if char.isprintable() else char.encode('unicode_escape').decode() for char in text)
