"""Fits the prediction sets of a trained model on the images of a calibration."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmfer.evaluation import functional
from mmfer.structures.expressions import class_indices, class_key
from mmfer.structures.label_sets import find_sets


def fit_label_sets(
    scores: np.ndarray,
    target: np.ndarray,
    votes: np.ndarray | None,
    fit: np.ndarray,
    names: tuple[str, ...],
    coverage: float,
    method: str,
    by_class: bool,
) -> dict[str, Any]:
    """``meta['sets']`` of a checkpoint, with ``held`` (share) and ``size`` on the images of the fit and the ``rest``.

    Args:
        scores: Calibrated probabilities (N, K).
        target: Labels (N,).
        votes: Counts (N, K) in the order of ``names``, or None.
        fit: Which images are for the fit, bool (N,).
        names: Of the K classes.
        coverage: See :func:`mmfer.evaluation.functional.fit_sets`, as the others.

    Raises:
        ValueError: If there are too few images, or no votes where they are wanted.
    """
    if method == 'votes' and votes is None:
        raise ValueError(
            "sets of votes need votes, and the data have none. Set votes=True in PackInputs of the data's pipeline, "
            'with a data set that has votes (FERPlus), or take another --set-method.'
        )
    own = None if votes is None else votes[fit]
    sets = functional.fit_sets(scores[fit], target[fit], coverage, method, by_class, own, names)
    inside = find_sets(scores, sets)
    held = np.take_along_axis(inside, target[:, None], 1)[:, 0].astype(float)
    if method == 'votes' and votes is not None:
        held = (inside * votes).sum(1) / votes.sum(1)

    def figures(part: np.ndarray) -> dict[str, float]:
        return dict(held=float(held[part].mean()), size=float(inside[part].sum(1).mean()))

    return dict(sets, **figures(fit), rest=None if fit.all() else figures(~fit))


def votes_by_name(votes: np.ndarray, theirs: Any, own: Any, num_classes: int) -> np.ndarray:
    """Put votes (N, classes of the data) into the order of the model's classes: (N, K).

    Raises:
        ValueError: If there are votes for a class that the model does not have.
    """
    theirs, own = (
        [class_key(str(name)) for name in names or range(size)]
        for names, size in ((theirs, votes.shape[1]), (own, num_classes))
    )
    indices = class_indices(theirs, own)
    lost = [theirs[k] for k, index in enumerate(indices) if index is None and votes[:, k].any()]
    if lost:
        raise ValueError(
            f'there are votes for {", ".join(lost)}, which the model does not have. Leave these images out, or let the '
            'votes count as something else, with the wrapper MapClasses in the config of the data.'
        )
    found = np.zeros((len(votes), num_classes))
    for k, index in enumerate(indices):
        if index is not None:
            found[:, index] += votes[:, k]
    return found


def describe_sets(sets: dict[str, Any]) -> str:
    """A line for a report."""
    what = 'votes' if sets['method'] == 'votes' else 'labels'
    by_class = ' of each class' if sets['by_class'] else ''
    told = '; '.join(
        f'of {name} they hold {100 * part["held"]:.1f} % with {part["size"]:.2f} classes on average'
        for name, part in (('the images of the fit', sets), ('the others', sets['rest']))
        if part
    )
    return f'sets for {100 * sets["coverage"]:g} % of the {what}{by_class} ({sets["method"]}): {told}'
