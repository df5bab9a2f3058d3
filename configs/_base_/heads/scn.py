"""SCN: importance weights and rank regularisation. For relabelling, which has to begin late, add RelabelHook."""

from mmfer.models import SCNHead

head = dict(type=SCNHead)
