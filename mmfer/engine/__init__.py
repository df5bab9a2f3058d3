from .hooks import ProgressHook
from .runner import FERRunner

__all__ = ['FERRunner', 'ProgressHook']
