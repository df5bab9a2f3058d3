from .progress_hook import ProgressHook
from .sam_hook import SAMHook

__all__ = ['ProgressHook', 'SAMHook']
