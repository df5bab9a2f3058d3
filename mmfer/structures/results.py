"""Results: the :class:`Face` of a detector, and the :class:`ImageResult` of an inferencer with its faces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np


def score_interval(
    mean: np.ndarray,
    std: np.ndarray,
    level: float = 0.9,
    weight: np.ndarray | None = None,
    bias: np.ndarray | None = None,
    factor: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Interval of each class probability under a Gaussian over the logits, by sampling with a fixed seed.

    .. math::
        p = softmax(w \odot \log softmax(z) + b), \quad z \sim N(\mu, \operatorname{diag} d^2 + F F^T), \quad
        d_k^2 = \sigma_k^2 - \sum_r F_{kr}^2

    Args:
        mean: :math:`\mu` (K,).
        std: :math:`\sigma` (K,).
        level: Probability mass between the bounds; the tails are of equal mass.
        weight: w (K,) of a calibration; None is 1.
        bias: b (K,) of a calibration; None is 0.
        factor: F (K, R) of heads with correlated logits; None is 0.

    Returns:
        Lower and upper bounds, (K,) each.

    >>> low, high = score_interval(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    >>> bool(low[0] < 1 / (1 + np.exp(-1)) < high[0])
    True
    """
    if not 0 < level < 1:
        raise ValueError(f'level={level} of an interval must lie between 0 and 1')
    mean, std = (np.asarray(value, np.float64)[:, None] for value in (mean, std))
    if factor is None:
        logits = mean + std * _draws(len(mean))
    else:
        factor = np.asarray(factor, np.float64)
        own = np.sqrt(np.maximum(std**2 - np.square(factor).sum(1, keepdims=True), 0))
        draws = _draws(len(mean) + factor.shape[1])
        logits = mean + own * draws[: len(mean)] + factor @ draws[len(mean) :]
    if weight is not None or bias is not None:
        logits = logits - _log_sum_exp(logits)
        w, b = (value if value is None else np.asarray(value, np.float64)[:, None] for value in (weight, bias))
        logits = (1 if w is None else w) * logits + (0 if b is None else b)
    probs = np.exp(logits - _log_sum_exp(logits))
    low, high = np.quantile(probs, ((1 - level) / 2, (1 + level) / 2), axis=1)
    return low, high


@lru_cache(4)
def _draws(classes: int) -> np.ndarray:
    draws = np.random.default_rng(0).standard_normal((classes, 2000))
    draws.flags.writeable = False
    return draws


def _log_sum_exp(logits: np.ndarray) -> np.ndarray:
    """Over the classes, (K, samples) to (1, samples)."""
    largest = logits.max(axis=0, keepdims=True)
    return largest + np.log(np.exp(logits - largest).sum(axis=0, keepdims=True))


NUMBERS = ('score', 'uncertainty', 'aleatoric', 'epistemic')
OF_FACE = ('track', 'detection_score', 'label', 'abstain', *NUMBERS, 'people')
BY_CLASS = ('scores', 'score_low', 'score_high', 'mean', 'std')


def columns(classes: Sequence[str]) -> list[str]:
    """The names of the columns in a table of results.

    They are: source, frame, time (s), error, width, height, face (its number in the image, from 0), track, x1, y1, x2,
    y2 (pixels), detection_score, label, label_set (with ``|`` between names), abstain, score, uncertainty, aleatoric,
    epistemic (nats), people (10 if the bounds are shares of ten people, else empty), and for each class
    ``scores_<class>``, ``score_low_<class>``, ``score_high_<class>``, ``mean_<class>`` and ``std_<class>``.
    """
    names = ['source', 'frame', 'time', 'error', 'width', 'height', 'face', 'track', 'x1', 'y1', 'x2', 'y2']
    names += ['detection_score', 'label', 'label_set', 'abstain', *NUMBERS, 'people']
    return names + [f'{field}_{name}' for field in BY_CLASS for name in classes]


def plain_text(text: str) -> str:
    r"""The name of a file as tables hold it: bytes that are no UTF-8 become ``\udc..``, a carriage return ``\r``.

    Readers of CSV would end the row at a carriage return.
    """
    return text.encode('utf-8', 'backslashreplace').decode().replace('\r', '\\r')


