"""The mathematics of the metrics: pure functions on arrays."""

from .abstention import error_bound, threshold_at_coverage, threshold_at_risk
from .bootstrap import bca_interval, bootstrap_intervals, percentile_interval, resamples
from .calibration import (
    brier,
    calibration_bins,
    classwise_calibration_error,
    expected_calibration_error,
    maximum_calibration_error,
    nll,
    overconfidence,
    top_label,
)
from .classification import (
    accuracy,
    class_accuracy,
    class_f1,
    confusion_matrix,
    macro_f1,
    mean_class_accuracy,
    weighted_f1,
)
from .conformal import fit_sets, images_needed, risk_threshold
from .correlation import entropy, midranks, pearson, rank_correlation
from .divergence import canberra, chebyshev, clark, cosine, intersection, jensen_shannon, kl_divergence
from .group_figures import group_figure, mean_over
from .groups import compare_groups
from .influence import aurc_influence, auroc_influence, mean_influence, skce, spearman_influence
from .intervals import crossed, paired_proportions, proportion_interval, studentised
from .ranking import auroc, average_precision, fpr_at_tpr, ood_ranking, rank_samples, swap
from .selective import accuracy_at_coverage, aurc, best_aurc, excess_aurc, risk_coverage
from .significance import holm, mcnemar, sign_flip
from .vote_calibration import vote_calibration_error, vote_reliability
from .vote_coverage import (
    coverage_curve,
    held,
    interval_width,
    pit_bounds,
    pit_histogram,
    predicted_counts,
)
from .vote_halves import compare_halves, half_posterior, split_votes
from .votes import (
    count_probabilities,
    dirichlet_multinomial_nll,
    disagreement,
    joint_nll,
    predicted_disagreement,
    uncertainty_parts,
    vote_entropy,
    vote_interval,
)

__all__ = [
    'accuracy',
    'accuracy_at_coverage',
    'aurc',
    'aurc_influence',
    'auroc',
    'auroc_influence',
    'average_precision',
    'bca_interval',
    'best_aurc',
    'bootstrap_intervals',
    'brier',
    'calibration_bins',
    'canberra',
    'chebyshev',
    'clark',
    'class_accuracy',
    'class_f1',
    'classwise_calibration_error',
    'compare_groups',
    'compare_halves',
    'confusion_matrix',
    'cosine',
    'coverage_curve',
    'count_probabilities',
    'crossed',
    'dirichlet_multinomial_nll',
    'disagreement',
    'entropy',
    'error_bound',
    'excess_aurc',
    'expected_calibration_error',
    'fit_sets',
    'fpr_at_tpr',
    'group_figure',
    'half_posterior',
    'held',
    'holm',
    'images_needed',
    'intersection',
    'interval_width',
    'jensen_shannon',
    'joint_nll',
    'kl_divergence',
    'macro_f1',
    'maximum_calibration_error',
    'mcnemar',
    'mean_class_accuracy',
    'mean_influence',
    'mean_over',
    'midranks',
    'nll',
    'ood_ranking',
    'overconfidence',
    'paired_proportions',
    'pearson',
    'percentile_interval',
    'pit_bounds',
    'pit_histogram',
    'predicted_counts',
    'predicted_disagreement',
    'proportion_interval',
    'rank_correlation',
    'rank_samples',
    'resamples',
    'risk_coverage',
    'risk_threshold',
    'sign_flip',
    'skce',
    'spearman_influence',
    'split_votes',
    'studentised',
    'swap',
    'threshold_at_coverage',
    'threshold_at_risk',
    'top_label',
    'uncertainty_parts',
    'vote_calibration_error',
    'vote_entropy',
    'vote_interval',
    'vote_reliability',
    'weighted_f1',
]
