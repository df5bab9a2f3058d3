from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.registry import METRICS
from mmfer.utils.tables import render_table

from ..functional import calibration
from .bootstrap_metric import BootstrapMetric, Statistics, stacked


@METRICS.register_module()
class CalibrationMetric(BootstrapMetric):
    """The quality of the predicted probabilities: likelihood, Brier score and calibration errors.

    Returns ``nll`` (nats), ``brier`` (0 to 2), ``overconfidence`` (mean confidence minus accuracy, in % points),
    ``ece``, ``mce`` and ``classwise_ece`` (in %); with ``adaptive`` the last three have bins of equal mass and are
    called ``adaptive_ece``, ``adaptive_mce`` and ``adaptive_classwise_ece``. Lower is better, except for
    ``overconfidence``, where 0 is best. ``mmfer.evaluation.functional.calibration`` has the formulas. The last table
    of bins is kept in ``bins`` and written to the log.

    The answer is the class with the highest of ``pred_score``. Scores that are NaN, negative or do not sum to 1 are
    an error. The interval of a calibration error can lie above the error, which grows with fewer different samples.

    Args:
        num_bins: Number of bins of the calibration errors.
        adaptive: Whether bins hold equally many samples, not equal ranges of confidence.
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none.
        seed: Seed of the replicates.
        table: Whether the tables go to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.

    Examples:
        >>> val_evaluator = [dict(type='ExpressionMetric'), dict(type='CalibrationMetric', bootstrap=1000)]
    """

    UNITS = dict(nll='nats', brier='0 to 2', overconfidence='% points')
    UNITS.update({f'{kind}{name}': '%' for kind in ('', 'adaptive_') for name in ('ece', 'mce', 'classwise_ece')})

    def __init__(
        self,
        num_bins: int = 15,
        adaptive: bool = False,
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        if num_bins < 1:
            raise ValueError(f'num_bins={num_bins}: at least one bin is needed')
        self.num_bins = num_bins
        self.adaptive = adaptive
        self.bins: calibration.CalibrationBins | None = None

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep scores and true label of each sample."""
        labels = (int(sample['gt_label']) for sample in data_samples)
        self.results.extend(zip(stacked(data_samples, 'pred_score'), labels))

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        scores, target = (np.array(column) for column in zip(*results))
        confidence, correct = calibration.top_label(scores, target)
        kind = 'adaptive_' if self.adaptive else ''
        options = (self.num_bins, self.adaptive)

        def statistics(weights: np.ndarray | None) -> dict[str, np.ndarray]:
            bins = calibration.calibration_bins(confidence, correct, *options, weights)
            if weights is None:
                self.bins = bins
            return {
                'nll': calibration.nll(scores, target, weights),
                'brier': calibration.brier(scores, target, weights),
                'overconfidence': 100 * calibration.overconfidence(confidence, correct, weights),
                f'{kind}ece': 100 * calibration.expected_calibration_error(bins),
                f'{kind}mce': 100 * calibration.maximum_calibration_error(bins),
                f'{kind}classwise_ece': 100
                * calibration.classwise_calibration_error(scores, target, *options, weights),
            }

        return statistics

    def describe(self, values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> str:
        """The bins that have samples, and the figures."""
        rows = [
            (
                f'{low:.3f} .. {high:.3f}',
                int(count),
                f'{100 * conf:.1f}',
                f'{100 * acc:.1f}',
                f'{100 * (acc - conf):+.1f}',
            )
            for low, high, count, conf, acc in zip(*self.bins)
            if count
        ]
        header = ('confidence', 'images', 'mean confidence %', 'accuracy %', 'accuracy - confidence %')
        return render_table(header, rows) + '\n' + super().describe(values, intervals)
