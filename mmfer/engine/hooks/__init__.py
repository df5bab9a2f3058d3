from .checkpoint_hook import SafeCheckpointHook
from .finished_hook import FinishedHook
from .guard_hook import GuardHook
from .interrupt_hook import InterruptHook
from .progress_hook import ProgressHook
from .provenance_hook import ProvenanceHook
from .relabel_hook import RelabelHook
from .sam_hook import SAMHook
from .seed_hook import SeedHook
from .speed_hook import SpeedHook

__all__ = [
    'FinishedHook',
    'GuardHook',
    'InterruptHook',
    'ProgressHook',
    'ProvenanceHook',
    'RelabelHook',
    'SAMHook',
    'SafeCheckpointHook',
    'SeedHook',
    'SpeedHook',
]
