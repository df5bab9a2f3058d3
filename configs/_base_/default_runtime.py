from mmengine.hooks import (
    DistSamplerSeedHook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
    RuntimeInfoHook,
    SyncBuffersHook,
)
from mmengine.runner import LogProcessor

from mmfer.engine import (
    GuardHook,
    InterruptHook,
    ProgressHook,
    RecordHook,
    SafeCheckpointHook,
    SAMHook,
    SeedHook,
    SpeedHook,
)

default_scope = 'mmfer'
default_hooks = dict(
    runtime_info=dict(type=RuntimeInfoHook),
    timer=dict(type=IterTimerHook),
    speed=dict(type=SpeedHook),
    sampler_seed=dict(type=DistSamplerSeedHook),
    logger=dict(type=LoggerHook, interval=50),
    param_scheduler=dict(type=ParamSchedulerHook),
    sync_buffers=dict(type=SyncBuffersHook),
    checkpoint=dict(type=SafeCheckpointHook, interval=1, max_keep_ckpts=2, save_best='accuracy', rule='greater'),
    progress=dict(type=ProgressHook),
    # with the loops of mmfer: the same result whatever the number of workers, and after a stop at any place
    seed=dict(type=SeedHook),
    interrupt=dict(type=InterruptHook),
    # the second pass of SAMOptimWrapper; nothing beside another optim_wrapper
    sam=dict(type=SAMHook),
    # stops a training whose loss is not finite; writes down what a result comes from
    guard=dict(type=GuardHook),
    record=dict(type=RecordHook),
)
custom_hooks = []
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
log_processor = dict(type=LogProcessor, window_size=50, mean_pattern=r'.*(loss|time|grad_norm|sharpness).*')
log_level = 'INFO'
load_from = None
resume = False
# A seed of its own for each process: with one seed for all, every process would draw the same noise in VICH.
randomness = dict(seed=0, diff_rank_seed=True)
