from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional as F

from mmfer.registry import MODELS

from ..losses.functional import at_least_single
from .base_head import BaseHead
from .sampled import gaussian_mixture


@MODELS.register_module()
class SNGPHead(BaseHead):
    r"""Gaussian process over the features: uncertain where a face is far from all that were trained on.

    Paper: Simple and Principled Uncertainty Estimation with Deterministic Deep Learning via Distance Awareness,
    https://arxiv.org/abs/2006.10108

    .. math::
        \phi(x) = a \sqrt{2 / D} \cos(\Omega x / \ell + u), \quad z_k = \beta_k \cdot \phi, \quad
        \Omega_{ij} \sim N(0, 1), \quad u_i \sim U(0, 2 \pi)

    .. math::
        \Sigma_k^{-1} = I + \sum_b p_{bk} (1 - p_{bk}) \phi_b \phi_b^T, \quad
        \sigma_k^2(x) = \phi(x)^T \Sigma_k \phi(x)

    D random features stand for the kernel :math:`a^2 \exp(-\lVert x - y \rVert^2 / 2 \ell^2)`; :math:`\Omega` and u
    are drawn at the start and stored with the weights. :math:`\Sigma` is the Laplace approximation of the weights'
    posterior. The sum runs over the batches of training, older ones fading by 1 - 1 / ``memory`` a batch, so that it
    follows the features without being reset at epochs. It is stored with the weights, hence a resumed run goes on
    exactly; the processes of a distributed run add their parts of the batch. SAM shows each batch twice, so with SAM
    ``memory`` spans half as many.

    Predictions are expectations under :math:`N(z, \sigma^2)`, with ``pred_mean``, ``pred_std``, ``aleatoric`` and
    ``epistemic`` (mutual information of expression and weights).

    The paper also bounds the spectral norm of the network's layers, so that distances survive them; a head cannot.

    Args:
        num_classes: K.
        in_channels: C.
        num_features: D; the paper takes 1024. Each batch at test factorises K matrices of D x D.
        length_scale: :math:`\ell`, the distance at which faces stop being alike; :math:`\sqrt C` by default, for
            features of about unit variance.
        amplitude: a, standard deviation of a logit far from all data.
        memory: Batches that the sum spans; the batches of an epoch give the paper's.
        loss: Loss of the logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        ``model.head = dict(type=SNGPHead, num_classes=7, in_channels=768, memory=256)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_features: int = 256,
        length_scale: float | None = None,
        amplitude: float = 10.0,
        memory: int = 1000,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        length_scale = math.sqrt(in_channels) if length_scale is None else length_scale
        for name, value in dict(length_scale=length_scale, amplitude=amplitude).items():
            if not value > 0:
                raise ValueError(f'{name}={value}: must be positive')
        for name, value in dict(num_features=num_features, memory=memory).items():
            if value < 1:
                raise ValueError(f'{name}={value}: must be 1 or more')
        self.amplitude = amplitude
        self.memory = memory
        self.fc = nn.Linear(num_features, num_classes, bias=False)
        self.register_buffer('frequencies', torch.randn(num_features, in_channels) / length_scale)
        self.register_buffer('phases', 2 * math.pi * torch.rand(num_features))
        self.register_buffer('information', torch.zeros(num_classes, num_features, num_features, dtype=torch.float64))

    # Angles lose their meaning in half precision, and a sum over many orders of magnitude is to stay positive definite:
    # both are computed in double precision, which autocast leaves alone.
    def features(self, x: Tensor) -> Tensor:
        r""":math:`\phi` (B, D) of features (B, C), in double precision."""
        angle = F.linear(x.double(), self.frequencies.double(), self.phases.double())
        cosine = (angle + math.pi / 2).sin()  # onnxruntime before 1.20 has no cosine in double precision
        return self.amplitude * math.sqrt(2 / len(self.phases)) * cosine

    def mean(self, phi: Tensor) -> Tensor:
        """Logits (B, K) at ``phi`` (B, D)."""
        return self.fc(phi.to(self.fc.weight.dtype))

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits, the mean of the process: ``(..., (B, C)) -> (B, K)``."""
        return self.mean(self.features(self.pre_logits(feats)))

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        phi = self.features(x)
        logits = self.mean(phi)
        if self.training:
            self.remember(phi.detach(), logits.detach())
        return dict(loss_ce=self.loss_module(logits, target))

    @torch.no_grad()
    def remember(self, phi: Tensor, logits: Tensor) -> None:
        """Add a batch to the information on the weights."""
        probs = logits.double().softmax(-1)
        weighted = (probs * (1 - probs)).t().unsqueeze(-1) * phi  # (K, B, D)
        batch = weighted.transpose(1, 2) @ phi
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(batch)
        batch = torch.where(batch.isfinite().all(), batch, 0.0)  # the step of a batch that overflows is left out, too
        self.information.mul_(1 - 1 / self.memory).add_(batch)

    def variance(self, phi: Tensor) -> Tensor:
        """Variance (B, K) of the logits at ``phi`` (B, D)."""
        identity = torch.eye(len(self.phases), dtype=phi.dtype, device=phi.device)
        factor = torch.linalg.cholesky(self.information + identity)
        root = torch.linalg.solve_triangular(factor, phi.t().unsqueeze(0), upper=False)  # (K, D, B)
        return root.square().sum(1).t()

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        phi = self.features(x)
        mean = at_least_single(self.mean(phi))
        return gaussian_mixture(mean, self.variance(phi).to(mean.dtype).sqrt())
