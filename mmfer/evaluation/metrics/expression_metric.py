from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmfer.registry import METRICS
from mmfer.utils.tables import render_table

from .. import functional
from ..functional.bootstrap import bootstrap_intervals
from ..functional.classification import weighted_f1


def _answer(sample: dict) -> int:
    """The class of the highest score. ``pred_label`` decides ties alone: with mmpretrain's TTA it is one view's."""
    label, score = int(sample['pred_label']), torch.as_tensor(sample['pred_score'])
    return label if score[label] == score.max() else int(score.argmax())


@METRICS.register_module()
class ExpressionMetric(BaseMetric):
    """Accuracy, mean class accuracy and F1 (all in %), and a table of the classes with the confusion matrix.

    Returns ``accuracy``, ``mean_class_accuracy``, ``macro_f1`` and ``weighted_f1``. Where the data set knows the
    Bayes-optimal accuracy (SynthFER), also that as ``observer_accuracy``, and the accuracy as a share of it as
    ``share_of_observer``, both in %. The table goes to the log; the last confusion matrix, rows true and columns
    predicted, stays in ``confusion_matrix``.

    Args:
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.
        table: Whether the table goes to the log.
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none.
        seed: Seed of the replicates.
    """

    default_prefix = ''  # MMEngine warns about None

    def __init__(
        self,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        table: bool = True,
        bootstrap: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if bootstrap < 0:
            raise ValueError(f'bootstrap={bootstrap}: the number of replicates, or 0 for no intervals')
        self.table = table
        self.bootstrap = bootstrap
        self.seed = seed
        self.confusion_matrix: np.ndarray | None = None

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep predicted and true label of each sample."""
        for sample in data_samples:
            self.results.append((_answer(sample), int(sample['gt_label']), len(sample['pred_score'])))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Results over all samples, in %."""
        pred, target, num_classes = (np.array(column) for column in zip(*results))
        matrix = functional.confusion_matrix(pred, target, int(num_classes.max()))
        self.confusion_matrix = matrix
        metrics = self._figures(matrix)
        if self.bootstrap:

            def figures(weights: np.ndarray) -> dict[str, np.ndarray]:
                return self._figures(functional.confusion_matrix(pred, target, len(matrix), weights))

            for name, ends in bootstrap_intervals(figures, len(pred), self.bootstrap, self.seed).items():
                metrics[f'{name}_low'], metrics[f'{name}_high'] = ends
            metrics['accuracy_low'], metrics['accuracy_high'] = functional.proportion_interval(pred == target)
        observer = (self.dataset_meta or {}).get('observer_accuracy')
        if observer:
            metrics.update(observer_accuracy=observer, share_of_observer=metrics['accuracy'] / observer)
        metrics = {name: 100 * value for name, value in metrics.items()}
        if self.table:
            MMLogger.get_current_instance().info('\n' + self._table(matrix, metrics))
        return metrics

    @staticmethod
    def _figures(matrix: np.ndarray) -> dict[str, float]:
        return dict(
            accuracy=functional.accuracy(matrix),
            mean_class_accuracy=functional.mean_class_accuracy(matrix),
            macro_f1=functional.macro_f1(matrix),
            weighted_f1=weighted_f1(matrix),
        )

    def _table(self, matrix: np.ndarray, metrics: dict[str, float]) -> str:
        names = (self.dataset_meta or {}).get('classes') or [str(i) for i in range(len(matrix))]
        columns = zip(names, matrix.sum(1), functional.class_accuracy(matrix), functional.class_f1(matrix), matrix)
        rows = [(name, count, f'{100 * acc:.1f}', f'{100 * f1:.1f}', *row) for name, count, acc, f1, row in columns]
        text = render_table(('true \\ predicted', 'images', 'recall %', 'F1 %', *(n[:4] for n in names)), rows)
        protocol = (self.dataset_meta or {}).get('protocol')
        line = f'{protocol}, ' if protocol else ''
        line += f'{matrix.sum()} images: accuracy {metrics["accuracy"]:.2f} %, '
        line += f'mean class accuracy {metrics["mean_class_accuracy"]:.2f} %, macro F1 {metrics["macro_f1"]:.2f} %'
        if 'share_of_observer' in metrics:
            line += (
                f'\nThat is {metrics["share_of_observer"]:.1f} % of the Bayes-optimal accuracy on these labels, '
                f'{metrics["observer_accuracy"]:.2f} %.'
            )
        return text + line
