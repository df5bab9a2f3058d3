from . import hooks, resume
from .hooks import *
from .loops import FERTestLoop, FERValLoop
from .optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from .resume import *
from .runner import FERRunner
from .scalar_visualizer import ScalarVisualizer

__all__ = [
    'AutocastOptimWrapper',
    'FERRunner',
    'FERTestLoop',
    'FERValLoop',
    'SAMOptimWrapper',
    'ScalarVisualizer',
    *hooks.__all__,
    *resume.__all__,
]
