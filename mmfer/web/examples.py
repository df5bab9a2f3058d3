"""Drawn faces of SynthFER to try a model with, and what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SIZE = 128  # pixels a side: enough to look at, and near to the 64 on which models for SynthFER are trained


@dataclass(frozen=True, eq=False)
class Example:
    """A drawn face.

    Attributes:
        name: What it shows, in words.
        image: uint8 BGR (H, W, 3).
        truth: Probability of each expression by name, of the annotators who are simulated.
    """

    name: str
    image: np.ndarray
    truth: dict[str, float]


def draw_examples(classes: Sequence[str], num_samples: int = 300, blends: int = 3) -> list[Example]:
    """A clear face of each expression that a model knows, then some on which annotators disagree.

    They are faces of the test split, the first of each kind, so that nobody chose what suits a model.

    Args:
        classes: Names of the expressions of the model.
        num_samples: So many faces are looked through; only those that are taken are drawn.
        blends: Number of faces on which annotators disagree.
    """
    from mmfer.datasets import SynthFER

    faces = SynthFER(split='test', num_samples=num_samples, size=SIZE, num_classes=8 if 'contempt' in classes else 7)
    names = faces.metainfo['classes']
    scores = np.stack([faces.entry(i)['gt_score'] for i in range(num_samples)])
    best, top = scores.argmax(1), scores.max(1)
    known = [k for k, name in enumerate(names) if name in classes]
    clear = [np.flatnonzero((best == k) & (top > 0.9))[:1] for k in known]
    unclear = np.flatnonzero((top < 0.55) & np.isin(best, known))[:blends]
    return [_example(faces, index, names, scores[index]) for index in np.concatenate([*clear, unclear]).tolist()]


def _example(faces, index: int, names: Sequence[str], score: np.ndarray) -> Example:
    first, second = (names[k] for k in np.argsort(-score, kind='stable')[:2])
    name = first if score.max() > 0.9 else f'{first} or {second}'
    return Example(name, faces[index]['img'], {name: float(value) for name, value in zip(names, score)})
