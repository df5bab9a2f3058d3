"""Label distribution learning: KL divergence to the soft label, or to the smoothed label."""

from mmfer.models import LDLHead

head = dict(type=LDLHead)