@dataclass(frozen=True, eq=False)
class Face:
    """A face in an image.

    Attributes:
        box: (x1, y1, x2, y2) in pixels; it may reach beyond the edges of the image.
        score: Confidence of the detector in [0, 1], or None if it has none.
        landmarks: Eyes, tip of the nose, corners of the mouth: (5, 2) float32, (x, y) in pixels, the left one of a pair
            first as seen in the image when the face is upright; or None.
        person: Number of the person in a video, from 0, if the detector tracks faces; else None.
        is_repeated: Whether such a detector only moved the box of the last frame; the last prediction is then repeated.
    """

    box: tuple[float, float, float, float]
    score: float | None = None
    landmarks: np.ndarray | None = None
    person: int | None = None
    is_repeated: bool = False

    @property
    def area(self) -> float:
        """Area of the box, in square pixels."""
        x1, y1, x2, y2 = self.box
        return max(x2 - x1, 0.0) * max(y2 - y1, 0.0)


def largest_first(faces: Iterable[Face]) -> list[Face]:
    """``faces`` sorted by the area of their boxes, and faces of equal area from left to right."""
    return sorted(faces, key=lambda face: (-face.area, tuple(face.box)))


def _plain(value: Any, digits: int = 6) -> Any:
    """Numbers and nested lists that JSON writes; six digits are more than single precision holds of a probability."""
    if value is None or isinstance(value, (bool, str, int)):
        return value
    array = np.round(np.asarray(value, np.float64), digits)
    return array.tolist()


