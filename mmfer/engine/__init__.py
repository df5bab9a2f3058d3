from . import hooks
from .hooks import *
from .loops import FERIterTrainLoop, FERTestLoop, FERTrainLoop, FERValLoop
from .optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from .runner import FERRunner

__all__ = [
    'AutocastOptimWrapper',
    'FERIterTrainLoop',
    'FERRunner',
    'FERTestLoop',
    'FERTrainLoop',
    'FERValLoop',
    'SAMOptimWrapper',
    *hooks.__all__,
]
