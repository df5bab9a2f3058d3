"""Pieces that several losses and heads share."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def at_least_single(x: Tensor) -> Tensor:
    """``x`` in single precision where it is in half precision, as under autocast; else as it is."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def shares(target: Tensor, like: Tensor) -> Tensor:
    """Labels (B,) as one-hot rows, soft labels (B, K) as they are, in the type and place of ``like`` (B, K)."""
    if target.ndim == 1:
        target = F.one_hot(target, like.shape[1])
    return target.to(like)


def distribution(target: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Labels (B,) or soft labels (B, K) as distributions (B, K) that sum to one, and their weights (B,).

    The weight is the sum of the soft label: votes without those for "unknown" sum to less than one, and the missing
    part is to give no gradient. A soft label of zeros has weight 0.
    """
    target = shares(target, like)
    weight = target.sum(-1)
    return target / weight.clamp(min=torch.finfo(target.dtype).eps).unsqueeze(-1), weight
