"""Exported files in lower precision, compared with those in single precision on labelled faces."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmfer.inference.calibration.data import choose_data, to_model_labels
from mmfer.inference.inferencer import ExpressionInferencer
from mmfer.inference.onnx import OnnxClassifier
from mmfer.inference.sources import NetworkView
from mmfer.inference.torch_classifier import CROPS
from mmfer.registry import DATASETS, TRANSFORMS
from mmfer.utils.config_options import load_config
from mmfer.utils.nesting import leaves
from mmfer.utils.progress import track

CALIBRATION_IMAGES = 256  # the ranges of maps hardly change beyond
BATCH = 64
LEVEL = 0.9  # of the intervals


def open_faces(config: Config, data: str | Path | Config | None, part: str) -> Any:
    """A data set whose samples have a loaded, cropped face as ``img``, without augmentation and preprocessing.

    Args:
        config: Of the model.
        data: Config with the data; None is ``config``.
        part: 'train', or 'val', which is the test part where there is no validation part.

    Raises:
        ValueError: If there is no such part.
    """
    own = data is None
    other = copy.deepcopy(config) if own else data if isinstance(data, Config) else load_config(data)
    if part == 'train':
        if not other.get('train_dataloader'):
            raise ValueError(
                f'{other.filename} has no train_dataloader, whose images set the ranges of int8: name a config that '
                'has one (--data CONFIG)'
            )
        own, other.val_dataloader = False, copy.deepcopy(other.train_dataloader)
    settings = choose_data(config, None if own else other, False)['dataset']
    with DefaultScope.overwrite_default_scope('mmfer'):
        for each in leaves(settings):
            steps = each.get('pipeline') or ()
            kinds = (TRANSFORMS.get(step['type']) if isinstance(step['type'], str) else step['type'] for step in steps)
            loading = ('LoadImageFromFile', *CROPS)
            each['pipeline'] = [step for step, kind in zip(steps, kinds) if kind and kind.__name__ in loading]
        return DATASETS.build(settings)


def calibration_images(model: OnnxClassifier, faces: Any) -> np.ndarray:
    """Faces spread evenly over a data set, as the network sees them: float32 (N, 3, H, W), 256 at most."""
    view = NetworkView(model.pipeline)
    chosen = np.unique(np.linspace(0, len(faces) - 1, min(CALIBRATION_IMAGES, len(faces))).astype(int))
    pixels = np.stack([view(faces[int(i)]['img']).transpose(2, 0, 1) for i in chosen])
    return model.normalise(np.ascontiguousarray(pixels))


@dataclass(frozen=True)
class Answers:
    """What a file says of N faces of K classes: as users of ``ExpressionInferencer`` see it.

    Attributes:
        scores: (N, K) probabilities.
        uncertainty: (N,), nats.
        bounds: (2, N, K) of the 90 % intervals of the probabilities; None where the head has none.
        target: (N,) labels in the order of the model's classes.
    """

    scores: np.ndarray
    uncertainty: np.ndarray
    bounds: np.ndarray | None
    target: np.ndarray

    @property
    def accuracy(self) -> float:
        """In percent."""
        return 100 * float((self.scores.argmax(1) == self.target).mean())


def answer(path: Path, faces: Any, threads: int | None = None) -> Answers:
    """What a file answers for all faces of a data set.

    Raises:
        ValueError: If an answer is not finite, or the data show a class that the model does not have.
    """
    model = OnnxClassifier(path, threads)
    inferencer = ExpressionInferencer(model, detector=None, batch_size=BATCH, interval=LEVEL, threads=threads)
    found, labels = [], []
    for start in track(range(0, len(faces), BATCH), -(-len(faces) // BATCH), 'Comparing'):
        samples = [faces[i] for i in range(start, min(start + BATCH, len(faces)))]
        labels += [int(sample['gt_label']) for sample in samples]
        found += inferencer.predict([sample['img'] for sample in samples], 'bgr')
    theirs = (getattr(faces, 'metainfo', None) or {}).get('classes')
    pairs = [(face.score_low, face.score_high) for face in found if face.score_low is not None]
    return Answers(
        np.stack([face.scores for face in found]),
        np.array([face.uncertainty for face in found]),
        np.array(pairs).swapaxes(0, 1) if pairs else None,
        to_model_labels(np.array(labels), theirs, model.classes, len(model.classes)),
    )


def differences(exact: Answers, found: Answers) -> dict[str, Any]:
    """How far the answers of two files are apart.

    Returns:
        ``changed`` (%, of the faces whose most likely class is another one), and ``largest`` and ``mean`` absolute
        difference of ``probs``, ``uncertainty`` (nats) and, where there are any, ``bounds``.
    """

    def apart(a: np.ndarray, b: np.ndarray) -> Mapping[str, float]:
        distance = np.abs(a.astype(np.float64) - b)
        return dict(largest=float(distance.max()), mean=float(distance.mean()))

    rows = dict(probs=apart(exact.scores, found.scores), uncertainty=apart(exact.uncertainty, found.uncertainty))
    if exact.bounds is not None and found.bounds is not None:
        rows['bounds'] = apart(exact.bounds, found.bounds)
    return dict(changed=100 * float((exact.scores.argmax(1) != found.scores.argmax(1)).mean()), **rows)
