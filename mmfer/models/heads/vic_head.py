from __future__ import annotations

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
        integrate: Whether predictions are expectations under the Gaussian
            (:func:`~mmfer.models.heads.gaussian_softmax.gaussian_softmax`) or those of its mean, where all uncertainty
            is aleatoric.
        loss: Loss of the sampled logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``kl_weight`` or ``num_samples`` is out of range.

    Examples:
        ``model.head = dict(type=VICHead, num_classes=7, in_channels=768)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        kl_weight: float = 0.0,
        num_samples: int = 1,
        integrate: bool = False,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, num_samples, integrate, loss=loss, init_cfg=init_cfg)
        if kl_weight < 0:
            raise ValueError(f'kl_weight={kl_weight}: must not be negative')
        self.kl_weight = kl_weight

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        mean, logvar = self.latent(x)
        samples = self.sample(mean, logvar)
        repeats = (self.num_samples,) + (1,) * (target.ndim - 1)
        losses = dict(loss_ce=self.loss_module(samples.flatten(0, 1), target.repeat(repeats)))
        if self.kl_weight:
            kl = 0.5 * (mean.square() + logvar.exp() - logvar - 1).sum(-1).mean()
            losses['loss_kl'] = self.kl_weight * kl
        return losses
