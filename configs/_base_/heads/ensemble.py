"""Five linear layers, each reading its own half of the channels."""

from mmfer.models import EnsembleHead

head = dict(type=EnsembleHead, num_members=5, feature_fraction=0.5)
