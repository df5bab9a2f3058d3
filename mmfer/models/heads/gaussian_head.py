from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.quasirandom import SobolEngine

from mmfer.structures.predictive import whitened

from ..losses.functional import at_least_single, shares
from .base_head import BaseHead, entropy
from .sampled import factor_mixture, gaussian_logits, gaussian_mixture, split

POINTS = 2048  # of the expectation under logits that go together


@lru_cache(16)
def sobol_points(count: int, dims: int) -> Tensor:
    """Points (count, dims) that fill the unit cube evenly, the same at each call."""
    return SobolEngine(dims, scramble=True, seed=0).draw(count, dtype=torch.float64)


def normal_points(dims: int) -> Tensor:
    """Points (POINTS, dims) of a standard normal distribution with its mean and covariance: a Sobol sequence."""
    least = torch.finfo(torch.float64).eps
    half = torch.special.ndtri(sobol_points(POINTS // 2, dims).clamp(least, 1 - least))
    return torch.from_numpy(whitened(torch.cat((half, -half)).numpy()))


class GaussianHead(BaseHead):
    r"""Base of the heads that take the logits of a face for a Gaussian, :math:`z \sim N(\mu, \Sigma)`.

    Two linear layers give the mean and the logarithm of the variance. Derived heads bring the loss. With
    ``covariance='low_rank'`` a third one gives a factor F (K, R), so that expressions that people take for one another
    go up and down together (Collier et al., https://arxiv.org/abs/2105.10305):

    .. math::
        \Sigma = \operatorname{diag} d^2 + F F^T, \quad z = \mu + d \odot \epsilon + F h

    Args:
        num_classes: K.
        in_channels: C.
        num_samples: S, samples a face while training.
        integrate: Whether predictions are expectations under the Gaussian
            (:func:`~mmfer.models.heads.gaussian_softmax.gaussian_softmax`; of a low rank the mean over 2,048 points,
            right to 2e-3, entropies to 5e-3 nats, for deviations up to 2) or those of its mean, where all uncertainty
            is aleatoric.
        loss: Loss of the logits; cross entropy by default.
        covariance: ``'diagonal'`` or ``'low_rank'``.
        rank: R of a low rank.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``num_samples``, ``covariance`` or ``rank`` is out of range.
    """

    max_logvar = 20.0  # a standard deviation of 22,000: beyond lies only overflow
    class_major = ('fc_factor.weight', 'fc_factor.bias')  # row k * R + r: class k of column r of the factor

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_samples: int,
        integrate: bool,
        loss: dict | nn.Module | None = None,
        covariance: str = 'diagonal',
        rank: int = 3,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        if num_samples < 1:
            raise ValueError(f'num_samples={num_samples}: training needs at least one sample')
        if covariance not in ('diagonal', 'low_rank'):
            raise ValueError(f"covariance={covariance!r}: 'diagonal' or 'low_rank'")
        if covariance == 'low_rank' and not 1 <= rank <= num_classes:
            raise ValueError(f'rank={rank}: must lie in 1..{num_classes}, the number of classes')
        self.num_samples = num_samples
        self.integrate = integrate
        self.rank = rank if covariance == 'low_rank' else 0
        self.fc_mean = nn.Linear(in_channels, num_classes)
        self.fc_logvar = nn.Linear(in_channels, num_classes)
        if self.rank:
            self.fc_factor = nn.Linear(in_channels, num_classes * rank)
            self.register_buffer('points', normal_points(num_classes + rank).float(), persistent=False)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The mean of the latent, which serves as logits: ``(..., (B, C)) -> (B, K)``."""
        return self.fc_mean(self.pre_logits(feats))

    def latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, (B, K) each, in single precision under autocast, too; without that of the factor."""
        mean, logvar = at_least_single(self.fc_mean(x)), at_least_single(self.fc_logvar(x))
        return mean, logvar.clamp(max=self.max_logvar)

    def factor(self, x: Tensor) -> Tensor | None:
        """F (B, K, R), or None of a diagonal covariance."""
        if not self.rank:
            return None
        return at_least_single(self.fc_factor(x)).unflatten(-1, (self.num_classes, self.rank))

    def sample(self, mean: Tensor, logvar: Tensor, factor: Tensor | None = None) -> Tensor:
        """Independent samples (S, B, K) of the latent for training."""
        size = (self.num_samples, len(mean), self.num_classes + self.rank)
        noise = torch.randn(size, dtype=mean.dtype, device=mean.device)
        return gaussian_logits(mean, torch.exp(0.5 * logvar), factor, noise)

    def spread_samples(self, mean: Tensor, logvar: Tensor, factor: Tensor | None = None) -> Tensor:
        """Samples (S, B, K) of the latent that fill the Gaussian of each face evenly.

        Each face has the points of a Sobol sequence, shifted by a random vector of its own (randomised quasi-Monte
        Carlo: L'Ecuyer & Lemieux, https://doi.org/10.1007/0-306-48102-2_20): every sample is normal, and their mean
        scatters much less than that of independent ones.
        """
        sobol = sobol_points(self.num_samples, self.num_classes + self.rank).to(mean)
        shift = torch.rand(len(mean), sobol.shape[1], dtype=mean.dtype, device=mean.device)
        least = torch.finfo(mean.dtype).eps / 2
        uniform = (sobol.unsqueeze(1) + shift).remainder(1).clamp(least, 1 - 2 * least)
        return gaussian_logits(mean, torch.exp(0.5 * logvar), factor, torch.special.ndtri(uniform))

    def vote_likelihood(self, mean: Tensor, logvar: Tensor, factor: Tensor | None, votes: Tensor) -> Tensor:
        r"""Mean negative log-likelihood of a vote, nats, where all votes of a face share one latent.

        .. math::
            L = -\frac{1}{\sum_b N_b} \sum_b \log \frac{1}{S} \sum_s \prod_k softmax(z_{bs})_k^{n_{bk}}

        without the multinomial coefficient, which does not depend on the weights. The logarithm of a mean of samples is
        too low on average, the less so the more samples (Burda et al., https://arxiv.org/abs/1509.00519).

        Args:
            mean, logvar: Of :meth:`latent`.
            factor: Of :meth:`factor`.
            votes: n (B, K), or labels (B,), each one vote.
        """
        samples = self.spread_samples(mean, logvar, factor)
        votes = shares(votes, samples[0])
        joint = (votes * samples.log_softmax(-1)).sum(-1).logsumexp(0) - math.log(self.num_samples)
        return -joint.sum() / votes.sum().clamp(min=1)

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        mean, logvar = self.latent(x)
        std, factor = torch.exp(0.5 * logvar), self.factor(x)
        if factor is None:
            if self.integrate:
                return gaussian_mixture(mean, std)
            whole = dict(pred_std=std)
        else:
            whole = dict(pred_std=(std.square() + factor.square().sum(-1)).sqrt(), pred_factor=factor)
        if self.integrate:
            parts = factor_mixture(mean, std, factor, self.points)
        else:
            score = mean.softmax(-1)
            parts = split(score, entropy(score))
        return dict(parts, pred_mean=mean, **whole)
