"""Tracks the faces of a video, and pools the predictions of each over its frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmfer.faces.boxes import box_iou, greedy_pairs
from mmfer.structures.results import Face, FaceResult

TINY = np.finfo(np.float32).tiny


@dataclass
class _Track:
    number: int
    box: tuple
    seen: int
    state: dict = field(default_factory=dict)


class FaceTracks:
    r"""Tracks faces from frame to frame, and pools the predictions of each.

    A face continues the track whose last box it overlaps most, if their intersection over union is at least ``iou``.
    Pairs with the largest overlap are matched first. A track that is not seen for more than ``patience`` frames ends.

    The probabilities and the moments of the latent are pooled by an exponential moving average with the weight
    :math:`\alpha = 2^{-1/h}`, where h is the half-life in frames:

    .. math::
        \bar p_t = \alpha \bar p_{t-1} + (1 - \alpha) p_t, \quad
        \bar\sigma^2 = \overline{\sigma^2 + \mu^2} - \bar\mu^2

    So the standard deviation of the latent includes the deviation in each frame and the differences between frames.
    Correlations between logits, of heads that have them, are those of the current frame.
    ``uncertainty`` is the entropy of the pooled probabilities, ``aleatoric`` the pooled aleatoric part, and
    ``epistemic`` the rest.

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
        """The faces of the next frame, in their order, with track numbers and pooled predictions.

        Faces with a number of :class:`mmfer.faces.following.FaceFollower` keep it. Frames in which a face was not
        predicted still count for its pooling.
        """
        self.time += 1
        self.tracks = [track for track in self.tracks if self.time - track.seen <= self.patience + 1]
        if any(face.track is not None for face in faces):
            places = {track.number: j for j, track in enumerate(self.tracks)}
            found = {i: places[face.track] for i, face in enumerate(faces) if face.track in places}
        else:
            found = greedy_pairs(box_iou([face.box for face in faces], [t.box for t in self.tracks]), self.iou)
        pooled = []
        for i, face in enumerate(faces):
            if i in found:
                track = self.tracks[found[i]]
            else:
                track = _Track(self.count if face.track is None else face.track, face.box, self.time)
                self.count = max(self.count, track.number + 1)
                self.tracks.append(track)
            keep = self.keep ** (self.time - track.seen)  # of a new track, without effect
            track.box, track.seen = face.box, self.time
            pooled.append(replace(self._pool(track, face, keep), track=track.number))
        return tuple(pooled)

    def _pool(self, track: _Track, face: FaceResult, keep: float) -> FaceResult:
        now: dict[str, Any] = dict(scores=face.scores)
        if face.mean is not None and face.std is not None:
            now.update(mean=face.mean, square=np.square(face.std) + np.square(face.mean))
        if face.aleatoric is not None:
            now.update(aleatoric=face.aleatoric)
        for name, value in now.items():
            before = track.state.get(name)
            value = np.asarray(value, np.float64)
            track.state[name] = value if before is None else keep * before + (1 - keep) * value
        state = track.state
        scores = state['scores'] / state['scores'].sum()
        changes: dict[str, Any] = dict(scores=scores, label=face.classes[int(scores.argmax())])
        changes['uncertainty'] = entropy(scores)
        if 'mean' in now:
            deviation = np.sqrt(np.maximum(state['square'] - np.square(state['mean']), 0))
            changes.update(mean=state['mean'], std=deviation)
            if face.factor is not None and face.std is not None:
                changes.update(factor=face.factor * (deviation / np.maximum(face.std, TINY))[:, None])
        if face.aleatoric is not None:
            changes['aleatoric'] = min(float(state['aleatoric']), changes['uncertainty'])
            changes['epistemic'] = changes['uncertainty'] - changes['aleatoric']
        return replace(face, **changes)


class People:
    """The people of the current video; videos follow one another.

    Attributes:
        last: The answers for the frame before, by number.
    """

    def __init__(self) -> None:
        self.name = ''
        self.tracks: FaceTracks | None = None
        self.last: dict[int | None, FaceResult] = {}

    def update(self, faces: Sequence[FaceResult], name: str, frame: int, half_life: float) -> tuple[FaceResult, ...]:
        """Like :meth:`FaceTracks.update`, but starts again with each video."""
        if self.tracks is None or frame == 0 or name != self.name:
            self.name, self.tracks = name, FaceTracks(half_life)
        return self.tracks.update(faces)

    def repeat(self, face: Face) -> FaceResult:
        """The last prediction for a person, at the new place."""
        return replace(self.last[face.person], box=face.box, landmarks=face.landmarks)


def entropy(scores: np.ndarray) -> float:
    """Shannon entropy in nats.

    >>> round(entropy(np.array([0.5, 0.5])), 4)
    0.6931
    """
    positive = scores[scores > 0]
    return float(max(0.0, -(positive * np.log(positive)).sum()))
