from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmfer.registry import MODELS

from ..losses.functional import at_least_single, distribution, shares
from .base_head import BaseHead
from .sampled import split

LEAST = 1e-4  # of a parameter of the Dirichlet of votes


def kl_to_uniform(alpha: Tensor) -> Tensor:
    """Divergence (B,) of the Dirichlet of ``alpha`` (B, K) from the uniform one, whose parameters are all 1.

    In double precision, as differences of large numbers.
    """
    kind, alpha = alpha.dtype, alpha.double()
    total, one = alpha.sum(-1), torch.ones_like(alpha[..., 0])
    change = torch.lgamma(total) - torch.lgamma(alpha.shape[-1] * one) - torch.lgamma(alpha).sum(-1)
    slope = torch.digamma(alpha) - torch.digamma(total).unsqueeze(-1)
    return (change + ((alpha - 1) * slope).sum(-1)).to(kind)


def log_dirichlet_multinomial(alpha: Tensor, votes: Tensor) -> Tensor:
    """Log-likelihood (B,) of votes (B, K) in their order (no multinomial coefficient) under Dirichlet ``alpha``.

    In double precision, as differences of large numbers.
    """
    kind, alpha, votes = alpha.dtype, alpha.double(), votes.double()
    total, count = alpha.sum(-1), votes.sum(-1)
    change = torch.lgamma(total) - torch.lgamma(total + count)
    return (change + (torch.lgamma(alpha + votes) - torch.lgamma(alpha)).sum(-1)).to(kind)


