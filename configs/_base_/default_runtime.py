from mmengine.hooks import (
    DistSamplerSeedHook,
    IterTimerHook,
    LoggerHook,
    ParamSchedulerHook,
    RuntimeInfoHook,
)
from mmengine.runner import LogProcessor
from mmengine.visualization import LocalVisBackend

from mmfer.engine import (
    GuardHook,
    InterruptHook,
    ProgressHook,
    RecordHook,
    SafeCheckpointHook,
    SAMHook,
    ScalarVisualizer,
    SeedHook,
    SpeedHook,
    SyncBuffersHook,
)

# where names without a prefix are looked up: in mmfer, then in mmpretrain and MMEngine
default_scope = 'mmfer'
default_hooks = dict(
    # epoch, iteration and learning rate, for the log
    runtime_info=dict(type=RuntimeInfoHook),
    # time of an iteration and of loading, for the log
    timer=dict(type=IterTimerHook),
    speed=dict(type=SpeedHook),
    # tells the sampler the epoch, so that each has another order
    sampler_seed=dict(type=DistSamplerSeedHook),
    # writes a line of the log every 50 iterations
    logger=dict(type=LoggerHook, interval=50),
    # steps the schedules of param_scheduler
    param_scheduler=dict(type=ParamSchedulerHook),
    # averages running statistics over the processes before each validation and checkpoint
    sync_buffers=dict(type=SyncBuffersHook),
    checkpoint=dict(type=SafeCheckpointHook, interval=1, max_keep_ckpts=2, save_best='accuracy'),
    progress=dict(type=ProgressHook),
    # with the loops of mmfer: the same result for any number of workers, and after a stop at any place
    seed=dict(type=SeedHook),
    interrupt=dict(type=InterruptHook),
    # runs the second pass of SAMOptimWrapper; does nothing with another optim_wrapper
    sam=dict(type=SAMHook),
    # stops a training whose loss is not finite
    guard=dict(type=GuardHook),
    # writes versions, commit, config and data into the log, and finished.json at the end
    record=dict(type=RecordHook),
)
# hooks of your own, beside the above
custom_hooks = []
# how processes start; OpenCV uses no threads of its own, since workers load images side by side
env_cfg = dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0))
# the log has means over 50 iterations of what this pattern matches
log_processor = dict(type=LogProcessor, window_size=50, mean_pattern=r'.*(loss|time|grad_norm|sharpness).*')
# where the log's scalars go, also as scalars.json
visualizer = dict(type=ScalarVisualizer, vis_backends=[dict(type=LocalVisBackend)])
# of the log: 'DEBUG', 'INFO', 'WARNING' or 'ERROR'
log_level = 'INFO'
# weights to start from: a checkpoint, or the name of a model such as 'poster_var_ferplus_small'
load_from = None
# True continues the newest checkpoint of the work dir, as --resume does
resume = False
# --seed replaces the seed; each process has a seed of its own, since with one for all VICH draws the same noise in each
randomness = dict(seed=0, diff_rank_seed=True)
