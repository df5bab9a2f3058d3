"""The figures of a run: what its predictions are worth, each by its formula in ``mmfer.evaluation.functional``."""

from __future__ import annotations

from typing import NamedTuple

from mmfer.evaluation import functional as F

from .results import Run, observer_accuracy

COVERAGES = (80, 90, 95)
BINS = 15


class Figure(NamedTuple):
    """How a figure is called and read.

    title: For the head of a table, with its unit.
    better: 1 where higher is better, -1 where lower is, 0 where neither.
    digits: After the point.
    meaning: What it is, in a line.
    """

    title: str
    better: int
    digits: int
    meaning: str


FIGURES = dict(
    accuracy=Figure('accuracy %', 1, 2, 'share of right answers (WAR)'),
    mean_class_accuracy=Figure('mean class accuracy %', 1, 2, 'mean recall of the classes that have images (UAR)'),
    macro_f1=Figure('macro F1 %', 1, 2, 'mean F1 of the classes'),
    nll=Figure('NLL', -1, 4, 'mean negative log-likelihood of the labels, nats'),
    brier=Figure('Brier', -1, 4, 'mean squared error of the probabilities, 0 to 2'),
    ece=Figure('ECE %', -1, 2, f'expected calibration error, {BINS} uniform bins; above 0 by chance, so never tested'),
    adaptive_ece=Figure('adaptive ECE %', -1, 2, f'expected calibration error, {BINS} bins of equal mass'),
    skce=Figure('SKCE', -1, 2, 'squared kernel calibration error, %²; unbiased: about 0 if calibrated, or below'),
    overconfidence=Figure('confidence - accuracy %', 0, 2, 'above 0 the model is overconfident'),
    error_auroc=Figure('error AUROC %', 1, 2, 'whether the uncertainty tells wrong from right answers; chance is 50'),
    error_aupr=Figure('error AUPR %', 1, 2, 'precision over recall of the wrong answers; chance is their share'),
    fpr95=Figure('FPR95 %', -1, 2, 'of the wrong answers, how many are accepted where 95 % of the right ones are'),
    aurc=Figure('AURC %', -1, 3, 'mean share of wrong answers over all coverages, the most certain answers first'),
    e_aurc=Figure('E-AURC %', -1, 3, 'AURC above that of the best order of the same answers'),
    **{
        f'accuracy_at_{percent}': Figure(
            f'accuracy at {percent} %', 1, 2, f'of the {percent} % most certain answers, the share of right ones'
        )
        for percent in COVERAGES
    },
    kl=Figure('KL', -1, 4, 'mean divergence of the true distributions from the scores, nats'),
    js=Figure('JS', -1, 4, 'mean Jensen-Shannon divergence of both, nats, 0 to 0.693'),
    uncertainty_spearman=Figure(
        'uncertainty ρ', 1, 3, 'Spearman of the uncertainty with the entropy of the true distribution'
    ),
    deviation_spearman=Figure(
        'deviation ρ', 1, 3, 'Spearman of the latent deviation, mean over the classes, with that entropy'
    ),
    aleatoric_spearman=Figure('aleatoric ρ', 1, 3, 'Spearman of the aleatoric part with that entropy'),
    epistemic_spearman=Figure('epistemic ρ', 0, 3, 'Spearman of the epistemic part with that entropy'),
    deviation=Figure('mean deviation', 0, 4, 'mean latent deviation over images and classes, in units of the logits'),
    share_of_observer=Figure('share of Bayes-optimal %', 1, 2, 'accuracy as a share of the Bayes-optimal accuracy'),
)
"""Every figure that a report has, where the runs have what it needs."""

RANKED = ('uncertainty', 'deviation', 'aleatoric', 'epistemic')
"""What may order the images by their ambiguity: attributes of a run."""


def run_figures(run: Run) -> dict[str, float]:
    """The figures of a run by the names of ``FIGURES``; those in % as such.

    Without wrong answers ``error_auroc``, ``error_aupr`` and ``fpr95`` are NaN, and so is the first and the last
    without right ones. A correlation is NaN where either side is the same for all images. Classes without images count
    in no mean over classes. What the run has nothing for is left out.
    """
    confidence, correct = F.top_label(run.scores, run.labels)
    matrix = F.confusion_matrix(run.scores.argmax(1), run.labels, len(run.classes))
    errors = F.rank_samples(run.uncertainty, ~correct)
    bins = {adaptive: F.calibration_bins(confidence, correct, BINS, adaptive) for adaptive in (False, True)}
    percent = dict(
        accuracy=F.accuracy(matrix),
        mean_class_accuracy=F.mean_class_accuracy(matrix),
        macro_f1=F.macro_f1(matrix),
        ece=F.expected_calibration_error(bins[False]),
        adaptive_ece=F.expected_calibration_error(bins[True]),
        overconfidence=F.overconfidence(confidence, correct),
        error_auroc=F.auroc(errors),
        error_aupr=F.average_precision(errors),
        fpr95=F.fpr_at_tpr(F.swap(errors)),
        aurc=F.aurc(errors),
        e_aurc=F.excess_aurc(errors),
        **{f'accuracy_at_{share}': F.accuracy_at_coverage(errors, share / 100) for share in COVERAGES},
    )
    figures = {name: 100 * float(value) for name, value in percent.items()}
    figures.update(nll=F.nll(run.scores, run.labels), brier=F.brier(run.scores, run.labels))
    figures['skce'] = 1e4 * F.skce(confidence, correct)[0]
    if run.deviation is not None:
        figures['deviation'] = float(run.deviation.mean())
    if run.gt_distribution is not None:
        figures['kl'] = float(F.kl_divergence(run.gt_distribution, run.scores).mean())
        figures['js'] = float(F.jensen_shannon(run.gt_distribution, run.scores).mean())
        ambiguity = F.entropy(run.gt_distribution)
        for name in RANKED:
            if getattr(run, name) is not None:
                figures[f'{name}_spearman'] = F.rank_correlation(getattr(run, name), ambiguity)
        observer = observer_accuracy(run)
        if observer > 0:
            figures['share_of_observer'] = 100 * figures['accuracy'] / observer
    return {name: float(figures[name]) for name in FIGURES if name in figures}
