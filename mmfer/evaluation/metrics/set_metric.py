from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmfer.registry import METRICS
from mmfer.structures.label_sets import check_sets, find_sets

from ..functional._arrays import divide, mean
from .bootstrap_metric import BootstrapMetric, Statistics, stacked


@METRICS.register_module()
class SetMetric(BootstrapMetric):
    """The coverage and the size of the prediction sets of a calibrated model.

    It returns ``set_coverage`` (%, of the labels), ``set_worst_class`` (%, the lowest coverage of a class),
    ``set_size`` (mean number of classes), ``set_single`` (%, sets of one class), and over the samples with ``votes``
    ``set_votes`` (%, the mean share of the votes of a face in its set). ``mmfer test`` adds this metric if the
    checkpoint has sets.

    Args:
        sets: ``meta['sets']`` of the checkpoint, see :func:`mmfer.structures.label_sets.find_sets`.
        bootstrap: See :class:`BootstrapMetric`, as the others.
        seed: Seed of the replicates.
        table: Whether the table goes to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.
    """

    UNITS = dict(set_coverage='%', set_worst_class='%', set_size='classes', set_single='%', set_votes='%')

    def __init__(
        self,
        sets: Mapping[str, Any],
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        self.sets = sets

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep of each sample its label, and whether the set holds it; the set's size, and the share of votes in it."""
        scores = stacked(data_samples, 'pred_score')
        check_sets(self.sets, scores.shape[1])
        for sample, inside in zip(data_samples, find_sets(scores, self.sets)):
            label, votes = int(sample['gt_label']), sample.get('votes')
            votes = np.zeros(len(inside)) if votes is None else torch.as_tensor(votes).cpu().numpy()
            held = float(divide(votes[inside].sum(), votes.sum()))
            self.results.append((label, bool(inside[label]), int(inside.sum()), held))

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        labels, holds, sizes, votes = (np.array(column) for column in zip(*results))
        members, voted = np.eye(labels.max() + 1)[labels], ~np.isnan(votes)

        def statistics(weights: np.ndarray | None) -> dict[str, Any]:
            w = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
            by_class = divide((w * holds) @ members, w @ members)
            figures = dict(
                set_coverage=100 * mean(holds, weights),
                set_worst_class=100 * np.nanmin(by_class, -1),
                set_size=mean(sizes, weights),
                set_single=100 * mean(sizes == 1, weights),
            )
            if voted.any():
                figures['set_votes'] = 100 * mean(votes[voted], w[..., voted])
            return figures

        return statistics
