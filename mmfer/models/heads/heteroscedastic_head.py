from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from .gaussian_head import GaussianHead


@MODELS.register_module()
class HeteroscedasticHead(GaussianHead):
    r"""Gaussian logits whose variance is learned as noise of the image (Kendall and Gal).

    Paper: What Uncertainties Do We Need in Bayesian Deep Learning for Computer Vision?,
    https://arxiv.org/abs/1703.04977

    .. math::
        z_s = \mu(x) + \sigma(x)\, \epsilon_s, \quad \epsilon_s \sim N(0, I), \quad
        L = -\log \frac{1}{S} \sum_s softmax(z_s)_t

    The samples are averaged before the logarithm (VICH averages after it): the loss falls where a doubtful face gets a
    large variance, which the mean of the cross entropies punishes. With a soft label the loss is the cross entropy
    between it and the mean of the samples' probabilities.

    Predictions are expectations under the Gaussian, with ``pred_mean`` :math:`\mu`, ``pred_std`` :math:`\sigma`,
    ``uncertainty``, ``aleatoric`` (expected entropy) and ``epistemic``, the rest: the
    mutual information of expression and logits. The paper calls this whole distribution aleatoric, for it is noise of
    the image and not of the weights; the split says how much of it is in :math:`\sigma`.

    Args:
        num_classes: K.
        in_channels: C.
        num_samples: S, samples a face while training.
        integrate: Whether predictions are expectations under the Gaussian
            (:func:`~mmfer.models.heads.gaussian_softmax.gaussian_softmax`) or those of its mean, where all uncertainty
            is aleatoric.
        loss: Loss of the log mean probabilities, which serve as logits; cross entropy by default.
        init_cfg: Initialisation.

    Raises:
        ValueError: If ``num_samples`` is out of range.

    Examples:
        ``model.head = dict(type=HeteroscedasticHead, num_classes=7, in_channels=768, num_samples=10)``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        num_samples: int = 10,
        integrate: bool = True,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, num_samples, integrate, loss=loss, init_cfg=init_cfg)

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        log_probs = self.sample(*self.latent(x)).log_softmax(-1)
        log_mean = torch.logsumexp(log_probs, 0) - math.log(self.num_samples)
        return dict(loss_ce=self.loss_module(log_mean, target))
