from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .base_head import BaseHead, entropy


@MODELS.register_module()
class VICHead(BaseHead):
    r"""Variational Inference Classification Head (VICH) of POSTER-Var.

    Paper: Facial expression recognition via variational inference, https://doi.org/10.1038/s41598-026-38734-x

    A face is a Gaussian over the K expression intensities, not a point:

    .. math::
        q(z | x) = N(\mu(x), \operatorname{diag} \sigma^2(x)), \quad
        z_s = \mu + \sigma \epsilon_s, \quad \epsilon_s \sim N(0, I)

    .. math::
        L = \frac{1}{S} \sum_s CE(z_s, t) + \beta\, KL(q \,\|\, N(0, I)), \quad
        KL = \tfrac{1}{2} \sum_k (\mu_k^2 + \sigma_k^2 - \log \sigma_k^2 - 1)

    The published configurations use S = 1 and no KL term.

    Predictions carry ``pred_mean`` :math:`\mu` (K,), ``pred_std`` :math:`\sigma` (K,), ``uncertainty`` (entropy of
    ``pred_score``, nats) and ``aleatoric`` (mean entropy of the sampled predictions). What ``uncertainty`` exceeds
    ``aleatoric`` by is the mutual information of expression and latent; with ``test_samples=0`` the latent is taken at
    its mean and both are equal. The head has no distribution over its weights, hence no ``epistemic``.

    Args:
        num_classes: K.
        in_channels: C.
        kl_weight: :math:`\beta`.
        num_samples: S, samples a face while training.
        test_samples: Samples of the Monte-Carlo predictive at test; 0 uses the mean. The noise is drawn once, from a
            fixed seed, so predictions are reproducible and do not depend on the batch.
        loss: Loss of the sampled logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``kl_weight``, ``num_samples`` or ``test_samples`` is out of range.
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        kl_weight: float = 0.0,
        num_samples: int = 1,
        test_samples: int = 0,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        if kl_weight < 0:
            raise ValueError(f'kl_weight={kl_weight}: must not be negative')
        if num_samples < 1:
            raise ValueError(f'num_samples={num_samples}: training needs at least one sample')
        if test_samples < 0:
            raise ValueError(f'test_samples={test_samples}: 0 (the mean) or the number of samples')
        self.kl_weight = kl_weight
        self.num_samples = num_samples
        self.fc_mean = nn.Linear(in_channels, num_classes)
        self.fc_logvar = nn.Linear(in_channels, num_classes)
        noise = torch.randn(test_samples, 1, num_classes, generator=torch.Generator().manual_seed(0))
        self.register_buffer('test_noise', noise, persistent=False)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The mean of the latent, which serves as logits: ``(..., (B, C)) -> (B, K)``."""
        return self.fc_mean(self.pre_logits(feats))

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        mean, logvar = self.fc_mean(x), self.fc_logvar(x)
        noise = torch.randn(self.num_samples, *mean.shape, dtype=mean.dtype, device=mean.device)
        samples = mean + noise * torch.exp(0.5 * logvar)
        repeats = (self.num_samples,) + (1,) * (target.ndim - 1)
        losses = dict(loss_ce=self.loss_module(samples.flatten(0, 1), target.repeat(repeats)))
        if self.kl_weight:
            kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(-1).mean()
            losses['loss_kl'] = self.kl_weight * kl
        return losses

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        mean, std = self.fc_mean(x), torch.exp(0.5 * self.fc_logvar(x))
        if len(self.test_noise):
            samples = (mean + self.test_noise * std).softmax(-1)
            score, aleatoric = samples.mean(0), entropy(samples).mean(0)
            uncertainty = entropy(score)
        else:
            score = mean.softmax(-1)
            uncertainty = aleatoric = entropy(score)
        return dict(pred_score=score, pred_mean=mean, pred_std=std, uncertainty=uncertainty, aleatoric=aleatoric)
