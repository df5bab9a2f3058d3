from . import hooks, resume
from .hooks import *
from .loops import FERTestLoop, FERValLoop
from .optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from .resume import *
from .runner import FERRunner

__all__ = [
    'AutocastOptimWrapper',
    'FERRunner',
    'FERTestLoop',
    'FERValLoop',
    'SAMOptimWrapper',
    *hooks.__all__,
    *resume.__all__,
]
