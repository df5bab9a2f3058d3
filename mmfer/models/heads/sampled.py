"""Predictions of heads whose output is a distribution: what several of them share."""

from __future__ import annotations

import torch
from torch import Tensor

from ..losses.functional import at_least_single
from .base_head import entropy
from .gaussian_softmax import gaussian_softmax


def split(score: Tensor, aleatoric: Tensor) -> dict[str, Tensor]:
    r"""The fields of a prediction whose class probabilities are themselves uncertain.

    .. math::
        H[E\,p] = E\,H[p] + I, \quad uncertainty = aleatoric + epistemic

    ``epistemic`` is the mutual information I of the class and what the distribution is over.

    Args:
        score: Expected probabilities (B, K).
        aleatoric: Expected entropy (B,), nats.
    """
    uncertainty = entropy(score)
    aleatoric = torch.minimum(aleatoric, uncertainty).clamp(min=0)  # rounding alone could put it outside
    return dict(pred_score=score, uncertainty=uncertainty, aleatoric=aleatoric, epistemic=uncertainty - aleatoric)


def sampled_mixture(logits: Tensor) -> dict[str, Tensor]:
    """Prediction from S equally likely logits (S, B, K): the mean of their probabilities, and its :func:`split`.

    With ``pred_mean`` and ``pred_std`` (B, K) of the logits over the S samples, and ``pred_samples`` (B, S, K), their
    probabilities.
    """
    logits = at_least_single(logits)
    probs = logits.softmax(-1)
    parts = split(probs.mean(0), entropy(probs).mean(0))
    moments = dict(pred_mean=logits.mean(0), pred_std=logits.std(0, unbiased=False))
    return dict(parts, **moments, pred_samples=probs.transpose(0, 1))


def gaussian_mixture(mean: Tensor, std: Tensor) -> dict[str, Tensor]:
    """Prediction from independent Gaussian logits of ``mean`` and ``std`` (B, K), see :func:`gaussian_softmax`."""
    return dict(split(*gaussian_softmax(mean, std)), pred_mean=mean, pred_std=std)


def gaussian_logits(mean: Tensor, std: Tensor, factor: Tensor | None, noise: Tensor) -> Tensor:
    """Samples (S, B, K) of Gaussian logits from standard normal values: (S, B or 1, K + R), R = 0 without a factor."""
    classes = mean.shape[-1]
    logits = mean + std * noise[..., :classes]
    return logits if factor is None else logits + (noise[..., None, classes:] * factor).sum(-1)


def factor_mixture(mean: Tensor, std: Tensor, factor: Tensor, points: Tensor) -> dict[str, Tensor]:
    r"""Prediction from Gaussian logits :math:`z = \mu + d \odot \epsilon + F h` that go together.

    Args:
        mean: :math:`\mu` (B, K).
        std: d (B, K), the deviation beside the factor.
        factor: F (B, K, R).
        points: Equally likely values (S, K + R) of the standard normal :math:`(\epsilon, h)`.
    """
    probs = gaussian_logits(mean, std, factor, points[:, None]).softmax(-1)
    return split(probs.mean(0), entropy(probs).mean(0))
