"""The tiny ResNet-18 of synth.py on the real faces of FER2013, for comparisons on a CPU.

Paper of the full network: https://arxiv.org/abs/1512.03385
Expected: 52.63 +- 0.88 % accuracy over seeds 0, 1, 2 (docs/results/README.md).
Labels: FER2013's own order, anger, disgust, fear, happiness, sadness, surprise, neutral.
Needs: data/fer2013 (see README.md).
Command: mmfer train resnet/fer2013_tiny
"""

from mmengine.config import read_base

with read_base():
    from .synth import *
    from .._base_.datasets.fer2013 import *  # isort: skip; after synth, whose data it replaces

max_epochs = 4
param_scheduler[0].total_steps = max_epochs
train_cfg.update(max_epochs=max_epochs, val_interval=max_epochs)
