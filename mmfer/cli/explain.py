"""Explain an error: what a message that ends with "(mmfer explain CODE)" means, and what to do.

    mmfer explain channels

Without CODE, lists all codes. The text is that of docs/errors.md, and needs no network.
"""

from __future__ import annotations

import argparse
import difflib
import re
from pathlib import Path

NAME = 'errors.md'  # in a wheel beside the package's modules, in a checkout in docs/


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('code', nargs='?', metavar='CODE', help='the code of an error [list all]')


def run(args: argparse.Namespace) -> None:
    sections = read_sections()
    if args.code is None:
        width = max(map(len, sections))
        for code, text in sections.items():
            print(f'{code:{width}s}  {text.splitlines()[0]}')
        return
    if args.code not in sections:
        near = difflib.get_close_matches(args.code, sections, 3, 0.4) or sections
        raise ValueError(f'there is no error {args.code!r}. Codes like it: {", ".join(near)}.')
    print(f'{args.code}\n\n{sections[args.code]}')


def read_sections() -> dict[str, str]:
    """Code of each error -> its section as plain text, which begins with an example of the message."""
    package = Path(__file__).resolve().parents[1]
    places = [package / NAME, package.parent / 'docs' / NAME]
    page = next(place for place in places if place.is_file()).read_text(encoding='utf-8')
    return {code: _plain(text) for code, text in re.findall(r'^## (\S+)\n(.*?)(?=^## |\Z)', page, re.M | re.S)}


def _plain(text: str) -> str:
    """Markdown as it reads in a terminal: without its marks, code indented."""
    text = re.sub(r'^<!--.*?-->\n', '', text, flags=re.M)
    text = re.sub(
        r'^```\w+\n(.*?)^```$', lambda code: re.sub(r'^(?=.)', '    ', code[1], flags=re.M), text, flags=re.M | re.S
    )
    text = re.sub(r'\[([^]]+)\]\(([^)]+)\)', r'\1 (docs/\2)', text)
    text = re.sub(r'^> ', '', text.replace('`', ''), flags=re.M)
    return re.sub(r'\n{3,}', '\n\n', text).strip()
