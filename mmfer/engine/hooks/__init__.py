from .guard_hook import GuardHook
from .progress_hook import ProgressHook
from .record_hook import RecordHook
from .relabel_hook import RelabelHook
from .sam_hook import SAMHook
from .speed_hook import SpeedHook
from .sync_buffers_hook import SyncBuffersHook

__all__ = ['GuardHook', 'ProgressHook', 'RecordHook', 'RelabelHook', 'SAMHook', 'SpeedHook', 'SyncBuffersHook']
