"""Summarises a table of results by person: time seen, shares of expressions, episodes, transitions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfer.utils.files import whole_file
from mmfer.utils.optional import require
from mmfer.utils.tables import printable, render_table

from .table import SCORES, class_names
from .writers import plain_cell

LONGEST_FRAME = 1.0  # seconds; a longer step between frames is a gap in the video, unless most are that long
ROUNDING = 1e-6  # seconds: times are written with six digits
ROWS = 40  # of people that are shown


@dataclass(frozen=True)
class Summary:
    """Three tables, each a ``pandas.DataFrame``.

    Attributes:
        people: One row for each person of a video: source, track, first and last (s), frames, seconds, abstained (share
            of the seconds) and uncertainty (mean, nats). For each class: share_<class>, the share of the seconds with
            this label; answered_<class>, the same share of the seconds in which the model does not abstain; and
            episodes_<class>, the number of episodes. Photos have a row for each folder, without track and seconds, in
            which each face has the same weight.
        episodes: One row for each episode: source, track, expression, onset, apex, offset (s), seconds, peak
            (probability at the apex) and abstained (share of its seconds).
        transitions: How often one label followed another: source, track, before, after, times.
    """

    people: Any
    episodes: Any
    transitions: Any


def summarise(table: Any, threshold: float = 0.5, min_length: float = 0.5, gap: float = 0.25) -> Summary:
    """Summarise a table of results by video and person.

    A frame lasts until the next one of its video. An *episode* of an expression lasts while its probability is at
    ``threshold`` or above; its apex is the frame with the highest probability. A *transition* is a change from one
    label to another, if both last for ``min_length``. Frames in which the model abstains are left out of transitions,
    and their seconds count for no label.

    Args:
        table: Of :func:`mmfer.read_results`.
        threshold: Probability from which on an expression is shown, above 0 and up to 1.
        min_length: Seconds that an episode, and the labels of a transition, must last.
        gap: Seconds below the threshold, or unseen, that do not end an episode; transitions are not counted across
            longer absences.

    Raises:
        ValueError: If a number is out of its range, or the table holds no probabilities.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f'threshold={threshold}: a probability above 0 and up to 1')
    for name, value in dict(min_length=min_length, gap=gap).items():
        if not (math.isfinite(value) and value >= 0):
            raise ValueError(f'{name}={value}: seconds from 0 on')
    pandas = require('pandas', 'mmfer[tables]', 'results are summed up by pandas')
    classes = class_names(table)
    people, episodes, transitions = [], [], []
    for source, track, rows in persons(table):
        person = _Person(rows, classes)
        name = dict(source=source, track=track)
        own = list(person.episodes(threshold, min_length, gap))
        counts = Counter(episode['expression'] for episode in own)
        people.append({**name, **person.shares(), **{f'episodes_{key}': counts[key] for key in classes}})
        episodes += [{**name, **episode} for episode in own]
        pairs = person.transitions(min_length, gap).items()
        transitions += [dict(name, before=before, after=after, times=times) for (before, after), times in pairs]
    people += _photos(table, classes)
    names = ['source', 'track', 'first', 'last', 'frames', 'seconds', 'abstained', 'uncertainty']
    names += [f'{what}_{name}' for what in ('share', 'answered', 'episodes') for name in classes]
    kinds = {name: 'Int64' for name in names if name in ('track', 'frames') or name.startswith('episodes_')}
    episode = ['source', 'track', 'expression', 'onset', 'apex', 'offset', 'seconds', 'peak', 'abstained']
    return Summary(
        pandas.DataFrame(people, columns=names).astype(kinds),
        pandas.DataFrame(episodes, columns=episode),
        pandas.DataFrame(transitions, columns=['source', 'track', 'before', 'after', 'times']),
    )


def persons(table: Any) -> Iterator[tuple[str, int, Any]]:
    """Source, number and rows of each person of each video, in time, with a column ``lasts``: seconds of the frame.

    Raises:
        ValueError: If a video has several faces in a frame, and nobody was tracked.
    """
    film = table[table.frame.notna() & table.time.notna()]
    for source, rows in film.groupby('source', sort=False):
        rows = rows.sort_values('frame', kind='stable')
        times = rows.time.drop_duplicates().to_numpy(np.float64)
        steps = np.diff(times)
        usual = float(np.median(steps)) if len(steps) else 0.0
        lasts = dict(zip(times, np.minimum([*steps, usual], max(LONGEST_FRAME, 3 * usual))))
        rows = rows.assign(lasts=rows.time.map(lasts).astype(np.float64))
        seen = rows[rows.label.notna()]
        if seen.frame[seen.track.isna()].duplicated().any():
            raise ValueError(f'{source}: several faces in a frame, and no tracks. Predict it again with a half_life.')
        for track, own in seen.groupby(seen.track.fillna(0)):
            yield str(source), int(track), own.drop_duplicates('frame')


