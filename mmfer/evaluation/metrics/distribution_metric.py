from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.registry import METRICS

from ..functional import divergence
from ..functional.bootstrap import mean
from ..functional.correlation import entropy, midranks, pearson
from .bootstrap_metric import BootstrapMetric, Statistics, stacked

MEASURES = dict(
    kl=divergence.kl_divergence,
    js=divergence.jensen_shannon,
    chebyshev=divergence.chebyshev,
    clark=divergence.clark,
    canberra=divergence.canberra,
    cosine=divergence.cosine,
    intersection=divergence.intersection,
)
FIELDS = ('uncertainty', 'pred_std')
TRUTHS = ('gt_distribution', 'gt_score')


@METRICS.register_module()
class DistributionMetric(BootstrapMetric):
    r"""The distance of predictions from the true label distribution or from annotator votes.

    Means over the samples; lower is better except for the last two: ``kl`` (of the truth from the prediction, nats),
    ``js`` (nats, 0 to ln 2), ``chebyshev`` (0 to 1), ``clark`` (0 to :math:`\sqrt K`), ``canberra`` (0 to K),
    ``cosine`` and ``intersection`` (0 to 1). Spearman's rank correlations (-1 to 1) with the entropy of the truth, the
    real ambiguity of the image: ``entropy_spearman`` of the entropy of ``pred_score``, and ``<field>_spearman`` of each
    of ``fields``. The formulas stand in ``mmfer.evaluation.functional.divergence`` and
    ``correlation``.

    The truth is ``gt_distribution`` (see ``keep_score`` of ``PackInputs``), or else ``gt_score``. It is divided by its
    sum, so votes for no class (FER+) are left out. On SynthFER it is the exact posterior. A correlation is NaN where
    either side is constant. NaN, negative or all-zero rows are an error.

    Args:
        fields: Fields of the predictions that should grow with the ambiguity; by default ``uncertainty`` and
            ``pred_std``, where the predictions have them. Of a field with one value a class the mean is taken.
        bootstrap: Replicates for 95 % bootstrap intervals; adds ``<name>_low`` and ``<name>_high``. 0 is none.
        seed: Seed of the replicates.
        table: Whether the table goes to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.

    Examples:
        >>> val_evaluator = [dict(type='ExpressionMetric'), dict(type='DistributionMetric')]
    """

    UNITS = dict(kl='nats', js='nats', chebyshev='0 to 1', clark='0 to sqrt(K)', canberra='0 to K')
    UNITS.update(cosine='0 to 1, higher is better', intersection='0 to 1, higher is better')

    def __init__(
        self,
        fields: Sequence[str] | None = None,
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        if isinstance(fields, str):
            raise TypeError(f'fields={fields!r} must be a sequence of names')
        self.fields = None if fields is None else tuple(fields)

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep scores, truth and the fields of each sample."""
        truth = next((name for name in TRUTHS if data_samples[0].get(name) is not None), None)
        if truth is None:
            raise ValueError(
                f'DistributionMetric: {data_samples[0].get("img_path") or "a sample"} has neither gt_distribution nor '
                'gt_score: set keep_score=True in PackInputs of the test pipeline, with a data set that has votes or '
                'true distributions'
            )
        names = [name for name in FIELDS if name in data_samples[0]] if self.fields is None else self.fields
        fields = [stacked(data_samples, name).reshape(len(data_samples), -1).mean(1).tolist() for name in names]
        rows = [dict(zip(names, values)) for values in zip(*fields)] if names else [{}] * len(data_samples)
        self.results.extend(zip(stacked(data_samples, 'pred_score'), stacked(data_samples, truth), rows))

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        scores, truth = (np.array([result[i] for result in results]) for i in (0, 1))
        means = {name: measure(truth, scores) for name, measure in MEASURES.items()}
        ambiguity = entropy(truth)
        ranked = dict(entropy=entropy(scores))
        ranked.update((name, np.array([fields[name] for *_, fields in results])) for name in results[0][2])

        def statistics(weights: np.ndarray | None) -> dict[str, np.ndarray]:
            figures = {name: mean(values, weights) for name, values in means.items()}
            ranks = midranks(ambiguity, weights)
            for name, values in ranked.items():
                figures[f'{name}_spearman'] = pearson(midranks(values, weights), ranks, weights)
            return figures

        return statistics
