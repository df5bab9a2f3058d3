"""Draws results over time, one picture for each video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.utils.files import write_text
from mmfer.utils.optional import require

from .drawing import free_name
from .sources import is_video
from .summary import persons
from .table import SCORES, class_names, read_results
from .videos import read_video

PICTURES = ('.png', '.svg', '.pdf')


def plot_timelines(
    results: str | Path, out: str | Path, source: str | None = None, people: int = 8, thumbnails: int = 0
) -> list[Path]:
    """Draw the people of videos over time.

    Args:
        results: What :func:`mmfer.read_results` takes.
        out: A picture (``.png``, ``.svg``, ``.pdf``) or a page (``.html``) of one video; or a folder, for a picture of
            each video in the table.
        source: The video that is drawn, as the table names it, or the end of that name; None is all.
        people: Largest number of people; those who are seen longest are drawn.
        thumbnails: Number of faces above each strip, cropped from the video, which must still be there.

    Returns:
        The files.

    Raises:
        ValueError: If the table has no video or not ``source``, or several videos although ``out`` is one file.
    """
    out = Path(out)
    is_page = out.suffix.lower() == '.html'
    if people < 1 or thumbnails < 0:
        raise ValueError(f'people={people}, thumbnails={thumbnails}: at least 1 and 0')
    if is_page and thumbnails:
        raise ValueError(f'--thumbnails are drawn into pictures ({", ".join(PICTURES)}), not into {out}')
    require('matplotlib', 'mmfer[tables]', 'timelines are drawn by matplotlib')
    table = read_results(results)
    classes, films = class_names(table), _films(table, source, str(results))
    is_file = is_page or out.suffix.lower() in PICTURES
    if is_file and len(films) > 1:
        raise ValueError(f'{results} holds {len(films)} videos. Name one with --source, or a folder: --out FOLDER')
    if not is_file:
        out.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    taken: set[str] = set()
    for name, rows in films.items():
        paths.append(out if is_file else out / f'{free_name(Path(name).stem, taken)}.png')
        _draw(name, rows, classes, paths[-1], people, thumbnails)
    return paths


def _films(table: Any, source: str | None, name: str) -> dict[str, dict[int, Any]]:
    """The rows of each person of each video."""
    if source is not None:
        table = table[table.source.eq(source) | table.source.str.endswith(f'/{source}')]
    films: dict[str, dict[int, Any]] = {}
    for film, track, rows in persons(table):
        films.setdefault(film, {})[track] = rows
    if not films:
        raise ValueError(f'{name} holds no faces of a video{"" if source is None else f" {source}"}')
    return films


def _draw(name: str, film: dict[int, Any], classes: Sequence[str], out: Path, people: int, thumbnails: int) -> None:
    from mmfer.visualization.curves import save_figure
    from mmfer.visualization.timeline import Strip, draw_timeline, timeline_page

    longest = sorted(sorted(film, key=lambda track: -film[track].lasts.sum())[:people])
    strips = []
    for track in longest:
        rows = film[track]
        answered = rows[~rows.abstain.fillna(False).astype(bool)].groupby('label').lasts.sum()
        mostly = f'mostly {answered.idxmax()}' if len(answered) else 'no answer'
        strips.append(
            Strip(
                f'person {track}: {rows.lasts.sum():.1f} s, {mostly}',
                rows.time.to_numpy(np.float64),
                rows.lasts.to_numpy(np.float64),
                rows[[SCORES + k for k in classes]].to_numpy(np.float64),
                rows.uncertainty.to_numpy(np.float64),
                rows.abstain.fillna(False).to_numpy(bool),
            )
        )
    if thumbnails:
        faces = _faces(name, {track: _spread(film[track], thumbnails) for track in longest})
        strips = [replace(strip, faces=faces[track]) for track, strip in zip(longest, strips)]
    more = len(film) - len(longest)
    title = Path(name).name + (f' ({more} more were seen for a shorter time)' if more else '')
    if out.suffix.lower() == '.html':
        write_text(out, timeline_page(strips, classes, title))
    else:
        save_figure(draw_timeline(strips, classes, title), out)


def _spread(rows: Any, number: int) -> Any:
    """The frame nearest to the middle of each of ``number`` parts of the time that a person is in the video."""
    times = rows.time.to_numpy(np.float64)
    middles = times[0] + (np.arange(number) + 0.5) / number * (times[-1] - times[0])
    return rows.iloc[sorted({int(abs(times - middle).argmin()) for middle in middles})]


def _faces(name: str, wanted: dict[int, Any]) -> dict[int, list[tuple[float, np.ndarray]]]:
    """Pictures of faces, by person, out of a video, which is read up to the last of them."""
    from mmfer.visualization.faces import crop

    if not (is_video(name) and Path(name).is_file()):
        raise ValueError(f'{name} is not there to cut faces out of. Leave out --thumbnails, or start where it is.')
    places: dict[int, list[tuple[int, float, tuple]]] = {}
    for track, rows in wanted.items():
        for row in rows.itertuples():
            places.setdefault(int(row.frame), []).append((track, row.time, (row.x1, row.y1, row.x2, row.y2)))
    faces: dict[int, list[tuple[float, np.ndarray]]] = {track: [] for track in wanted}
    for number, _, image, _ in read_video(name):
        for track, seconds, box in places.get(-1 if number is None else number, ()):
            if image is not None and math.isfinite(sum(box)):
                faces[track].append((seconds, crop(image, box, 0.1).copy()))
        if number is None or number >= max(places):
            break
    return faces
