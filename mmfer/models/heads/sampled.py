"""Predictions of heads whose output is a distribution: what several of them share."""

from __future__ import annotations

import torch
from torch import Tensor

from ..losses.functional import at_least_single
from .base_head import entropy


def fixed_noise(num_samples: int, num_classes: int) -> Tensor | None:
    """Standard normal noise (S, 1, K), always the same: predictions are reproducible whatever batch they are in.

    None without samples: with PyTorch 2.8 MMEngine cannot average empty buffers over processes.
    """
    if not num_samples:
        return None
    return torch.randn(num_samples, 1, num_classes, generator=torch.Generator().manual_seed(0))


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
    aleatoric = torch.minimum(aleatoric, uncertainty)  # rounding alone could make it larger
    return dict(pred_score=score, uncertainty=uncertainty, aleatoric=aleatoric, epistemic=uncertainty - aleatoric)


def mixture(logits: Tensor) -> dict[str, Tensor]:
    """Prediction from S equally likely logits (S, B, K): the mean of their probabilities, and its :func:`split`."""
    probs = at_least_single(logits).softmax(-1)
    return split(probs.mean(0), entropy(probs).mean(0))


def sampled_mixture(logits: Tensor) -> dict[str, Tensor]:
    """As :func:`mixture`, with ``pred_mean`` and ``pred_std`` (B, K) of the logits over the S samples."""
    logits = at_least_single(logits)
    return dict(mixture(logits), pred_mean=logits.mean(0), pred_std=logits.std(0, unbiased=False))


def gaussian_mixture(mean: Tensor, std: Tensor, noise: Tensor | None) -> dict[str, Tensor]:
    """Prediction from Gaussian logits of ``mean`` and ``std`` (B, K) by samples along ``noise`` (S, 1, K).

    Without samples the mean stands for the distribution, and all uncertainty is aleatoric.
    """
    logits = mean + noise * std if noise is not None else mean.unsqueeze(0)
    return dict(mixture(logits), pred_mean=mean, pred_std=std)
