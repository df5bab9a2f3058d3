from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmfer.registry import METRICS
from mmfer.structures.predictive import FIELDS, probability_samples

from ..functional import vote_calibration, vote_coverage, votes
from ..functional._arrays import as_weights, divide
from ..functional.correlation import midranks, pearson, rank_correlation
from ..functional.divergence import kl_divergence
from ..functional.vote_halves import compare_halves
from .bootstrap_metric import BootstrapMetric, Statistics, stacked

LEVELS = (50, 80, 90, 95)
INTERVAL = 90


@METRICS.register_module()
class VoteMetric(BootstrapMetric):
    r"""How well a prediction, with its spread, fits the votes of several people on each face.

    A prediction counts as the distribution over class probabilities that ``probability_samples`` of
    ``mmfer.structures.predictive`` makes of its fields; one with ``pred_score`` alone has no spread. The votes are
    those of ``PackInputs(votes=True)``. The formulas stand in ``mmfer.evaluation.functional.votes``,
    ``vote_coverage``, ``vote_halves`` and ``vote_calibration``.

    - ``joint_nll``: negative log-likelihood of a face's votes together, nats a face, without the multinomial
      coefficient; ``joint_nll_per_vote``: the same a vote; ``vote_nll``: nats a vote, if each were of another face.
      Only the first two know whether the spread is right. Of ``pred_concentration`` the closed form is used.
    - ``coverage_50`` to ``coverage_95`` (%): how often the central predictive interval of a class's vote share holds
      the share that people gave; ``width_50`` to ``width_95``: mean widths, as shares. ``interval_held`` (%) and
      ``interval_width``: those of 90 % intervals in whole votes, as inference states them, which hold 90 % or more.
      ``pit_p``: p-value of the test that all of these are right. Only classes whose probability exceeds ``threshold``.
    - ``disagreement`` and ``predicted_disagreement`` (%): of two people who see the same face;
      ``disagreement_spearman`` between them.
    - Split votes, where a face has two or more: what a half of them tells of the other one, the noise ceiling
      (``half_nll``, nats a vote, ``half_js``, nats, and ``half_spearman`` of the entropies), and what the prediction
      tells of that same half (``half_nll_model`` and so on). A model that knows more than five people may be better.
    - ``<part>_entropy_spearman`` and ``<part>_kl_spearman``: rank correlations of the parts ``total``, ``aleatoric``,
      ``epistemic``, ``width`` (of the probabilities) and, where it is there, ``pred_std`` (of the logits) with the
      entropy of the votes and with their divergence from the prediction. Ten votes understate entropies and their noise
      weakens correlations, for all predictions alike.
    - ``top_error`` and ``class_error`` (%): debiased calibration errors against vote shares, of the answered class and
      of all.

    After an evaluation ``bounds`` is what ``mmfer.visualization.vote_coverage.draw_vote_coverage`` draws, ``pit``
    the PIT histogram, and ``bins`` the table of the reliability of the answered class.

    Args:
        samples: How many samples stand for a distribution.
        threshold: Mean probability above which a class counts for coverage.
        bootstrap: Replicates for 95 % bootstrap intervals over the faces; adds ``<name>_low`` and ``<name>_high``, but
            not of ``pit_p``. 0 is none.
        seed: Seed of the replicates and of the split of the votes.
        table: Whether the table goes to the log.
        collect_device: Where results of several processes are gathered, ``'cpu'`` or ``'gpu'``.
        prefix: Prefix of the names of the results.

    Examples:
        >>> val_evaluator = [dict(type='ExpressionMetric'), dict(type='VoteMetric', bootstrap=1000)]
    """

    UNITS = dict(joint_nll='nats a face', half_js='nats', half_js_model='nats', interval_held='%')
    UNITS.update(dict.fromkeys(('joint_nll_per_vote', 'vote_nll', 'half_nll', 'half_nll_model'), 'nats a vote'))
    UNITS.update({f'coverage_{level}': '%' for level in LEVELS})
    UNITS.update(dict.fromkeys([*(f'width_{level}' for level in LEVELS), 'interval_width'], 'share of the people'))
    UNITS.update(dict.fromkeys(('disagreement', 'predicted_disagreement', 'top_error', 'class_error'), '%'))

    def __init__(
        self,
        samples: int = 512,
        threshold: float = 0.05,
        bootstrap: int = 0,
        seed: int = 0,
        table: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(bootstrap, seed, table, collect_device, prefix)
        if not 0 <= threshold < 1:
            raise ValueError(f'threshold={threshold}: a probability from 0 to below 1')
        self.samples = samples
        self.threshold = threshold

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep of each sample what does not need the others."""
        lacking = [sample for sample in data_samples if sample.get('votes') is None]
        if lacking:
            raise ValueError(
                f'VoteMetric: {lacking[0].get("img_path") or "a sample"} has no votes: set PackInputs(votes=True) in '
                'the test pipeline, with a data set that has votes'
            )
        first = data_samples[0]
        fields = {name: stacked(data_samples, name) for name in FIELDS if first.get(name) is not None}
        samples = votes.as_samples(probability_samples(fields, self.samples))
        n = votes.as_votes(stacked(data_samples, 'votes'), samples.shape[2])
        joint = votes.joint_nll(samples, n)
        if 'pred_concentration' in fields:
            joint = votes.dirichlet_multinomial_nll(fields['pred_concentration'], n)
        counts = vote_coverage.predicted_counts(samples, n.sum(1))
        widths = [vote_coverage.interval_width(counts, n.sum(1), level / 100) for level in LEVELS]
        parts = dict(zip(('total', 'aleatoric', 'epistemic', 'width'), votes.uncertainty_parts(samples)))
        if first.get('pred_std') is not None:
            parts['pred_std'] = stacked(data_samples, 'pred_std').mean(1)
        kept = dict(
            votes=n,
            mean=samples.mean(1),
            joint=joint,
            pit=np.stack(vote_coverage.pit_bounds(counts, n), 1),
            widths=np.stack(widths, 1),
            interval=np.stack(votes.central_interval(counts, INTERVAL / 100), 1),
            disagreement=votes.predicted_disagreement(samples),
            parts=np.stack(list(parts.values()), 1),
        )
        self.parts = tuple(parts)
        self.results.extend(dict(zip(kept, row)) for row in zip(*kept.values()))

    def statistics(self, results: list) -> Statistics:
        """The figures as a function of the weights."""
        kept = {name: np.array([row[name] for row in results]) for name in results[0]}
        n, mean, pit, interval = (kept[name] for name in ('votes', 'mean', 'pit', 'interval'))
        people = n.sum(1)
        shares = n / people[:, None]
        chosen = mean > self.threshold
        every, counted = np.ones(len(n)), chosen.sum(1)
        ratios = dict(joint_nll=(kept['joint'], every), joint_nll_per_vote=(kept['joint'], people))
        ratios['vote_nll'] = (votes.joint_nll(mean[:, None], n), people)
        by_class = {}
        for i, level in enumerate(LEVELS):
            by_class[f'coverage_{level}'] = 100 * vote_coverage.held(pit[:, 0], pit[:, 1], level / 100)
            by_class[f'width_{level}'] = kept['widths'][:, i]
        by_class['interval_held'] = 100 * ((interval[:, 0] <= n) & (n <= interval[:, 1]))
        by_class['interval_width'] = (interval[:, 1] - interval[:, 0]) / people[:, None]
        ratios.update((name, ((values * chosen).sum(1), counted)) for name, values in by_class.items())
        ranked = dict(zip(self.parts, kept['parts'].T))
        targets = dict(entropy=votes.vote_entropy(n), kl=kl_divergence(n, mean))
        several = people > 1
        of_several = (each[several] for each in (n, mean, kept['disagreement'], ranked['total']))
        several_ratios, pairs = self._of_several(*of_several)
        answer = (np.arange(len(n)), mean.argmax(1))

        def statistics(weights: np.ndarray | None) -> dict[str, np.ndarray]:
            w = as_weights(weights, len(n))
            figures = {}
            for counts, known in ((w, ratios), (w[..., several], several_ratios)):
                figures.update((name, divide(counts @ top, counts @ bottom)) for name, (top, bottom) in known.items())
            if weights is None:
                self.bounds = (pit[:, 0], pit[:, 1], chosen)
                self.pit = vote_coverage.pit_histogram(*self.bounds)
                self.bins = vote_calibration.vote_reliability(mean[answer], shares[answer])
                figures['pit_p'] = np.asarray(self.pit.p_value)
            for name, pair in pairs.items():
                figures[name] = rank_correlation(*pair, w[..., several])
            target_ranks = {name: midranks(values, w) for name, values in targets.items()}
            for name, values in ranked.items():
                ranks = midranks(values, w)
                for target, others in target_ranks.items():
                    figures[f'{name}_{target}_spearman'] = pearson(ranks, others, w)
            error = vote_calibration.vote_calibration_error
            figures['top_error'] = 100 * error(mean[answer], shares[answer], weights=w)
            figures['class_error'] = 100 * error(mean, shares, weights=w)
            return figures

        return statistics

    def _of_several(self, n: np.ndarray, mean: np.ndarray, predicted: np.ndarray, total: np.ndarray) -> tuple:
        """Ratios and pairs to correlate, of faces of two votes or more."""
        if not len(n):
            return {}, {}
        real, every = votes.disagreement(n), np.ones(len(n))
        halves = compare_halves(n, mean, self.seed)
        ratios = dict(disagreement=(100 * real, every), predicted_disagreement=(100 * predicted, every))
        for kind in ('', '_model'):
            ratios[f'half_nll{kind}'] = (halves[f'nll{kind}'], halves['people'])
            ratios[f'half_js{kind}'] = (halves[f'js{kind}'], every)
        pairs = dict(disagreement_spearman=(predicted, real))
        pairs['half_spearman'] = (halves['entropy'], halves['entropy_other'])
        pairs['half_spearman_model'] = (total, halves['entropy_other'])
        return ratios, pairs
