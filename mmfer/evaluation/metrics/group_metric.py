from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger

from mmfer.registry import METRICS
from mmfer.utils.tables import render_table

from ..functional.group_figures import FIGURES, group_figure
from ..functional.groups import GroupComparison, compare_groups, group_name
from .bootstrap_metric import stacked
from .distribution_metric import TRUTHS


@METRICS.register_module()
class GroupMetric(BaseMetric):
    """Metrics by group of faces: the worst group, the largest gap, and whether the gap is larger than by chance.

    For each figure it returns ``<group>_<figure>`` with ``_low`` and ``_high``, ``<figure>_worst`` (the value of the
    worst group), ``<figure>_gap`` with ``_low`` and ``_high``, ``<figure>_gap_expected`` (the gap expected by chance)
    and ``<figure>_gap_p``, in the units of ``mmfer.evaluation.functional.group_figures.FIGURES``. Values that cannot
    be computed are left out, and the log says why. ``mmfer.evaluation.functional.groups`` explains the test. Several
    figures or columns are tested separately. The last comparisons are kept in ``comparisons``, by figure.

    The groups are a column of the data set. The metric gets it as meta information: ``meta_keys=['gender']`` of
    ``PackInputs``. ``RAFDB`` and ``SynthFER`` have columns with ``attributes=True``, ``CSVDataset`` has those of its
    option ``columns``, and ``KDEF`` has ``gender``. Faces without a value are left out and counted.

    Args:
        by: The column.
        metric: One or several of ``accuracy``, ``mean_class_accuracy``, ``nll``, ``brier``, ``overconfidence``,
            ``ece``, ``skce``, ``aurc``, ``selective_risk``, ``coverage``, ``js``, ``kl``. The last two take the true
            distribution of each face, as ``DistributionMetric`` does, or else the votes.
        stratify: Compare within classes, as groups may show other expressions, of which some are harder.
        threshold: Of the uncertainty (nats), above which nothing is answered, in ``selective_risk`` and ``coverage``;
            that of a calibrated model is ``meta['abstention']['threshold']`` of its checkpoint. By default the one at
            which the share ``at_coverage`` of all faces is answered. It is the same for all groups.
        at_coverage: See ``threshold``.
        bootstrap: Replicates of the intervals; 0 gives none but those of shares.
        permutations: Of the test; 0 makes none.
        level: Of the intervals.
        min_size: Smaller groups are shown, and not compared.
        seed: Of the replicates and permutations.
        table: Whether the tables go to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results. Defaults to ``by``.

    Raises:
        ValueError: If a figure is unknown, or a face has no such column.

    Examples:
        >>> test_evaluator = [
        ...     dict(type='ExpressionMetric'),
        ...     dict(type='GroupMetric', by='gender', metric=['accuracy', 'selective_risk'], stratify=True),
        ... ]
    """

    def __init__(
        self,
        by: str,
        metric: str | Sequence[str] = 'accuracy',
        stratify: bool = False,
        threshold: float | None = None,
        at_coverage: float = 0.9,
        bootstrap: int = 1000,
        permutations: int = 2000,
        level: float = 0.95,
        min_size: int = 10,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix or by)
        self.metrics = (metric,) if isinstance(metric, str) else tuple(metric)
        unknown = [name for name in self.metrics if name not in FIGURES]
        if unknown or not self.metrics:
            raise ValueError(f'GroupMetric: metric={metric!r}: take some of {", ".join(FIGURES)}')
        self.by = by
        self.limits = dict(threshold=threshold, coverage=at_coverage)
        self.options = dict(stratify=stratify, bootstrap=bootstrap, permutations=permutations)
        self.options.update(level=level, min_size=min_size, seed=seed)
        self.table = table
        self.comparisons: dict[str, GroupComparison] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep group, label, scores, uncertainty and the true distribution of each sample."""
        lacking = [sample for sample in data_samples if self.by not in sample]
        if lacking:
            raise ValueError(
                f'GroupMetric(by={self.by!r}): {lacking[0].get("img_path") or "a sample"} has no {self.by}. Add '
                f"meta_keys=['{self.by}'] to PackInputs in the test pipeline, with a data set that has this column."
            )
        scores = stacked(data_samples, 'pred_score')
        for sample, row in zip(data_samples, scores):
            unsure = sample.get('uncertainty')
            found = (sample[name] for name in (*TRUTHS, 'votes') if sample.get(name) is not None)
            truth = next((torch.as_tensor(value).detach().cpu().double().numpy() for value in found), None)
            label = int(sample['gt_label'])
            self.results.append(
                (group_name(sample[self.by]), label, row, None if unsure is None else float(unsure), truth)
            )

    def compute_metrics(self, results: list) -> dict[str, float]:
        """The figures over all samples.

        Raises:
            ValueError: If there are no samples, or none for a figure that is measured against true distributions.
        """
        if not results:
            raise ValueError('GroupMetric: there are no predictions to evaluate')
        groups, labels, scores, unsure, truth = zip(*results)
        columns = dict(uncertainty=None if None in unsure else unsure)
        columns['truth'] = None if any(each is None for each in truth) else np.array(truth)
        classes = (self.dataset_meta or {}).get('classes') or ()
        metrics = {}
        for name in self.metrics:
            figure = group_figure(name, np.array(scores), labels, **columns, **self.limits)
            found = compare_groups(figure, groups, labels, classes=classes, **self.options)
            self.comparisons[name] = found
            if self.table:
                MMLogger.get_current_instance().info('\n' + self.describe(found))
            metrics.update(self._numbers(found))
        return {name: float(value) for name, value in metrics.items() if np.isfinite(value)}

    @staticmethod
    def _numbers(found: GroupComparison) -> dict[str, float]:
        numbers, name = {}, found.figure
        for group in found.groups:
            numbers[f'{group.name}_{name}'] = group.value
            numbers.update({f'{group.name}_{name}_low': group.low, f'{group.name}_{name}_high': group.high})
            if group.name == found.worst:
                numbers[f'{name}_worst'] = group.value
        if found.gap is not None:
            gap = found.gap
            numbers.update({f'{name}_gap': gap.value, f'{name}_gap_low': gap.low, f'{name}_gap_high': gap.high})
            numbers.update({f'{name}_gap_expected': gap.expected, f'{name}_gap_p': gap.p_value})
        return numbers

    def describe(self, found: GroupComparison) -> str:
        """The table of one figure for the log, the gap, and what was left out."""
        rows = [
            (
                group.name,
                group.size,
                '-' if np.isnan(group.value) else f'{group.value:.4g}',
                '-' if np.isnan(group.low) else f'{group.low:.4g} .. {group.high:.4g}',
            )
            for group in found.groups
        ]
        level = f'{100 * self.options["level"]:g} % interval'
        within = ' within classes' if self.options['stratify'] else ''
        table = render_table((self.by, 'faces', f'{found.figure} ({found.unit})', level), rows)
        return table + '\n'.join([f'{self.by}{within}: {found.describe()}', *found.notes])
