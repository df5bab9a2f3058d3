from __future__ import annotations

from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from torch import nn

from mmfer.models.released.weights import load_pretrained


def pretrained_file(module: nn.Module) -> str | None:
    """The checkpoint that ``module.init_cfg`` names as pretrained weights, or None."""
    cfgs = getattr(module, 'init_cfg', None) or []
    for cfg in [cfgs] if isinstance(cfgs, dict) else cfgs:
        if cfg['type'] in ('Pretrained', PretrainedInit):
            return cfg['checkpoint']
    return None


class PretrainedBackbone(BaseModule):
    """A network whose ``init_cfg=dict(type='Pretrained', checkpoint=FILE)`` also takes the files its authors released.

    The file holds the network alone or, for a whole backbone, a model of which the backbone is taken: a released one,
    or one that mmfer trained or converted. It is read without unpickling, its names are translated, and every parameter
    must be filled; MMEngine's own initialiser would call ``torch.load`` and skip what does not fit.
    """

    def init_weights(self) -> None:
        """Fill the network.

        Raises:
            FileNotFoundError: If there is no such file.
            CheckpointError: If it cannot be read, or belongs to another network.
        """
        checkpoint = pretrained_file(self)
        if checkpoint is None:
            super().init_weights()
        elif not self.is_init:
            load_pretrained(self, checkpoint)
            self.is_init = True
