"""Faces of a video over time: who is who, and what is answered when their frames are pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmfer.structures.results import FaceResult


def box_iou(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> np.ndarray:
    """Intersection over union of boxes (x1, y1, x2, y2): ``(N, 4), (M, 4) -> (N, M)``.

    >>> box_iou([(0, 0, 2, 2)], [(1, 0, 3, 2), (5, 5, 6, 6)]).round(4).tolist()
    [[0.3333, 0.0]]
    """
    a, b = (np.asarray(boxes, np.float64).reshape(-1, 4) for boxes in (first, second))
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (a, b))
    union = np.add.outer(*areas) - common
    return np.divide(common, union, out=np.zeros_like(common), where=union > 0)


@dataclass
class _Track:
    number: int
    box: tuple
    seen: int
    state: dict = field(default_factory=dict)


class FaceTracks:
    r"""Follows faces from frame to frame and pools the predictions of each.

    A face continues the track whose last box it overlaps most, pairs of largest overlap first, if their intersection
    over union is at least ``iou``. A track that is not seen for more than ``patience`` frames ends.

    Pooled are the probabilities and the moments of the latent by an exponential moving average with weight
    :math:`\alpha = 2^{-1/h}`, h the half-life in frames:

    .. math::
        \bar p_t = \alpha \bar p_{t-1} + (1 - \alpha) p_t, \quad
        \bar\sigma^2 = \overline{\sigma^2 + \mu^2} - \bar\mu^2

    The latent's deviation thus holds what each frame leaves open and how the frames differ. ``uncertainty`` is the
    entropy of the pooled probabilities, ``aleatoric`` the pooled one, ``epistemic`` the rest.

    Args:
        half_life: h, in frames; 0 pools nothing.
        iou: Least overlap of a face with the last box of its track.
        patience: Frames that a track survives unseen.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(self, half_life: float = 5.0, iou: float = 0.3, patience: int = 15) -> None:
        if not half_life >= 0 or not 0 < iou <= 1 or patience < 0:
            raise ValueError(
                f'half_life={half_life}, iou={iou}, patience={patience}: expected >= 0, in (0, 1] and >= 0'
            )
        self.keep = 0.0 if half_life == 0 else 2 ** (-1 / half_life)
        self.iou, self.patience = iou, patience
        self.tracks: list[_Track] = []
        self.count = self.time = 0

    def update(self, faces: Sequence[FaceResult]) -> tuple[FaceResult, ...]:
        """The faces of the next frame, in their order, with the numbers of their tracks and pooled predictions."""
        self.time += 1
        self.tracks = [track for track in self.tracks if self.time - track.seen <= self.patience + 1]
        overlaps = box_iou([face.box for face in faces], [track.box for track in self.tracks])
        found: dict[int, _Track] = {}
        for i, j in zip(*np.unravel_index(np.argsort(-overlaps, axis=None, kind='stable'), overlaps.shape)):
            if overlaps[i, j] < self.iou:
                break
            if i not in found and self.tracks[j].seen < self.time:
                found[i] = self.tracks[j]
                self.tracks[j].seen = self.time
        pooled = []
        for i, face in enumerate(faces):
            track = found.get(i)
            if track is None:
                track = _Track(self.count, face.box, self.time)
                self.count += 1
                self.tracks.append(track)
            track.box = face.box
            pooled.append(replace(self._pool(track, face), track=track.number))
        return tuple(pooled)

    def _pool(self, track: _Track, face: FaceResult) -> FaceResult:
        now: dict[str, Any] = dict(scores=face.scores)
        if face.mean is not None and face.std is not None:
            now.update(mean=face.mean, square=np.square(face.std) + np.square(face.mean))
        if face.aleatoric is not None:
            now.update(aleatoric=face.aleatoric)
        for name, value in now.items():
            before = track.state.get(name)
            value = np.asarray(value, np.float64)
            track.state[name] = value if before is None else self.keep * before + (1 - self.keep) * value
        state = track.state
        scores = state['scores'] / state['scores'].sum()
        changes: dict[str, Any] = dict(scores=scores, label=face.classes[int(scores.argmax())])
        changes['uncertainty'] = entropy(scores)
        if 'mean' in now:
            deviation = np.sqrt(np.maximum(state['square'] - np.square(state['mean']), 0))
            changes.update(mean=state['mean'], std=deviation)
        if face.aleatoric is not None:
            changes['aleatoric'] = min(float(state['aleatoric']), changes['uncertainty'])
            changes['epistemic'] = changes['uncertainty'] - changes['aleatoric']
        return replace(face, **changes)


def entropy(scores: np.ndarray) -> float:
    """Shannon entropy in nats.

    >>> round(entropy(np.array([0.5, 0.5])), 4)
    0.6931
    """
    positive = scores[scores > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))
