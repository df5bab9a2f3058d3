from .class_map_evaluator import ClassMapEvaluator
from .metrics import ExpressionMetric, PredictionDump

__all__ = ['ClassMapEvaluator', 'ExpressionMetric', 'PredictionDump']
