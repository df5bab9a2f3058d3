"""EAC on pooled features: the class scores of an image and of its flipped view are to agree."""

from mmfer.models import EACHead, TwoViewPreprocessor

head = dict(type=EACHead, pooled=True)
data_preprocessor = dict(type=TwoViewPreprocessor)