@dataclass(frozen=True, eq=False, repr=False)
class FaceResult:
    """One face of an image.

    Attributes:
        box: (x1, y1, x2, y2) in pixels of the upright image; it may reach beyond its edges.
        detection_score: The detector's confidence in [0, 1]; None if it has none, or if the image is one cropped face.
        landmarks: Eyes, nose, corners of the mouth (5, 2) in pixels, left before right as seen in the image; or None.
        classes: Names of the K expressions in the model's order.
        label: The most probable expression.
        label_set: The prediction set, the most probable expression first. Over many faces it contains the true
            expression with the frequency of ``mmfer calibrate --sets``. None for models without sets.
        scores: Probabilities (K,).
        mean: Mean of the latent logits (K,), of heads that have one.
        std: Standard deviation of the latent logits (K,), likewise.
        factor: Low-rank factor (K, R) of the covariance, of heads with correlated logits, see
            :func:`mmfer.structures.predictive.probability_samples`; else None.
        score_low: Lower bounds (K,). For heads trained on votes: of the share of ``people`` who would choose each
            expression, a predictive interval (:func:`mmfer.structures.votes.vote_interval`). For other heads with a
            Gaussian: of the probabilities, by the covariance of the latent, see :func:`score_interval`.
        score_high: Upper bounds (K,).
        people: 10 if the bounds are shares of ten people; None if they are bounds of probabilities.
        uncertainty: Entropy of ``scores`` in nats, in [0, log K].
        aleatoric: The part of the uncertainty that remains if the latent is known, nats, or None.
        epistemic: The other part, nats, or None.
        abstain: Whether the uncertainty exceeds the threshold: do not rely on ``label``.
        track: Number of the person's track in a video, from 0; None in images.
    """

    box: tuple[float, float, float, float]
    classes: tuple[str, ...]
    label: str
    scores: np.ndarray
    uncertainty: float
    detection_score: float | None = None
    landmarks: np.ndarray | None = None
    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    score_low: np.ndarray | None = None
    score_high: np.ndarray | None = None
    people: int | None = None
    factor: np.ndarray | None = None
    aleatoric: float | None = None
    epistemic: float | None = None
    label_set: tuple[str, ...] | None = None
    abstain: bool = False
    track: int | None = None

    @property
    def score(self) -> float:
        """Probability of the label."""
        return float(self.scores[self.classes.index(self.label)])

    def _by_class(self, values: np.ndarray | None) -> dict[str, float] | None:
        return None if values is None else dict(zip(self.classes, _plain(values)))

    def __repr__(self) -> str:
        from .show import face_text

        return f'FaceResult({face_text(self)})'

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists, with scores by class name. Fields that this model lacks are left out."""
        content = dict(
            box=_plain(self.box, 2),
            detection_score=_plain(self.detection_score),
            landmarks=_plain(self.landmarks, 2),
            label=self.label,
            label_set=None if self.label_set is None else list(self.label_set),
            score=_plain(self.score),
            abstain=self.abstain,
            uncertainty=_plain(self.uncertainty),
            aleatoric=_plain(self.aleatoric),
            epistemic=_plain(self.epistemic),
            scores=self._by_class(self.scores),
            score_low=self._by_class(self.score_low),
            score_high=self._by_class(self.score_high),
            people=self.people,
            mean=self._by_class(self.mean),
            std=self._by_class(self.std),
            track=self.track,
        )
        return {name: value for name, value in content.items() if value is not None}


@dataclass(frozen=True, repr=False)
class ImageResult:
    """The faces of an image or of a frame of a video, or the reason why there is no result.

    Attributes:
        source: Path of the file, or a name for an image from memory.
        width: Of the upright image in pixels; 0 if it could not be read.
        height: Likewise.
        faces: Largest first; empty if none was found.
        error: None, or a sentence that says why there is no result for this image.
        frame: Number of the frame in a video, from 0.
        time: Seconds since its first frame.
    """

    source: str
    width: int = 0
    height: int = 0
    faces: tuple[FaceResult, ...] = ()
    error: str | None = None
    frame: int | None = None
    time: float | None = None

    def __repr__(self) -> str:
        from .show import image_text

        return image_text(self)

    def _repr_html_(self) -> str:
        from .show import image_html

        return image_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; fields that do not apply are left out."""
        content = dict(source=self.source, frame=self.frame, time=_plain(self.time), error=self.error)
        content = {name: value for name, value in content.items() if value is not None}
        if self.error is None:
            content.update(width=self.width, height=self.height, faces=[face.to_dict() for face in self.faces])
        return content

    def to_rows(self) -> list[dict[str, Any]]:
        """One flat row for each face, with the columns of :func:`columns`; without faces, one row for the image."""
        return self.rows_of(self.to_dict())

    @staticmethod
    def rows_of(content: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows for the output of :meth:`to_dict`, such as a line of a file. Removes the faces from ``content``."""
        faces = content.pop('faces', [])
        content.update((name, plain_text(content[name])) for name in ('source', 'error') if name in content)
        rows = []
        for number, face in enumerate(faces):
            row = dict(content, face=number, **dict(zip(('x1', 'y1', 'x2', 'y2'), face['box'])))
            row.update((name, face.get(name)) for name in OF_FACE)
            row['label_set'] = '|'.join(face['label_set']) if 'label_set' in face else None
            for field in BY_CLASS:
                row.update((f'{field}_{name}', value) for name, value in (face.get(field) or {}).items())
            rows.append(row)
        return rows or [content]

    def resized(self, width: int, height: int) -> ImageResult:
        """The same result, with boxes and landmarks in the pixels of a resized image."""
        factors = np.array([width / max(self.width, 1), height / max(self.height, 1)])
        faces = tuple(
            replace(
                face,
                box=tuple((np.asarray(face.box) * np.tile(factors, 2)).tolist()),
                landmarks=None if face.landmarks is None else np.asarray(face.landmarks) * factors,
            )
            for face in self.faces
        )
        return replace(self, width=width, height=height, faces=faces)


class Results(list):
    """A list of :class:`ImageResult` that shows itself in terminals and notebooks, and becomes a table."""

    def __repr__(self) -> str:
        from .show import images_text

        return images_text(self)

    def to_dict(self) -> list[dict[str, Any]]:
        """A list of the output of :meth:`ImageResult.to_dict` for each image."""
        return [result.to_dict() for result in self]

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame`` with one row for each face; see :func:`columns`.

        Raises:
            ImportError: pandas is not installed.
        """
        from mmfer.utils.optional import require

        pandas = require('pandas', 'mmfer[tables]', 'tables of results are made by pandas')
        classes = next((face.classes for result in self for face in result.faces), ())
        return pandas.DataFrame([row for result in self for row in result.to_rows()], columns=columns(classes))

    def _repr_html_(self) -> str:
        from .show import images_html

        return images_html(self)
