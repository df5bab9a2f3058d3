from .expression_metric import ExpressionMetric
from .prediction_dump import PredictionDump

__all__ = ['ExpressionMetric', 'PredictionDump']
