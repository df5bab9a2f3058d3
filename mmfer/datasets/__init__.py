"""Data sets, transforms and samplers; importing this registers them."""

from mmfer.structures.expressions import EXPRESSIONS, canonical_name

from . import samplers, transforms, wrappers
from .affect_net import AffectNet
from .base_fer_dataset import FERDataset
from .caer_s import CAERS
from .ck_plus import CKPlus
from .collate import stack_images
from .csv_dataset import CSVDataset
from .exp_w import ExpW
from .fer2013 import FER2013
from .fer_plus import FERPlus
from .folder_dataset import FolderDataset
from .jaffe import JAFFE
from .kdef import KDEF
from .raf_db import RAFDB
from .raf_db_compound import RAFDBCompound
from .samplers import *  # noqa: F403
from .sfew import SFEW
from .synth_fer import SynthFER
from .transforms import *  # noqa: F403
from .wrappers import *  # noqa: F403

__all__ = [
    'AffectNet',
    'CAERS',
    'CKPlus',
    'CSVDataset',
    'EXPRESSIONS',
    'ExpW',
    'FER2013',
    'FERDataset',
    'FERPlus',
    'FolderDataset',
    'JAFFE',
    'KDEF',
    'RAFDB',
    'RAFDBCompound',
    'SFEW',
    'SynthFER',
    'canonical_name',
    'stack_images',
    *samplers.__all__,
    *transforms.__all__,
    *wrappers.__all__,
]
