from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.registry import METRICS

from ..functional import ranking, selective
from .bootstrap_metric import BootstrapMetric, Statistics, stacked

COVERAGES = (80, 90, 95)


@METRICS.register_module()
class SelectiveMetric(BootstrapMetric):
    """Whether the uncertainty ranks wrong answers above right ones, and the accuracy of the most certain answers.

    All in %: ``error_auroc`` (chance 50), ``error_aupr`` (wrong answers as positives; chance is their share),
    ``success_aupr`` (right answers as positives), ``fpr95`` (of the wrong answers, how many are accepted where 95 % of
    the right ones are), ``aurc`` (mean risk over all coverages), ``e_aurc`` (``aurc`` above that of the best order),
    ``accuracy_at_80``, ``accuracy_at_90`` and ``accuracy_at_95`` (of the 80, 90, 95 % most certain answers). Lower is
    better for ``fpr95``, ``aurc`` and ``e_aurc``, higher for the others. ``mmfer.evaluation.functional.ranking`` and
    ``selective`` have the formulas.

    Without wrong answers ``error_auroc``, ``error_aupr`` and ``fpr95`` are NaN, ``aurc`` and ``e_aurc`` 0. Without
    right ones ``error_auroc``, ``success_aupr`` and ``fpr95`` are NaN, ``aurc`` is 100 and ``e_aurc`` 0. Samples of
    equal uncertainty count as their expected value over all orders. A score that is NaN is an error.

    Args:
        score: What ranks the answers: ``'uncertainty'``, ``'confidence'`` (the highest of ``pred_score``; the lowest is
            the most uncertain), ``'pred_std'``, or any other field where higher is less certain. Of a field with one
            value a class the mean is taken.
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none.
            Replicates where a figure is undefined are left out of its interval.
        seed: Seed of the replicates.
        table: Whether the table goes to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results; needed where an evaluator has this metric for several scores.

    Examples:
        >>> val_evaluator = [
        ...     dict(type='SelectiveMetric'),
        ...     dict(type='SelectiveMetric', score='pred_std', prefix='pred_std'),
        ... ]
    """

    UNITS = dict.fromkeys(('error_auroc', 'error_aupr', 'success_aupr', 'fpr95', 'aurc', 'e_aurc'), '%')
    UNITS.update({f'accuracy_at_{percent}': '%' for percent in COVERAGES})

    def __init__(
        self,
        score: str = 'uncertainty',
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        if not isinstance(score, str) or not score:
            raise ValueError(f'score={score!r}: must be the name of a field of the predictions')
        self.score = score

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep of each sample its uncertainty and whether its answer is wrong."""
        values = stacked(data_samples, 'pred_score' if self.score == 'confidence' else self.score)
        values = values.reshape(len(values), -1)
        values = -values.max(1) if self.score == 'confidence' else values.mean(1)
        wrong = (int(sample['pred_label']) != int(sample['gt_label']) for sample in data_samples)
        self.results.extend(zip(values.tolist(), wrong))

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        uncertainty, wrong = (np.array(column) for column in zip(*results))

        def statistics(weights: np.ndarray | None) -> dict[str, np.ndarray]:
            errors = ranking.rank_samples(uncertainty, wrong, weights)
            successes = ranking.swap(errors)
            aurc = selective.aurc(errors)
            figures = dict(
                error_auroc=ranking.auroc(errors),
                error_aupr=ranking.average_precision(errors),
                success_aupr=ranking.average_precision(successes),
                fpr95=ranking.fpr_at_tpr(successes),
                aurc=aurc,
                e_aurc=aurc - selective.best_aurc(errors),
            )
            for percent in COVERAGES:
                figures[f'accuracy_at_{percent}'] = selective.accuracy_at_coverage(errors, percent / 100)
            return {name: 100 * value for name, value in figures.items()}

        return statistics

    def describe(self, values: dict[str, float], intervals: dict[str, tuple[float, float]]) -> str:
        """The figures, all in %."""
        return f'Selection by {self.score}\n' + super().describe(values, intervals)
