from .class_map_evaluator import ClassMapEvaluator
from .class_plan import ClassPlan, plan_classes
from .metrics import ExpressionMetric, PredictionDump

__all__ = ['ClassMapEvaluator', 'ClassPlan', 'ExpressionMetric', 'PredictionDump', 'plan_classes']
