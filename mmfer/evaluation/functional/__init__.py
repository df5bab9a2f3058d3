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
from .influence import aurc_influence, auroc_influence, mean_influence, skce, spearman_influence
from .intervals import crossed, paired_proportions, proportion_interval, studentised
from .ranking import auroc, average_precision, fpr_at_tpr, ood_auroc, ood_ranking, rank_samples, swap
from .selective import accuracy_at_coverage, aurc, best_aurc, excess_aurc, risk_coverage
from .significance import holm, mcnemar, sign_flip

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
    'confusion_matrix',
    'cosine',
    'crossed',
    'entropy',
    'error_bound',
    'excess_aurc',
    'expected_calibration_error',
    'fit_sets',
    'fpr_at_tpr',
    'holm',
    'images_needed',
    'intersection',
    'jensen_shannon',
    'kl_divergence',
    'macro_f1',
    'maximum_calibration_error',
    'mcnemar',
    'mean_class_accuracy',
    'mean_influence',
    'midranks',
    'nll',
    'ood_auroc',
    'ood_ranking',
    'overconfidence',
    'paired_proportions',
    'pearson',
    'percentile_interval',
    'proportion_interval',
    'rank_correlation',
    'rank_samples',
    'resamples',
    'risk_coverage',
    'risk_threshold',
    'sign_flip',
    'skce',
    'spearman_influence',
    'studentised',
    'swap',
    'threshold_at_coverage',
    'threshold_at_risk',
    'top_label',
    'weighted_f1',
]
