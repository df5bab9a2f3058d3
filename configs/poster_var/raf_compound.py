"""POSTER-Var on the compound expressions of RAF-DB, trained as raf.py.

Expected: no figure is published for this setting.
Labels: RAF-DB's own list, 1..11 = happily surprised, happily disgusted, sadly fearful, sadly angry, sadly surprised,
sadly disgusted, fearfully angry, fearfully surprised, angrily surprised, angrily disgusted, disgustedly surprised.
Needs: data/raf_compound (docs/datasets.md), and the files in pretrained/ that README.md names.
Command: mmfer train poster_var/raf_compound
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.raf_compound import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var import *
    from .._base_.schedules.poster_var import *

model.head.num_classes = 11
