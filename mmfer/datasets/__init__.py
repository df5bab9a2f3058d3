"""Data sets and transforms; importing this registers them."""

from . import transforms
from .base_fer_dataset import FERDataset
from .expressions import EXPRESSIONS, canonical_name
from .fer2013 import FER2013
from .folder_dataset import FolderDataset
from .raf_db import RAFDB
from .synth_fer import SynthFER
from .transforms import *  # noqa: F403

__all__ = [
    'EXPRESSIONS',
    'FER2013',
    'FERDataset',
    'FolderDataset',
    'RAFDB',
    'SynthFER',
    'canonical_name',
    *transforms.__all__,
]
