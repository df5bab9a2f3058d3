from __future__ import annotations

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .gaussian_head import GaussianHead


@MODELS.register_module()
class VICHead(GaussianHead):
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

    Neither a label nor a soft label says how wide the Gaussian is: by Jensen's inequality noise only raises this loss,
    so it shrinks what the KL term does not hold open. **Several votes** n of one face do: they share its latent, and
    scatter more than those of one multinomial distribution where the model does not know the face. With
    ``likelihood='votes'`` the first term is their joint likelihood (:meth:`GaussianHead.vote_likelihood`), in nats a
    vote, the logistic-normal multinomial of Aitchison & Shen (https://doi.org/10.1093/biomet/67.2.261):

    .. math::
        L = -\frac{1}{N} \log E_z \prod_k softmax(z)_k^{n_k} + \beta\, KL

    Predictions carry ``pred_mean`` :math:`\mu` (K,), ``pred_std`` :math:`\sigma` (K,), ``uncertainty`` (entropy of
    ``pred_score``, nats), ``aleatoric`` (expected entropy under the Gaussian) and ``epistemic``, what the former
    exceeds the latter by: the mutual information of expression and latent. The head has no distribution over its
    weights, so this is how far the latent of this face is undecided, not what more training data would tell. As
    published, the latent is taken at its mean: ``aleatoric`` is all, ``epistemic`` 0; ``integrate=True`` takes the
    expectation.

    Args:
        num_classes: K.
        in_channels: C.
        kl_weight: :math:`\beta`.
        num_samples: S, samples a face while training.
        integrate: Whether predictions are expectations under the Gaussian or those of its mean; by default
            expectations with ``likelihood='votes'``, which fits these, and the mean with ``'sampled'``, as published.
        loss: Loss of the sampled logits; cross entropy by default. Votes have their own.
        likelihood: ``'sampled'``, the published loss, or ``'votes'``, for samples with ``votes``
            (``PackInputs(votes=True)``).
        covariance: ``'diagonal'`` or ``'low_rank'``, see :class:`GaussianHead`.
        rank: R of a low rank.
        init_cfg: Initialisation.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        ``model.head = dict(type=VICHead, num_classes=7, in_channels=768)``
        ``model.head = dict(type=VICHead, num_classes=8, in_channels=128, likelihood='votes', num_samples=32)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        kl_weight: float = 0.0,
        num_samples: int = 1,
        integrate: bool | None = None,
        loss: dict | nn.Module | None = None,
        likelihood: str = 'sampled',
        covariance: str = 'diagonal',
        rank: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        if likelihood not in ('sampled', 'votes'):
            raise ValueError(f"likelihood={likelihood!r}: 'sampled' or 'votes'")
        by_votes = likelihood == 'votes'
        integrate = by_votes if integrate is None else integrate
        super().__init__(num_classes, in_channels, num_samples, integrate, loss, covariance, rank, init_cfg)
        if kl_weight < 0:
            raise ValueError(f'kl_weight={kl_weight}: must not be negative')
        if by_votes and num_samples < 2:
            raise ValueError(f'num_samples={num_samples}: the likelihood of votes needs several, such as 32')
        self.uses_votes = by_votes
        self.kl_weight = kl_weight

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        mean, logvar = self.latent(x)
        factor = self.factor(x)
        if self.uses_votes:
            losses = dict(loss_votes=self.vote_likelihood(mean, logvar, factor, target))
        else:
            samples = self.sample(mean, logvar, factor)
            repeats = (self.num_samples,) + (1,) * (target.ndim - 1)
            losses = dict(loss_ce=self.loss_module(samples.flatten(0, 1), target.repeat(repeats)))
        if self.kl_weight:
            losses['loss_kl'] = self.kl_weight * kl_to_standard(mean, logvar, factor).mean()
        return losses


def kl_to_standard(mean: Tensor, logvar: Tensor, factor: Tensor | None = None) -> Tensor:
    """Divergence (B,) of N(mean, diag exp(logvar) + factor factor^T) from the standard normal distribution, nats."""
    kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(-1)
    if factor is None:
        return kl
    # The determinant by the matrix determinant lemma: of (R, R) in place of (K, K). In double precision, for it is
    # nearly singular for large factors; deviations below 0.0025 count as that.
    scaled = factor.double() * (-0.5 * logvar.double().clamp(min=-12)).exp().unsqueeze(-1)
    small = torch.eye(factor.shape[-1], dtype=scaled.dtype, device=factor.device) + scaled.mT @ scaled
    return kl + 0.5 * (factor.square().sum((-1, -2)) - torch.logdet(small).to(kl.dtype))
