from types import SimpleNamespace

import torch
from mmengine.hooks import EMAHook

from mmfer.engine import SyncBuffersHook


def test_the_averaged_model_is_tested_with_statistics_of_all_processes(monkeypatch):
    def of_two(tensors, op):  # the other process has zeros
        assert op == 'mean'
        for tensor in tensors:
            tensor.copy_(tensor / 2)

    for module in ('mmengine.hooks.sync_buffer_hook', 'mmfer.engine.hooks.sync_buffers_hook'):
        monkeypatch.setattr(f'{module}.all_reduce_params', of_two)
    ema, hook = EMAHook(), SyncBuffersHook()
    runner = SimpleNamespace(model=torch.nn.BatchNorm1d(2), hooks=[ema, hook])
    ema.before_run(runner)
    hook.distributed = True
    hook.before_val_epoch(runner)  # as after iterations; then as after an epoch, which is enough for its validation
    hook.after_train_epoch(runner)
    hook.before_val_epoch(runner)
    for model in (runner.model, ema.ema_model.module):
        assert model.running_var.tolist() == [0.25, 0.25]
