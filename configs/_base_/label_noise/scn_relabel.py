"""SCN with its relabelling from the tenth epoch on, as it is meant for wrong labels: for --heads of compare_heads.py.

An image is relabelled where the largest probability exceeds that of its label by 0.2, and trained with the new label
from the next epoch on: the training has to be longer than ten epochs.
"""

from mmfer.engine import RelabelHook
from mmfer.models import SCNHead

head = dict(type=SCNHead)
custom_hooks = [dict(type=RelabelHook, begin=10, margin=0.2)]