class _Person:
    """One person of a video; N frames, K classes."""

    def __init__(self, rows: Any, classes: Sequence[str]) -> None:
        self.rows, self.classes = rows, classes
        self.start, self.lasts = rows.time.to_numpy(np.float64), rows.lasts.to_numpy(np.float64)
        self.end = self.start + self.lasts
        self.abstains = rows.abstain.fillna(False).to_numpy(bool)
        self.labels = rows.label.to_numpy(object)

    def shares(self) -> dict[str, Any]:
        weights = self.lasts if self.lasts.sum() > 0 else np.ones(len(self.lasts))
        times = dict(first=self.start[0], last=self.end[-1], frames=len(self.start), seconds=self.lasts.sum())
        return {**times, **_shares(self.rows, self.classes, weights)}

    def episodes(self, threshold: float, min_length: float, gap: float) -> Iterator[dict[str, Any]]:
        for name in self.classes:
            scores = self.rows[SCORES + name].to_numpy(np.float64)
            for part in self._runs(np.flatnonzero(scores >= threshold), gap):
                onset, offset, lasts = self.start[part[0]], self.end[part[-1]], self.lasts[part]
                if offset - onset < min_length - ROUNDING:
                    continue
                apex = part[scores[part].argmax()]
                abstained = (lasts * self.abstains[part]).sum() / lasts.sum() if lasts.sum() else 0.0
                yield dict(
                    expression=name,
                    onset=onset,
                    apex=self.start[apex],
                    offset=offset,
                    seconds=offset - onset,
                    peak=scores[apex],
                    abstained=abstained,
                )

    def transitions(self, min_length: float, gap: float) -> Counter:
        counts: Counter = Counter()
        for part in self._runs(np.arange(len(self.start)), gap):
            part = part[~self.abstains[part]]
            lasting: list[str] = []
            for run in np.split(part, np.flatnonzero(self.labels[part][1:] != self.labels[part][:-1]) + 1):
                if len(run) and self._answered(run[0], run[-1]) >= min_length - ROUNDING:
                    lasting.append(self.labels[run[0]])
            counts.update(pair for pair in zip(lasting, lasting[1:]) if pair[0] != pair[1])
        return counts

    def _answered(self, first: int, last: int) -> float:
        """Seconds from the begin of one frame to the end of another, without those in which the model abstains."""
        within = slice(first, last + 1)
        return self.end[last] - self.start[first] - self.lasts[within][self.abstains[within]].sum()

    def _runs(self, frames: np.ndarray, gap: float) -> list[np.ndarray]:
        """``frames``, which are sorted indices, split where more than ``gap`` seconds lie between two of them."""
        apart = self.start[frames[1:]] - self.end[frames[:-1]] > gap + ROUNDING
        return [part for part in np.split(frames, np.flatnonzero(apart) + 1) if len(part)]


def _shares(rows: Any, classes: Sequence[str], weights: np.ndarray) -> dict[str, float]:
    labels, answers = rows.label.to_numpy(object), ~rows.abstain.fillna(False).to_numpy(bool)
    total, answered = weights.sum(), (weights * answers).sum()
    uncertainty = (weights * rows.uncertainty.to_numpy(np.float64)).sum() / total
    shares = dict(abstained=1 - answered / total, uncertainty=uncertainty)
    for name in classes:
        own = weights * (labels == name)
        shares[f'share_{name}'] = own.sum() / total
        shares[f'answered_{name}'] = (own * answers).sum() / answered if answered else math.nan
    return shares


def _photos(table: Any, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A row for each folder of photos."""
    faces = table[table.frame.isna() & table.label.notna()]
    folders = faces.source.map(lambda source: str(Path(source).parent))
    for folder, rows in faces.groupby(folders, sort=False):
        yield dict(source=folder, frames=len(rows), **_shares(rows, classes, np.ones(len(rows))))


def render(summary: Summary, classes: Sequence[str]) -> str:
    """The people of a summary as a table for the terminal, in percent of the time answered."""
    people, rows = summary.people, []
    for person in people.head(ROWS).itertuples(index=False):
        is_photos = math.isnan(person.seconds)
        row = [printable(person.source), '-' if is_photos else person.track, person.frames]
        row += ['-' if is_photos else f'{person.seconds:.1f}', f'{100 * person.abstained:.0f} %']
        values = dict(zip(people.columns, person))
        row += [_percent(values[f'answered_{name}']) for name in classes]
        row += ['-' if is_photos else sum(values[f'episodes_{name}'] for name in classes)]
        rows.append(row)
    header = ('source', 'person', 'faces', 'seen (s)', 'abstains', *classes, 'episodes')
    text = render_table(header, rows, 'share of each expression where the model does not abstain').rstrip('\n')
    return text if len(people) <= ROWS else f'{text}\nand {len(people) - ROWS} more, which --out writes'


def _percent(share: float) -> str:
    return '-' if math.isnan(share) else f'{100 * share:.0f} %'


def write_summary(summary: Summary, folder: str | Path) -> list[Path]:
    """Write ``people.csv``, ``episodes.csv`` and ``transitions.csv`` into a folder, each whole or not at all."""
    folder, paths = Path(folder), []
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in vars(summary).items():
        paths.append(folder / f'{name}.csv')
        with whole_file(paths[-1]) as part:
            table.assign(source=table.source.map(plain_cell)).to_csv(part, index=False, float_format='%.6g')
    return paths
