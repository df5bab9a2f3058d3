from .hooks import ProgressHook, SAMHook
from .optim_wrappers import AutocastOptimWrapper, SAMOptimWrapper
from .runner import FERRunner

__all__ = ['AutocastOptimWrapper', 'FERRunner', 'ProgressHook', 'SAMHook', 'SAMOptimWrapper']
