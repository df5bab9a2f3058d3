"""Train a network with a head of your own: python own_head.py [CONFIG] [EPOCHS]"""

import sys

from torch import nn

from mmfer import load_config, train
from mmfer.models import BaseHead
from mmfer.registry import MODELS


@MODELS.register_module()
class TwoLayerHead(BaseHead):
    """A hidden layer before the logits. BaseHead adds loss, probabilities and uncertainty."""

    def __init__(self, num_classes, in_channels, hidden=64, loss=None, init_cfg=None):
        super().__init__(num_classes, in_channels, loss=loss, init_cfg=init_cfg)
        self.layers = nn.Sequential(nn.Linear(in_channels, hidden), nn.GELU(), nn.Linear(hidden, num_classes))

    def forward(self, feats):
        """Features (B, C) -> logits (B, K)."""
        return self.layers(self.pre_logits(feats))


config = load_config(sys.argv[1] if len(sys.argv) > 1 else 'poster_var/synth')  # drawn faces, no data needed
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else None

old = config.model.head
config.model.head = dict(type='TwoLayerHead', num_classes=old.num_classes, in_channels=old.in_channels)
runner = train(config, work_dir='work_dirs/own_head', epochs=epochs, seed=0)
print(f'accuracy {runner.test()["accuracy"]:.1f} %')
