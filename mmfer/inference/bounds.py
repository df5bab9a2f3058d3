"""The bounds of a prediction: of shares of people, or of the class probabilities."""

from __future__ import annotations

from typing import Any

from mmfer.structures.predictive import probability_samples
from mmfer.structures.results import FaceResult, score_interval
from mmfer.structures.votes import vote_interval

PEOPLE = 10  # that the bounds of heads that learned from votes are about


def find_bounds(classifier: Any, face: FaceResult, level: float) -> dict[str, Any]:
    """``score_low`` and ``score_high`` of a face, and ``people`` where they are about people; {} without a latent.

    Args:
        classifier: A :class:`mmfer.inference.inferencer.Classifier`.
        face: With ``mean`` and ``std`` of its latent, pooled or not.
        level: Mass between the bounds.
    """
    if face.mean is None or face.std is None:
        return {}
    if getattr(classifier, 'votes', False):
        fields = dict(pred_mean=face.mean, pred_std=face.std)
        if face.factor is not None:
            fields.update(pred_factor=face.factor)
        low, high = vote_interval(probability_samples(fields), PEOPLE, level)
        return dict(score_low=low / PEOPLE, score_high=high / PEOPLE, people=PEOPLE)
    weight, bias = classifier.calibration or (None, None)
    low, high = score_interval(face.mean, face.std, level, weight, bias, factor=face.factor)
    return dict(score_low=low, score_high=high)