@MODELS.register_module()
class EvidentialHead(BaseHead):
    r"""A Dirichlet distribution over the class probabilities, from the evidence for each class.

    Paper: Evidential Deep Learning to Quantify Classification Uncertainty, https://arxiv.org/abs/1806.01768

    .. math::
        \alpha_k = evidence(W x + b)_k + 1, \quad S = \sum_k \alpha_k, \quad p_k = \alpha_k / S

    .. math::
        L = fit + \lambda\, KL(Dir(\tilde\alpha) \,\|\, Dir(1)), \quad
        \tilde\alpha = t + (1 - t) \odot \alpha, \quad \lambda = kl\_weight \cdot \min(1, n / annealing\_steps)

    where fit is the expected squared error (equation 5) or the expected cross entropy (equation 4) under the Dirichlet:

    .. math::
        mse = \sum_k (t_k - p_k)^2 + \frac{p_k (1 - p_k)}{S + 1}, \quad
        ce = \sum_k t_k (\psi(S) - \psi(\alpha_k))

    A soft label stands for t as it is; where it sums to less than one (votes without those for "unknown") it is
    divided by its sum and the loss of the face is multiplied by it.

    With ``likelihood='dirichlet_multinomial'`` the head learns from the votes :math:`v` of a face, N in all, by their
    exact likelihood under that Dirichlet, in nats a vote, and without the divergence: votes that scatter more than
    a multinomial distribution say themselves how much evidence there is (Wu et al., https://arxiv.org/abs/2203.04443,
    for emotion in speech):

    .. math::
        L = -\frac{1}{N} \log \frac{\Gamma(S)}{\Gamma(S + N)} \prod_k \frac{\Gamma(\alpha_k + v_k)}{\Gamma(\alpha_k)},
        \quad \alpha_k = evidence(W x + b)_k

    n counts the batches seen in training. It is stored with the weights, so a resumed run goes on exactly; SAM, which
    shows each batch twice, counts two.

    Predictions carry ``uncertainty`` (entropy of p), ``aleatoric`` (expected entropy of the Dirichlet,
    :math:`-\sum_k p_k (\psi(\alpha_k + 1) - \psi(S + 1))`), ``epistemic`` (the rest, mutual information of class and
    probabilities), ``pred_concentration`` :math:`\alpha` and, of labels, ``vacuity`` K / S: 1 without any evidence. The
    logits of ``forward`` are :math:`\log \alpha`, whose softmax is p.

    Args:
        num_classes: K.
        in_channels: C.
        evidence: ``'softplus'``, ``'exp'`` (of outputs limited to [-10, 10], as in the authors' code) or ``'relu'``
            (the paper's; a face with no positive output gets no gradient from the fit).
        fit: ``'mse'`` (the paper's choice) or ``'ce'``, of labels.
        kl_weight: Weight of the divergence after annealing, of labels.
        annealing_steps: Batches over which the weight rises from 0; the paper takes 10 epochs. 0: from the first on.
            SAM shows each batch twice, so with SAM it rises in half as many; ``load_from`` goes on where it was.
        loss_weight: Factor of the whole.
        likelihood: ``'labels'``, or ``'dirichlet_multinomial'`` for samples with ``votes``
            (``PackInputs(votes=True)``).
        init_cfg: Initialisation.

    Raises:
        ValueError: If an argument is out of range.

    Examples:
        ``model.head = dict(type=EvidentialHead, num_classes=7, in_channels=768, annealing_steps=1000)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        evidence: str = 'softplus',
        fit: str = 'mse',
        kl_weight: float = 1.0,
        annealing_steps: int = 1000,
        loss_weight: float = 1.0,
        likelihood: str = 'labels',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, init_cfg=init_cfg)
        if evidence not in ('softplus', 'exp', 'relu'):
            raise ValueError(f"evidence={evidence!r}: 'softplus', 'exp' or 'relu'")
        if fit not in ('mse', 'ce'):
            raise ValueError(f"fit={fit!r}: 'mse' or 'ce'")
        if likelihood not in ('labels', 'dirichlet_multinomial'):
            raise ValueError(f"likelihood={likelihood!r}: 'labels' or 'dirichlet_multinomial'")
        if kl_weight < 0:
            raise ValueError(f'kl_weight={kl_weight}: must not be negative')
        if annealing_steps < 0:
            raise ValueError(f'annealing_steps={annealing_steps}: must not be negative')
        self.uses_votes = likelihood == 'dirichlet_multinomial'
        self.prior = LEAST if self.uses_votes else 1.0
        self.evidence = evidence
        self.fit = fit
        self.kl_weight = kl_weight
        self.annealing_steps = annealing_steps
        self.loss_weight = loss_weight
        self.fc = nn.Linear(in_channels, num_classes)
        self.register_buffer('steps', torch.zeros((), dtype=torch.long))

    def concentration(self, x: Tensor) -> Tensor:
        r""":math:`\alpha` (B, K) of features (B, C), in single precision under autocast, too."""
        out = at_least_single(self.fc(x))
        if self.evidence == 'exp':
            return out.clamp(-10, 10).exp() + self.prior
        return (F.softplus(out) if self.evidence == 'softplus' else out.relu()) + self.prior

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        r"""Logits :math:`\log \alpha`: ``(..., (B, C)) -> (B, K)``."""
        return self.concentration(self.pre_logits(feats)).log()

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        alpha = self.concentration(x)
        if self.uses_votes:
            votes = shares(target, alpha)
            joint = log_dirichlet_multinomial(alpha, votes).sum() / votes.sum().clamp(min=1)
            return dict(loss_votes=-self.loss_weight * joint)
        target, weight = distribution(target, alpha)
        total = alpha.sum(-1, keepdim=True)
        if self.fit == 'mse':
            probs = alpha / total
            fit = ((target - probs).square() + probs * (1 - probs) / (total + 1)).sum(-1)
        else:
            fit = (target * (torch.digamma(total) - torch.digamma(alpha))).sum(-1)
        losses = dict(loss_fit=self.loss_weight * (weight * fit).mean())
        if self.kl_weight:
            kl = (weight * kl_to_uniform(target + (1 - target) * alpha)).mean()
            share = (self.steps / max(1, self.annealing_steps)).clamp(max=1) if self.annealing_steps else 1
            losses['loss_kl'] = self.loss_weight * self.kl_weight * share * kl
        if self.training:
            self.steps += 1
        return losses

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        alpha = self.concentration(x)
        total = alpha.sum(-1, keepdim=True)
        score = alpha / total
        aleatoric = (score * (torch.digamma(total + 1) - torch.digamma(alpha + 1))).sum(-1)
        fields = dict(split(score, aleatoric), pred_concentration=alpha)
        return fields if self.uses_votes else dict(fields, vacuity=self.num_classes / total.squeeze(-1))
