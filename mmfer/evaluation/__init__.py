from .metrics import ExpressionMetric, PredictionDump

__all__ = ['ExpressionMetric', 'PredictionDump']
