"""synth.py tested on faces of which a block covers 20 % of the area; the training is that of synth.py.

The block of a face follows from its name and the seed of Occlude: it is the same for every model. A part of the face
instead: --cfg-options test_dataloader.dataset.pipeline.1.region=eyes test_dataloader.dataset.pipeline.1.share=None.
mmfer compare --occlusion SHARE does this to the runs of a comparison.

Expected: not measured yet.
Labels: those of synth.py.
Command: mmfer test poster_var/synth_occluded CHECKPOINT --out occluded.json
"""

from mmengine.config import read_base

from mmfer.datasets import Occlude

with read_base():
    from .synth import *

occluded = [*test_pipeline[:1], dict(type=Occlude, region='block', share=0.2, seed=0), *test_pipeline[1:]]
test_dataloader = dict(val_dataloader, dataset=dict(val_dataloader.dataset, pipeline=occluded))
del occluded
