#!/usr/bin/env python
"""Draw docs/images/architecture.svg: the packages of mmfer on their floors, and the imports between them.

Everything is read from the source: imports at the top of a file, within functions, and those for type checkers. The
numbers count files. tests/test_floors.py holds that no import goes up, and that the picture is up to date.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / 'mmfer'
PICTURE = Path(__file__).parent / 'images/architecture.svg'
# From the top: what a package imports stands on a floor below it. The number is its place from left to right.
FLOORS: list[dict[str, float]] = [
    {'cli': 0.5},
    {'web': 0.13, 'apis': 0.87},
    {'experiments': 0.2},
    {'inference': 0.72},
    {'engine': 0.4},
    {'datasets': 0.64},
    {'visualization': 0.13, 'faces': 0.87},
    {'models': 0.5},
    {'evaluation': 0.26},
]
GROUND = ['structures', 'weights', 'utils', 'registry', 'options', 'version']  # each on those behind it
SAME = {'__main__': 'cli', '__init__': 'apis'}  # the command, and the public names
TEXT = {
    'cli': 'the command mmfer',
    'web': 'a page to try a model',
    'apis': 'the public names',
    'experiments': 'comparisons of several runs',
    'inference': 'photos, videos, export',
    'engine': 'runner, hooks, exact resume',
    'datasets': 'data sets, transforms, samplers',
    'visualization': 'pictures of results and runs',
    'faces': 'detectors, landmarks, crops',
    'models': 'backbones, necks, heads, losses',
    'evaluation': 'metrics and their mathematics',
}
WIDTH, STEP, BOX, TOP = 900, 96, (200, 46), 10


def part_of(name: str) -> str:
    """The package that a dotted name of mmfer lies in; public names are ``apis``.

    >>> part_of('mmfer.models.heads'), part_of('mmfer.ExpressionInferencer'), part_of('mmfer')
    ('models', 'apis', 'apis')
    """
    first = (name.split('.') + [''])[1]
    is_part = (PACKAGE / f'{first}.py').is_file() or (PACKAGE / first / '__init__.py').is_file()
    return SAME.get(first, first) if first and is_part else 'apis'


def imported(file: Path) -> Iterator[str]:
    """Dotted names of what a file imports from mmfer."""
    package = ('mmfer', *file.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split('.')[0] == 'mmfer')
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[: len(package) + 1 - node.level]) if node.level else ''
            module = '.'.join(filter(None, (base, node.module)))
            if module == 'mmfer':
                yield from (f'mmfer.{alias.name}' for alias in node.names)
            elif module.startswith('mmfer.'):
                yield module


def find_imports() -> dict[tuple[str, str], list[str]]:
    """Which files of one package import another one: (importer, imported) -> their paths."""
    files: dict[tuple[str, str], list[str]] = {}
    for file in sorted(PACKAGE.rglob('*.py')):
        path = file.relative_to(PACKAGE)
        own = path.with_suffix('').parts[0]
        if own != 'configs':
            own = SAME.get(own, own)
            for other in {*map(part_of, imported(file))} - {own}:
                files.setdefault((own, other), []).append(path.as_posix())
    return files


def heights() -> dict[str, int]:
    """Floor of each package, counted from the bottom."""
    floors = [*FLOORS, *([name] for name in GROUND)]
    return {name: len(floors) - i for i, floor in enumerate(floors) for name in floor}


def upward(imports: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Imports that do not go down."""
    height = heights()
    return sorted(pair for pair in imports if height[pair[1]] >= height[pair[0]])


