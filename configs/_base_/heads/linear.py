"""One linear layer, softmax and cross entropy: the point estimate."""

from mmfer.models import LinearHead

head = dict(type=LinearHead)
