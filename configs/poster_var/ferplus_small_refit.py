"""The shipped model: ferplus_small.py after its training, trained on with VICH by the votes of each face.

Expected: docs/model_card.md.
Labels: those of ferplus_small.py.
Needs: data/ferplus (docs/datasets.md), and the best checkpoint of ferplus_small.py as load_from.
Command: mmfer train poster_var/ferplus_small_refit --cfg-options load_from=CHECKPOINT
"""

from mmengine.config import read_base

with read_base():
    from .ferplus_small_votes import *

max_epochs = 12
optim_wrapper.optimizer.lr = 3e-4
param_scheduler[0].update(eta_max=3e-4, total_steps=max_epochs)
train_cfg.max_epochs = max_epochs
