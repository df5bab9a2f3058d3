"""Evaluates a model on a data set with other classes, or with the same classes in another order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.structures import BaseDataElement

from mmfer.registry import EVALUATORS
from mmfer.structures.expressions import class_indices


@EVALUATORS.register_module()
class ClassMapEvaluator(Evaluator):
    """Translates predictions from the model's classes to those of the data set, by name, before the metrics see them.

    The scores of model classes that count as the same class are added. If the data set lacks a class of the model, its
    score is removed and the others are divided by their sum. ``pred_mean`` and ``pred_std`` are put into the new order,
    or dropped if classes were added. The parameters of a Dirichlet distribution and the samples of an ensemble are
    added like the scores; ``vacuity`` is that of the new parameters. ``uncertainty`` is the entropy of the new scores
    in nats. Its parts are dropped unless only the order changed.

    The labels are the data set's own (see ``mmfer.datasets.MapClasses`` for data sets with classes that the model
    lacks).

    Args:
        metrics: Metrics, as in MMEngine's Evaluator.
        model_classes: Names of the model's classes, in the order of its outputs.
        mapping: Name of a model class -> name of the data set's class that it counts as. Others keep their name.

    Raises:
        ValueError: When the data set is known and has a class that no class of the model counts as.
    """

    def __init__(
        self,
        metrics: dict | BaseMetric | Sequence,
        model_classes: Sequence[str],
        mapping: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(metrics)
        self.model_classes = tuple(model_classes)
        self.mapping = dict(mapping or {})
        self.indices: list[int | None] = []
        self.classes: tuple[str, ...] = ()

    @property
    def dataset_meta(self) -> dict | None:
        """Meta information of the data set; setting it defines the translation."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self.classes = tuple((dataset_meta or {}).get('classes') or ())
        self.indices = class_indices(self.model_classes, self.classes, self.mapping)
        lost = [name for i, name in enumerate(self.classes) if i not in self.indices]
        if lost:
            raise ValueError(
                f'the model has no class for {", ".join(lost)} of the data set; it has '
                f'{", ".join(self.model_classes)}. Map classes onto others, or leave these out of the data (MapClasses)'
            )
        self._dataset_meta = dataset_meta
        for metric in self.metrics:
            metric.dataset_meta = dataset_meta

    @property
    def left_out(self) -> tuple[str, ...]:
        """Classes of the model whose scores are left out."""
        return tuple(name for name, index in zip(self.model_classes, self.indices) if index is None)

    def process(self, data_samples: Sequence, data_batch: Any = None) -> None:
        """Translate the predictions and pass them to the metrics."""
        samples = [s.to_dict() if isinstance(s, BaseDataElement) else s for s in data_samples]
        super().process([self.translate(sample) for sample in samples], data_batch)

    def translate(self, sample: dict) -> dict:
        """A new dict with the prediction for the classes of the data set."""
        score = torch.as_tensor(sample['pred_score'])
        if len(score) != len(self.model_classes):
            raise ValueError(f'predictions have {len(score)} scores, but model_classes names {self.model_classes}')
        kept = [i for i, index in enumerate(self.indices) if index is not None]
        target = torch.tensor([self.indices[i] for i in kept], device=score.device)
        summed = score.new_zeros(len(self.classes)).index_add_(0, target, score[kept])
        new = _normalised(summed)
        sample = dict(sample, pred_score=new, pred_label=new.argmax().reshape(1))
        single = len(kept) == len(self.classes)
        for key in ('pred_mean', 'pred_std', 'pred_factor'):
            if key in sample:
                values = torch.as_tensor(sample.pop(key))
                if single:
                    sample[key] = torch.empty_like(values[: len(kept)]).index_copy_(0, target, values[kept])
        if 'pred_concentration' in sample:  # sums of a Dirichlet variable's shares, and shares of a part, are Dirichlet
            alpha = torch.as_tensor(sample['pred_concentration'])
            alpha = sample['pred_concentration'] = alpha.new_zeros(len(self.classes)).index_add_(0, target, alpha[kept])
            if 'vacuity' in sample:
                sample['vacuity'] = len(alpha) / alpha.sum()
        if 'pred_samples' in sample:
            members = torch.as_tensor(sample['pred_samples'])
            shares = members.new_zeros(len(members), len(self.classes)).index_add_(1, target, members[:, kept])
            sample['pred_samples'] = _normalised(shares)
        if 'uncertainty' in sample and not (single and not self.left_out):
            sample['uncertainty'] = torch.special.entr(new).sum()
            for key in ('aleatoric', 'epistemic'):
                sample.pop(key, None)
        return sample


def _normalised(shares: torch.Tensor) -> torch.Tensor:
    """Rows that sum to one; of nothing all classes are as likely."""
    total = shares.sum(-1, keepdim=True)
    return torch.where(total > 0, shares / total, 1 / shares.shape[-1])
