from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses.functional import at_least_single
from .base_head import BaseHead, entropy


@MODELS.register_module()
class RULHead(BaseHead):
    r"""Relative uncertainty learning (RUL): features of pairs are mixed by their uncertainty, and have to tell both.

    Paper: Relative Uncertainty Learning for Facial Expression Recognition, NeurIPS 2021,
    https://proceedings.neurips.cc/paper/2021/hash/9332c513ef44b682e9347822c2e457ac-Abstract.html; code:
    https://github.com/zyh-uaiaaaa/Relative-Uncertainty-Learning

    Two branches (dropout, linear, batch normalisation) turn the normalised feature x into an embedding
    :math:`\mu` (D,) and a relative uncertainty :math:`s`. While training, image i meets a random other one, j:

    .. math::
        s = \frac{1}{D} \sum_d \exp v_d, \quad w = \frac{s_i}{s_i + s_j}, \quad
        z = W (w \mu_i + (1 - w) \mu_j) + b, \quad L = \tfrac{1}{2} CE(z, t_i) + \tfrac{1}{2} CE(z, t_j)

    The loss is small only if the harder image of a pair has the greater share of the mixture, so s comes to tell how
    hard an image is, compared with others. The pairs are a random permutation of the batch, whose size may be odd; an
    image that meets itself gives the ordinary cross entropy. At test :math:`z = W \mu + b`.

    Predictions carry ``relative_uncertainty`` (s, positive and without unit: it ranks images) beside ``uncertainty``.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of the logits, with labels or soft labels; cross entropy by default.
        map_size: H and W (or one number for both) of maps (B, C, H, W), which are flattened as in the authors' code:
            7 for a ResNet at 224 pixels. None for pooled features (B, C).
        embed_dims: D.
        drop_rate: Of the dropout before both linear layers.
        init_cfg: Initialisation.

    Raises:
        ValueError: If an argument is out of range; while training, if a batch has only one image.

    Examples:
        ``model.neck = None``
        ``model.head = dict(type=RULHead, num_classes=7, in_channels=512, map_size=7)``

        The authors train the last layer with ten times the learning rate of the rest:

        ``optim_wrapper.paramwise_cfg = dict(custom_keys={'head.fc': dict(lr_mult=10)})``
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        map_size: int | Sequence[int] | None = None,
        embed_dims: int = 64,
        drop_rate: float = 0.4,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        size = (map_size, map_size) if isinstance(map_size, int) else map_size
        if size is not None and (len(size) != 2 or min(size) < 1):
            raise ValueError(f'map_size={map_size}: must be None, a number, or (H, W)')
        if embed_dims < 1:
            raise ValueError(f'embed_dims={embed_dims}: must be at least 1')
        if not 0 <= drop_rate < 1:
            raise ValueError(f'drop_rate={drop_rate}: must lie in [0, 1)')
        self.map_size = None if size is None else tuple(size)
        width = in_channels * (size[0] * size[1] if size else 1)
        # Each branch of the authors' code begins with one of these; without weights of their own, both are the same.
        self.norm = nn.BatchNorm2d(in_channels, eps=2e-5, affine=False)
        self.dropout = nn.Dropout(drop_rate)
        self.mean = nn.Sequential(nn.Linear(width, embed_dims), nn.BatchNorm1d(embed_dims, eps=2e-5))
        self.logvar = nn.Sequential(nn.Linear(width, embed_dims), nn.BatchNorm1d(embed_dims, eps=2e-5))
        self.fc = nn.Linear(embed_dims, num_classes)

    def pre_logits(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The last of ``feats`` as maps (B, C, H, W); pooled features (B, C) as (B, C, 1, 1).

        Raises:
            ValueError: If it has another shape.
        """
        if self.map_size is None:
            return super().pre_logits(feats)[:, :, None, None]
        x = feats if isinstance(feats, Tensor) else feats[-1]
        if x.shape[1:] != (self.in_channels, *self.map_size):
            raise ValueError(
                f'RULHead expects maps of shape (B, {", ".join(map(str, (self.in_channels, *self.map_size)))}), got '
                f'{tuple(x.shape)}: set in_channels and map_size to those of the backbone and remove a pooling neck '
                '(neck=None), or leave out map_size for pooled features'
            )
        return x

    def embed(self, normed: Tensor) -> Tensor:
        """The embedding: ``(B, C, H, W) -> (B, D)``."""
        return self.mean(self.dropout(normed.flatten(1)))

    def spread(self, normed: Tensor) -> Tensor:
        """The relative uncertainty s: ``(B, C, H, W) -> (B, 1)``."""
        return self.logvar(self.dropout(normed.flatten(1))).float().exp().mean(1, keepdim=True)

    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """Logits: ``(..., (B, C)) -> (B, K)``, or of maps; deterministic in eval mode."""
        return self.fc(self.embed(self.norm(self.pre_logits(feats))))

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        if len(x) < 2:
            raise ValueError(
                'RULHead compares the images of a batch and got a batch of one: set batch_size to 2 or more, and '
                'train_dataloader.drop_last=True'
            )
        normed = self.norm(x)
        mean, spread = self.embed(normed), self.spread(normed)
        other = torch.randperm(len(x), device=x.device)
        share = spread / (spread + spread[other])
        logits = self.fc(share * mean + (1 - share) * mean[other])
        return dict(loss_ce=(self.loss_module(logits, target) + self.loss_module(logits, target[other])) / 2)

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        normed = self.norm(x)
        score = at_least_single(self.fc(self.embed(normed))).softmax(-1)
        spread = self.spread(normed).squeeze(1)
        return dict(pred_score=score, uncertainty=entropy(score), relative_uncertainty=spread)
