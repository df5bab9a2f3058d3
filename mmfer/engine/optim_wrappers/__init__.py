from .autocast import AutocastOptimWrapper
from .sam import SAMOptimWrapper

__all__ = ['AutocastOptimWrapper', 'SAMOptimWrapper']