def draw(imports: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """The picture, as SVG."""
    place = {
        name: (x * WIDTH, TOP + i * STEP + BOX[1] / 2) for i, floor in enumerate(FLOORS) for name, x in floor.items()
    }
    arrows = [pair for pair in sorted(imports) if pair[0] in place and pair[1] in place]
    starts, ends = {}, {}
    for name, (x, _) in place.items():
        starts.update(_ports(x, [pair for pair in arrows if pair[0] == name], lambda pair: place[pair[1]]))
        ends.update(_ports(x, [pair for pair in arrows if pair[1] == name], lambda pair: place[pair[0]]))
    drawn = [
        _arrow((starts[pair], place[pair[0]][1]), (ends[pair], place[pair[1]][1]), len(imports[pair]))
        for pair in arrows
    ]
    ground = TOP + len(FLOORS) * STEP
    height = ground + 92
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'text-anchor="middle">\n<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L8 4L0 8z" fill="#567"/></marker>'
        f'</defs>\n<rect width="{WIDTH}" height="{height}" fill="white"/>'
    )
    lines, numbers = zip(*drawn)
    boxes = [_box(name, *place[name]) for name in place]
    return '\n'.join([head, *lines, *boxes, *numbers, _ground(ground, imports), '</svg>', ''])


def _ports(x: float, pairs: list[tuple[str, str]], other_end: Callable) -> dict[tuple[str, str], float]:
    """Where arrows meet the edge of a box, so that they do not cross there: in the order of their other ends."""
    pairs = sorted(pairs, key=lambda pair: other_end(pair)[0])
    gap = BOX[0] / (len(pairs) + 1)
    return {pair: x - BOX[0] / 2 + (i + 1) * gap for i, pair in enumerate(pairs)}


def _arrow(start: tuple[float, float], end: tuple[float, float], files: int) -> tuple[str, str]:
    """A curve from the lower edge of a box to the upper edge of another one, and the number at its tip."""
    x0, y0, x1, y1 = start[0], start[1] + BOX[1] / 2, end[0], end[1] - BOX[1] / 2 - 2
    bend = (y1 - y0) / 2
    line = (
        f'<path d="M{x0:.0f} {y0:.0f}C{x0:.0f} {y0 + bend:.0f} {x1:.0f} {y1 - bend:.0f} {x1:.0f} {y1:.0f}" '
        f'fill="none" stroke="#89a" stroke-width="{1 + min(files, 16) / 6:.1f}" marker-end="url(#tip)"/>'
    )
    return line, (
        f'<text x="{x1:.0f}" y="{y1 - 9:.0f}" font-size="11" fill="#234" stroke="white" stroke-width="4" '
        f'paint-order="stroke">{files}</text>'
    )


def _box(name: str, x: float, y: float) -> str:
    title = 'mmfer, mmfer.apis' if name == 'apis' else name
    return (
        f'<rect x="{x - BOX[0] / 2:.0f}" y="{y - BOX[1] / 2:.0f}" width="{BOX[0]}" height="{BOX[1]}" rx="6" '
        f'fill="#eef4fb" stroke="#357"/>\n<text x="{x:.0f}" y="{y - 3:.0f}" font-size="15" font-weight="bold" '
        f'fill="#123">{title}</text>\n<text x="{x:.0f}" y="{y + 14:.0f}" font-size="11" fill="#345">{TEXT[name]}</text>'
    )


def _ground(y: float, imports: Mapping[tuple[str, str], Sequence[str]]) -> str:
    """What everything stands on; the number of files that import it is written into each part."""
    width = (WIDTH - 40) / len(GROUND)
    parts = [
        f'<rect x="10" y="{y}" width="{WIDTH - 20}" height="82" rx="6" fill="#f4f1ea" stroke="#875"/>',
        f'<text x="{WIDTH / 2:.0f}" y="{y + 20}" font-size="12" fill="#543">what all floors stand on, with the number '
        'of files elsewhere that import it; none imports one to its left</text>',
    ]
    for i, name in enumerate(GROUND):
        x = 20 + (i + 0.5) * width
        files = sum(len(found) for (_, other), found in imports.items() if other == name)
        parts.append(
            f'<rect x="{x - width / 2 + 5:.0f}" y="{y + 32}" width="{width - 10:.0f}" height="38" rx="6" fill="white" '
            f'stroke="#875"/>\n<text x="{x:.0f}" y="{y + 56}" font-size="14" fill="#321">{name} ({files})</text>'
        )
    return '\n'.join(parts)


if __name__ == '__main__':
    PICTURE.write_text(draw(find_imports()), encoding='utf-8')
    print(f'written: {PICTURE}')
