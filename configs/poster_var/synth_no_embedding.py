"""synth.py without layer embeddings and their norm: the paper's ablation.

The other rows: synth.py (all parts), synth_linear.py (another head), poster_pp/synth.py (none of the three).

Expected: not measured for seven epochs; 82.27 % over three seeds for four (docs/results/README.md).
Labels: those of synth.py.
Command: mmfer train poster_var/synth_no_embedding
"""

from mmengine.config import read_base

with read_base():
    from .synth import *

model.neck.update(layer_embed=False, token_norm=False)
