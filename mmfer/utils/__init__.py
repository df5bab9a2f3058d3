from .checkpoint_reader import CheckpointError, read_checkpoint
from .released_weights import detect_kind, fill, load_pretrained_part, to_mmfer
from .state_dict import find_state_dict

__all__ = [
    'CheckpointError',
    'detect_kind',
    'fill',
    'find_state_dict',
    'load_pretrained_part',
    'read_checkpoint',
    'to_mmfer',
]
