from __future__ import annotations

from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from torch import nn

from mmfer.models.released.weights import load_pretrained_part


def pretrained_file(module: nn.Module) -> str | None:
    """The checkpoint that ``module.init_cfg`` names as pretrained weights, or None."""
    cfgs = getattr(module, 'init_cfg', None) or []
    for cfg in [cfgs] if isinstance(cfgs, dict) else cfgs:
        if cfg['type'] in ('Pretrained', PretrainedInit):
            return cfg['checkpoint']
    return None


class PretrainedPart(BaseModule):
    """A module whose ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` also takes the files its authors released.

    The file is read without unpickling, its names are translated, and every parameter must be filled; MMEngine's own
    initialiser would call ``torch.load`` and skip what does not fit.
    """

    def init_weights(self) -> None:
        checkpoint = pretrained_file(self)
        if checkpoint is None:
            super().init_weights()
        elif not self.is_init:
            load_pretrained_part(self, checkpoint)
            self.is_init = True
