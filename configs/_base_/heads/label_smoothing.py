"""The linear head with a tenth of each label spread over all classes."""

from mmfer.models import LinearHead, SoftCrossEntropyLoss

head = dict(type=LinearHead, loss=dict(type=SoftCrossEntropyLoss, label_smoothing=0.1))
