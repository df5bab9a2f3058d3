"""A package of mmfer imports only from itself and from floors below it; imports within functions count."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / 'mmfer'
FLOORS = [
    {'cli', '__main__'},
    {'web'},
    {'apis', '__init__'},  # which only name what lies below
    {'experiments'},
    {'inference'},
    {'engine'},
    {'datasets'},
    {'visualization', 'faces'},
    {'models'},
    {'evaluation'},
    {'structures', 'utils', 'registry', 'options', 'version'},
]
HEIGHT = {name: -i for i, floor in enumerate(FLOORS) for name in floor}


def imported(file):
    """Top-level parts of mmfer that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or '').split('.')[0] == 'mmfer':
            parts = node.module.split('.')[1:]
            yield from parts[:1] or [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split('.')[1] for alias in node.names if alias.name.startswith('mmfer.'))


def test_every_part_has_a_floor():
    parts = {path.stem for path in PACKAGE.iterdir() if path.suffix == '.py' or (path / '__init__.py').is_file()}
    assert parts == set(HEIGHT)


@pytest.mark.parametrize('part', sorted(set(HEIGHT) - {'apis', '__init__', '__main__'}))
def test_no_import_goes_up(part):
    files = [PACKAGE / f'{part}.py'] if (PACKAGE / f'{part}.py').is_file() else sorted((PACKAGE / part).rglob('*.py'))
    found = {
        f'{file.relative_to(PACKAGE)} imports {other}'
        for file in files
        for other in imported(file)
        if other != part and HEIGHT.get(other, HEIGHT['utils']) >= HEIGHT[part]
    }
    same = {line for line in found if HEIGHT[line.split()[-1]] == HEIGHT[part]} if part in FLOORS[-1] else set()
    assert found - same == set()
