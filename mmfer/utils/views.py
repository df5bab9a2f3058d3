"""Test-time augmentation: views of a batch of images, and one prediction from those for all views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # to the right and down, in units of 1/40 of the side
# Sets of views: whether the image is flipped, and its shift. With a view each has its mirror image, so that a face and
# its mirror image get the same prediction.
VIEWS = {
    'flip': tuple((flip, (0, 0)) for flip in (False, True)),
    'flip+shifts': tuple((flip, shift) for flip in (False, True) for shift in SHIFTS),
}


def check_views(name: Any) -> str:
    """``name``, if it names a set of views.

    Raises:
        ValueError: If it does not.
    """
    if not isinstance(name, str) or name not in VIEWS:
        raise ValueError(f'tta={name!r}: there are no such views. Choose one of {", ".join(map(repr, VIEWS))}, or None')
    return name


def make_views(images: Any, name: str) -> Iterator:
    """The views of a batch, one after the other, the first as it is.

    Shifts are by 1/40 of the side, rounded, at least one pixel; what comes in from outside repeats the edge. Pixels
    only change their place, so it is the same whether images are normalised before or after.

    Args:
        images: Array or tensor (B, C, H, W).
        name: ``'flip'`` (2 views) or ``'flip+shifts'`` (10: both sides, each unshifted, left, right, up and down).

    Yields:
        Arrays or tensors (B, C, H, W).
    """
    height, width = images.shape[-2:]
    for flip, (x, y) in VIEWS[check_views(name)]:
        view = images
        if y:
            view = view[..., _sources(height, y), :]
        if x or flip:
            view = view[..., _sources(width, x)[:: -1 if flip else 1]]
        yield view


def _sources(side: int, direction: int) -> list[int]:
    """Where each of ``side`` rows or columns comes from in a shift."""
    step = direction * max(1, round(side / 40))
    return [min(max(place - step, 0), side - 1) for place in range(side)]


def merge_views(outputs: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    r"""One prediction from those for V views, which count as V equally likely samples.

    .. math::
        p = \frac{1}{V} \sum_v p_v, \quad uncertainty = H[p], \quad
        aleatoric = \frac{1}{V} \sum_v a_v, \quad epistemic = uncertainty - aleatoric

    :math:`a_v` is the ``aleatoric`` part of a view, or of heads without parts its entropy :math:`H[p_v]`: that views
    disagree counts as epistemic. ``pred_mean``, ``pred_std`` and, of correlated logits, ``pred_factor`` give the
    moments of the mixture of the views' Gaussians, and of all other fields the mean is taken. Predictions of calibrated
    heads are calibrated before they are averaged.

    Args:
        outputs: For each view the fields of a prediction, (B, K) or (B,), with ``pred_score`` among them.

    Returns:
        The fields of the merged prediction, with ``uncertainty``, ``aleatoric``, ``epistemic``. Shapes are the same,
        but ``pred_factor`` has as many columns as its covariance needs, at most K.
    """
    fields = {name: np.stack([output[name] for output in outputs]).astype(np.float64) for name in outputs[0]}
    merged = {name: values.mean(0) for name, values in fields.items()}
    uncertainty = _entropy(merged['pred_score'])
    parts = fields['aleatoric'] if 'aleatoric' in fields else _entropy(fields['pred_score'])
    aleatoric = np.minimum(parts.mean(0), uncertainty)  # rounding alone could make it larger
    merged.update(uncertainty=uncertainty, aleatoric=aleatoric, epistemic=uncertainty - aleatoric)
    if 'pred_mean' in fields and 'pred_std' in fields:
        merged['pred_std'] = np.sqrt(np.square(fields['pred_std']).mean(0) + fields['pred_mean'].var(0))
    if 'pred_factor' in fields:
        apart = np.moveaxis(fields['pred_mean'] - merged['pred_mean'], 0, -1)
        columns = np.concatenate([*fields['pred_factor'], apart], -1) / np.sqrt(len(outputs))
        merged['pred_factor'] = np.linalg.qr(columns.swapaxes(-1, -2), mode='r').swapaxes(-1, -2)
    return {name: values.astype(outputs[0]['pred_score'].dtype) for name, values in merged.items()}


def _entropy(probs: np.ndarray) -> np.ndarray:
    """Nats, over the last axis."""
    entropy = -(probs * np.log(np.where(probs > 0, probs, 1))).sum(-1)
    return entropy.clip(0, np.log(probs.shape[-1]) * (1 - 1e-7))  # not above log K in single precision either
