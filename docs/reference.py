"""Parts of the reference that are made from the code when the book is built: see ``MADE``.

The text takes the place of a line ``<!-- made: NAME -->`` and of the line after it, a note for those who read the page
without the book.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mmfer.cli import VERBS

BASES = Path(__file__).resolve().parents[1] / 'configs/_base_'
MARK = re.compile(r'^<!-- made: (\w+) -->\n.*$', re.M)


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return re.sub(r'\s+', ' ', text).strip().replace('|', r'\|')


def literal(text: str) -> str:
    """The same, with characters that Markdown or HTML would read as markup."""
    return re.sub(r'([*_<>\[\]`])', r'\\\1', cell(text))


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [header, ('---',) * len(header), *rows]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


# The command line


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """The parser of a verb of ``mmfer``."""
    module = importlib.import_module(f'mmfer.cli.{verb.replace(" ", "_")}')
    parser = argparse.ArgumentParser(f'mmfer {verb}', description=module.__doc__)
    module.add_arguments(parser)
    return parser


def verbs_page() -> str:
    """Each verb: what it does, and a table of its arguments and options."""
    return '\n'.join(_verb(verb) for verb in VERBS)


def _verb(verb: str) -> str:
    parser = verb_parser(verb)
    actions = sorted(parser._actions, key=lambda action: bool(action.option_strings))  # arguments first
    rows = [(_names(action), literal(_help(action))) for action in actions if action.dest != 'help']
    return f'## mmfer {verb}\n\n{parser.description.strip()}\n\n{table(("argument", "meaning"), rows)}'


def _names(action: argparse.Action) -> str:
    """``--option VALUE`` as the help shows it."""
    value = action.metavar or (action.dest.upper() if action.option_strings else action.dest)
    if action.choices and not action.metavar:
        value = f'{{{",".join(map(str, action.choices))}}}'
    value = ' '.join(value) if isinstance(value, tuple) else value
    value = {0: '', '?': f'[{value}]', '+': f'{value} ...', '*': f'[{value} ...]'}.get(action.nargs, value)
    return ', '.join(f'`{cell(f"{name} {value}")}`' for name in action.option_strings or [''])


def _help(action: argparse.Action) -> str:
    """The help of an argument, which may name its default."""
    return (action.help or '') % vars(action)


# The configs


def runtime_page() -> str:
    """Each key of ``default_runtime.py``: its value, and what it is for, as its comment or its class says."""
    path = BASES / 'default_runtime.py'
    rows = [
        (f'`{key}`', f'`{cell(value)}`', cell(text)) for key, value, text in _settings(path.read_text(encoding='utf-8'))
    ]
    return table(('key', 'value', 'meaning'), rows)


def _settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Key, value and meaning of what a config sets, by its comment or the class that it names; each hook is a key."""
    lines, tree = text.splitlines(), ast.parse(text)
    classes = {
        alias.name: getattr(importlib.import_module(node.module), alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        name, value = node.targets[0].id, node.value
        parts = value.keywords if isinstance(value, ast.Call) and name == 'default_hooks' else ()
        if not parts:
            yield name, ast.unparse(value), _comment(lines, node.lineno) or _summary(value, classes)
        for part in parts:
            said = _comment(lines, part.value.lineno) or _summary(part.value, classes)
            yield f'{name}.{part.arg}', ast.unparse(part.value), said


def _comment(lines: list[str], number: int) -> str:
    """The comment right above a line."""
    start = number - 1
    while start and lines[start - 1].strip().startswith('#'):
        start -= 1
    return ' '.join(line.strip().lstrip('# ') for line in lines[start : number - 1])


def _summary(value: ast.expr, classes: dict[str, type]) -> str:
    """The first sentence of the class that a setting names."""
    name = next((k.value.id for k in getattr(value, 'keywords', ()) if k.arg == 'type'), None)
    return first_sentence(inspect.getdoc(classes[name]) or '') if name else ''


def first_sentence(text: str) -> str:
    """
    >>> first_sentence('Stops, e.g. at NaN. Says so.')
    'Stops, e.g. at NaN.'
    """
    paragraph = re.sub(r'\s+', ' ', text.strip().split('\n\n')[0])
    paragraph = re.sub(r':\w+:`~?([^`]+)`', r'`\1`', paragraph)
    return re.split(r'(?<=[.!?]) (?=[A-Z`])', paragraph)[0]


def bases_page() -> str:
    """The files of each folder of ``_base_``, and what their docstrings say first; the keys that they set."""
    parts = []
    for folder in sorted(path for path in BASES.iterdir() if path.is_dir() and not path.name.startswith('_')):
        trees = {path: ast.parse(path.read_text(encoding='utf-8')) for path in sorted(folder.glob('*.py'))}
        targets = [n.targets[0] for tree in trees.values() for n in tree.body if isinstance(n, ast.Assign)]
        keys = ', '.join(f'`{name}`' for name in dict.fromkeys(t.id for t in targets if isinstance(t, ast.Name)))
        rows = [
            (f'`{path.name}`', literal(first_sentence(ast.get_docstring(tree) or ''))) for path, tree in trees.items()
        ]
        parts.append(f'### {folder.name}\n\nSets {keys}.\n\n{table(("file", "what it is"), rows)}')
    return '\n'.join(parts)


MADE: dict[str, Callable[[], str]] = dict(verbs=verbs_page, runtime=runtime_page, bases=bases_page)


def fill(text: str) -> str:
    """A page with what is made in the place of its marks."""
    return MARK.sub(lambda mark: MADE[mark[1]](), text)
