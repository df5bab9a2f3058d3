from .calibration_metric import CalibrationMetric
from .distribution_metric import DistributionMetric
from .expression_metric import ExpressionMetric
from .group_metric import GroupMetric
from .prediction_dump import PredictionDump
from .selective_metric import SelectiveMetric
from .set_metric import SetMetric
from .vote_metric import VoteMetric

__all__ = [
    'CalibrationMetric',
    'DistributionMetric',
    'ExpressionMetric',
    'GroupMetric',
    'PredictionDump',
    'SelectiveMetric',
    'SetMetric',
    'VoteMetric',
]
