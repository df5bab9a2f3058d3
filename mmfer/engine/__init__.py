from . import hooks
from .hooks import *
from .loops import FERIterTrainLoop, FERTrainLoop
from .optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from .runner import FERRunner

__all__ = [
    'AutocastOptimWrapper',
    'FERIterTrainLoop',
    'FERRunner',
    'FERTrainLoop',
    'SAMOptimWrapper',
    *hooks.__all__,
]
