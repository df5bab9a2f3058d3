from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mmfer.registry import METRICS
from mmfer.utils.tables import render_table

from .. import functional
from .bootstrap_metric import BootstrapMetric, Statistics


def _answer(sample: dict) -> int:
    """The class of the highest score. ``pred_label`` decides ties alone: with mmpretrain's TTA it is one view's."""
    label, score = int(sample['pred_label']), torch.as_tensor(sample['pred_score'])
    return label if score[label] == score.max() else int(score.argmax())


@METRICS.register_module()
class ExpressionMetric(BootstrapMetric):
    """Accuracy, mean class accuracy and F1 (all in %), and a table of the classes with the confusion matrix.

    Returns ``accuracy``, ``mean_class_accuracy``, ``macro_f1`` and ``weighted_f1``. Where the data set knows the
    Bayes-optimal accuracy (SynthFER), also that as ``observer_accuracy``, and the accuracy as a share of it as
    ``share_of_observer``, both in %. The table goes to the log; the last confusion matrix, rows true and columns
    predicted, stays in ``confusion_matrix``.

    Args:
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.
        table: Whether the table goes to the log.
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none. The
            interval of the accuracy is Clopper and Pearson's.
        seed: Seed of the replicates.
    """

    def __init__(
        self,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        table: bool = True,
        bootstrap: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        self.confusion_matrix: np.ndarray | None = None

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep predicted and true label of each sample."""
        for sample in data_samples:
            self.results.append((_answer(sample), int(sample['gt_label']), len(sample['pred_score'])))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Results over all samples, in %."""
        metrics = super().compute_metrics(results)
        if self.bootstrap:
            ends = functional.proportion_interval([pred == target for pred, target, _ in results])
            metrics['accuracy_low'], metrics['accuracy_high'] = (100 * end for end in ends)
        return metrics

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        pred, target, num_classes = (np.array(column) for column in zip(*results))
        observer = (self.dataset_meta or {}).get('observer_accuracy')

        def statistics(weights: np.ndarray | None) -> dict[str, np.ndarray]:
            matrix = functional.confusion_matrix(pred, target, int(num_classes.max()), weights)
            figures = dict(
                accuracy=100 * functional.accuracy(matrix),
                mean_class_accuracy=100 * functional.mean_class_accuracy(matrix),
                macro_f1=100 * functional.macro_f1(matrix),
                weighted_f1=100 * functional.weighted_f1(matrix),
            )
            if weights is None:
                self.confusion_matrix = matrix
            if weights is None and observer:
                figures.update(observer_accuracy=100 * observer, share_of_observer=figures['accuracy'] / observer)
            return figures

        return statistics

    def describe(self, values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> str:
        """The classes with the confusion matrix, and the figures."""
        meta, matrix = self.dataset_meta or {}, self.confusion_matrix
        names = meta.get('classes') or [str(i) for i in range(len(matrix))]
        columns = zip(names, matrix.sum(1), functional.class_accuracy(matrix), functional.class_f1(matrix), matrix)
        rows = [(name, count, f'{100 * acc:.1f}', f'{100 * f1:.1f}', *row) for name, count, acc, f1, row in columns]
        text = render_table(('true \\ predicted', 'images', 'recall %', 'F1 %', *(n[:4] for n in names)), rows)
        line = f'{meta["protocol"]}, ' if meta.get('protocol') else ''
        line += f'{matrix.sum()} images: accuracy {values["accuracy"]:.2f} %, '
        line += f'mean class accuracy {values["mean_class_accuracy"]:.2f} %, macro F1 {values["macro_f1"]:.2f} %'
        if 'share_of_observer' in values:
            line += (
                f'\nThat is {values["share_of_observer"]:.1f} % of the Bayes-optimal accuracy on these labels, '
                f'{values["observer_accuracy"]:.2f} %.'
            )
        return text + line
