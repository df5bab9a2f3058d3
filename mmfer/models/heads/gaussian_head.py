from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..losses.functional import at_least_single
from .base_head import BaseHead, entropy
from .sampled import gaussian_mixture, split


class GaussianHead(BaseHead):
    r"""Base of the heads that take the logits of a face for a Gaussian, :math:`z \sim N(\mu, diag\, \sigma^2)`.

    Two linear layers give the mean and the logarithm of the variance. Derived heads bring the loss.

    Args:
        num_classes: K.
        in_channels: C.
        num_samples: S, samples a face while training.
        integrate: Whether predictions are expectations under the Gaussian
            (:func:`~mmfer.models.heads.gaussian_softmax.gaussian_softmax`) or those of its mean, where all uncertainty
            is aleatoric.
        loss: Loss of the logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``num_samples`` is out of range.
    """

    max_logvar = 20.0  # a standard deviation of 22,000: beyond lies only overflow

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_samples: int,
        integrate: bool,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        if num_samples < 1:
            raise ValueError(f'num_samples={num_samples}: training needs at least one sample')
        self.num_samples = num_samples
        self.integrate = integrate
        self.fc_mean = nn.Linear(in_channels, num_classes)
        self.fc_logvar = nn.Linear(in_channels, num_classes)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The mean of the latent, which serves as logits: ``(..., (B, C)) -> (B, K)``."""
        return self.fc_mean(self.pre_logits(feats))

    def latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (B, K) each, in single precision under autocast, too."""
        mean, logvar = at_least_single(self.fc_mean(x)), at_least_single(self.fc_logvar(x))
        return mean, logvar.clamp(max=self.max_logvar)

    def sample(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """Samples (S, B, K) of the latent for training."""
        noise = torch.randn(self.num_samples, *mean.shape, dtype=mean.dtype, device=mean.device)
        return mean + noise * torch.exp(0.5 * logvar)

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        mean, logvar = self.latent(x)
        std = torch.exp(0.5 * logvar)
        if self.integrate:
            return gaussian_mixture(mean, std)
        score = mean.softmax(-1)
        return dict(split(score, entropy(score)), pred_mean=mean, pred_std=std)
