"""All that a training needs to be stopped anywhere, and to end as if it had not been.

The default runtime names what takes part: ``FERTrainLoop``, ``SeedHook``, ``SafeCheckpointHook``, ``InterruptHook``.
"""

from .checkpoint_hook import SafeCheckpointHook
from .interrupt_hook import InterruptHook
from .loops import FERTrainLoop
from .seed_hook import SeedHook

__all__ = ['FERTrainLoop', 'InterruptHook', 'SafeCheckpointHook', 'SeedHook']
