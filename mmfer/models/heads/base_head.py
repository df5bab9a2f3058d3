from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmfer.registry import MODELS

from ..losses import SoftCrossEntropyLoss
from ..losses.functional import at_least_single


def entropy(probs: Tensor) -> Tensor:
    """Shannon entropy in nats over the last axis, in [0, log K] despite rounding: ``(..., K) -> (...)``."""
    largest = math.log(probs.shape[-1]) * (1 - 1e-7)  # not above log K in single precision either
    return torch.special.entr(probs).sum(-1).clamp(0, largest)


class BaseHead(BaseModule):
    """Base of all heads: reads the last feature (B, C), computes losses or predictions over K classes.

    A head implements ``forward`` (the logits) and, where it is more than a point estimate, ``losses`` and
    ``predictive``. Soft labels are used whenever the samples carry ``gt_score``; a head whose ``uses_votes`` is true
    learns from their ``votes`` instead.

    Args:
        num_classes: K.
        in_channels: C.
        loss: Loss of logits (B, K) against labels (B,) or soft labels (B, K).
        init_cfg: Initialisation.
    """

    uses_votes = False

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        loss: dict | nn.Module | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        if num_classes < 2:
            raise ValueError(f'num_classes={num_classes}: at least two classes are needed')
        self.num_classes = num_classes
        self.in_channels = in_channels
        loss = dict(type=SoftCrossEntropyLoss) if loss is None else loss
        self.loss_module = loss if isinstance(loss, nn.Module) else MODELS.build(loss)
        self.register_module('calibration', None)  # a Calibration, in models that were calibrated

    def pre_logits(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The last of ``feats``, checked to be (B, C)."""
        x = feats if isinstance(feats, Tensor) else feats[-1]
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f'{type(self).__name__} expects features of shape (B, {self.in_channels}), got {tuple(x.shape)}: set '
                'in_channels to the width of the backbone or neck, and put a pooling neck behind a backbone of maps'
            )
        return x

    @abstractmethod
    def forward(self, feats: Sequence[Tensor] | Tensor) -> Tensor:
        """The logits (B, K), deterministic."""

    def losses(self, x: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses of features ``x`` (B, C); every key that contains ``loss`` is part of the total.

        ``target`` holds labels (B,), soft labels (B, K), or of heads that use them votes (B, K).
        """
        return dict(loss_ce=self.loss_module(self((x,)), target))

    def predictive(self, x: Tensor) -> dict[str, Tensor]:
        """Predictions for features ``x`` (B, C): ``pred_score`` (B, K), ``uncertainty`` (B,) in nats, and more."""
        score = at_least_single(self((x,))).softmax(-1)
        return dict(pred_score=score, uncertainty=entropy(score))

    def predictions(self, x: Tensor) -> dict[str, Tensor]:
        """What the model answers for features ``x``: :meth:`predictive`, calibrated where the head is calibrated."""
        outputs = self.predictive(x)
        return outputs if self.calibration is None else self.calibration(outputs)

    def target(self, data_samples: Sequence[DataSample]) -> Tensor:
        """Labels (B,), or soft labels (B, K) where the samples have them; checked against K."""
        soft = ['gt_score' in sample for sample in data_samples]
        if any(soft) and not all(soft):
            raise ValueError('some samples of the batch have gt_score and some have not')
        if soft[0]:
            target = torch.stack([sample.gt_score for sample in data_samples])
            if target.shape[1] != self.num_classes:
                raise ValueError(f'gt_score has {target.shape[1]} entries, the head has num_classes={self.num_classes}')
            return target
        return torch.cat([sample.gt_label for sample in data_samples])

    def votes(self, data_samples: Sequence[DataSample]) -> Tensor:
        """How many people chose each class, int64 (B, K).

        Raises:
            ValueError: If samples have no votes, or votes have not K entries.
        """
        lacking = sum('votes' not in sample for sample in data_samples)
        if lacking:
            raise ValueError(
                f'{type(self).__name__} learns from votes, and {lacking} of {len(data_samples)} samples have none. '
                'Set votes=True in PackInputs, with a data set that has votes, no batch_augments and no teachers.'
            )
        votes = torch.stack([sample.votes for sample in data_samples])
        if votes.shape[1] != self.num_classes:
            raise ValueError(f'votes have {votes.shape[1]} entries, the head has num_classes={self.num_classes}')
        return votes

    def loss(self, feats: Sequence[Tensor], data_samples: Sequence[DataSample]) -> dict[str, Tensor]:
        """Losses of a batch; called by the classifier while training."""
        target = self.votes(data_samples) if self.uses_votes else self.target(data_samples)
        return self.losses(self.pre_logits(feats), target)

    def predict(self, feats: Sequence[Tensor], data_samples: Sequence[DataSample] | None = None) -> list[DataSample]:
        """One DataSample an image with the fields of ``predictions`` and ``pred_label``; called by the classifier."""
        outputs = self.predictions(self.pre_logits(feats))
        scores = outputs.pop('pred_score')
        labels = scores.argmax(-1)
        samples = []
        for i in range(len(scores)):
            sample = (data_samples[i] if data_samples is not None else None) or DataSample()
            sample.set_pred_score(scores[i]).set_pred_label(labels[i])
            for name, value in outputs.items():
                sample.set_field(value[i], name)
            samples.append(sample)
        return samples
