from . import metrics
from .class_map_evaluator import ClassMapEvaluator
from .class_plan import ClassPlan, plan_classes
from .metrics import *

__all__ = ['ClassMapEvaluator', 'ClassPlan', 'plan_classes', *metrics.__all__]
